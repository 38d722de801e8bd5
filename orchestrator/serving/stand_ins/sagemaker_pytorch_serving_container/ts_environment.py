"""Takes the place of the archive's own module `ts_environment`, as the toolkit's does in the container."""
