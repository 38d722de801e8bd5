"""Takes the place of the archive's own module `serving`, as the toolkit's does in the container."""

from typing import NoReturn


def main() -> NoReturn:
    """Refuse: in the container this starts TorchServe.

    Raises:
        RuntimeError: Always.
    """
    raise RuntimeError("the toolkit's 'serving.main' starts TorchServe, which is not there")
