"""Takes the place of the archive's own module `torchserve`, as the toolkit's does in the container."""
