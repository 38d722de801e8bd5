"""Why an object could not be transformed."""

from enum import StrEnum


class Blame(StrEnum):
    """Whose fault it is, as the ``FailureReason`` of a transform job begins."""

    CLIENT = "ClientError"
    ALGORITHM = "AlgorithmError"


class TransformError(Exception):
    """An object, or a whole job, failed.

    Args:
        lines: What the data log says of it, without the object's name.
        blame: Whose fault it is.
    """

    def __init__(self, *lines: str, blame: Blame = Blame.CLIENT) -> None:
        super().__init__(" ".join(lines))
        self.lines = lines
        self.blame = blame
