"""What passes between a live endpoint and its callers, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pending:
    """A request to an asynchronous endpoint, which is answered in S3.

    Attributes:
        output_url: Where the answer will be.
        failure_url: Where the error will be instead; empty if SageMaker names no such place.
        request_id: SageMaker's own name for it.
    """

    endpoint: str
    output_url: str
    failure_url: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a container's log.

    Attributes:
        at: When it was written, in seconds since 1970.
        stream: Which container wrote it, such as ``primary/i-0123456789abcdef0``.
        id: CloudWatch's own name for it.
    """

    text: str
    at: float
    stream: str
    id: str


@dataclass(frozen=True, slots=True)
class Position:
    """How far a log was read.

    Lines arrive late and out of order: an instance sends them in batches. So a moment alone would lose some
    or give some twice.

    Attributes:
        moment: From which on lines may still be new, in seconds since 1970.
        seen: The ids of the lines after it that were read already.
    """

    moment: float
    seen: frozenset[str] = frozenset()


LATE_SECONDS = 60.0
"""How much later than its neighbours a line may arrive without being lost."""


def unseen(position: Position, found: tuple[Line, ...]) -> tuple[tuple[Line, ...], Position]:
    """Return those of the lines ``found`` since ``position`` that are new, and the position after them.

    >>> line = Line("ready", 100.0, "primary/i-1", "7")
    >>> new, after = unseen(Position(0.0), (line, line))
    >>> [one.text for one in new], unseen(after, (line,))[0]
    (['ready'], ())
    """
    new = {line.id: line for line in found if line.id not in position.seen}
    ordered = tuple(sorted(new.values(), key=lambda line: line.at))
    # What was taken for new has been shown; where there is nothing new, the window stays where it was.
    newest = max((line.at for line in found), default=position.moment)
    moment = max(position.moment, newest - LATE_SECONDS)
    recent = {line.id for line in found if line.at >= moment}
    return ordered, Position(moment, frozenset(recent))
