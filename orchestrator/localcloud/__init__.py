"""The embedded AWS: moto, what it lacks, and a data plane that really serves."""
