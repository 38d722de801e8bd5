"""S3 as the `Store` port: one bucket, written to in parts, never overwritten."""
