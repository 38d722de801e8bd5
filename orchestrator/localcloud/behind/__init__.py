"""moto behind the front: every service that is not ours, what it lacks, and how it is remembered."""
