"""Takes the place of the archive's own module `handler_service`, as the toolkit's does in the container."""
