"""`model.tar.gz` on disk and on its way: written as a stream, read with suspicion."""
