"""Find in a container's log, and in SageMaker's words, what a person needs to read first."""

import enum
import re
from collections import Counter
from collections.abc import Iterator, Sequence

_TRACEBACK = "Traceback (most recent call last):"
_LAST_LINE = re.compile(r"[A-Za-z_][\w.]*(: .*)?")


def last_error(lines: Sequence[str]) -> str | None:
    """Return the last line of the last traceback in ``lines``, or ``None`` if there is none.

    The line is looked for below the traceback's heading: the first one that is not indented.

    >>> last_error(["Traceback (most recent call last):", "  File ...", "KeyError: 'HOME'", "exit 1"])
    "KeyError: 'HOME'"
    """
    return next(reversed(list(_errors(lines))), None)


def restarts(lines: Sequence[str]) -> str | None:
    """Return the error that a container ends with again and again, or ``None``.

    A container whose model does not load is started anew and ends the same way; SageMaker goes on showing
    ``Creating`` meanwhile, for about 24 minutes in reports.

    >>> start = ["Traceback (most recent call last):", "  File ...", "KeyError: 'HOME'"]
    >>> restarts(start), restarts(start * 2)
    (None, "KeyError: 'HOME'")
    """
    seen = Counter(_errors(lines)).most_common(1)
    return seen[0][0] if seen and seen[0][1] > 1 else None


def _errors(lines: Sequence[str]) -> Iterator[str]:
    """Yield the last line of every traceback."""
    inside = False
    for line in lines:
        text = line.rstrip()
        if text.endswith(_TRACEBACK):
            inside = True
        elif inside and text and not text.startswith((" ", "\t")):
            inside = False
            if _LAST_LINE.fullmatch(text):
                yield text


class Cause(enum.Enum):
    """What SageMaker's reason for a failure comes down to."""

    CAPACITY = "capacity"
    QUOTA = "quota"
    HEALTH_CHECK = "health-check"
    INTERNAL = "internal"
    OTHER = "other"


_CAUSES = (
    # FailureReason texts in rse-grand-challenge#2631, sagemaker-python-sdk#987 and #155, and in the code of
    # the AWS controllers for Kubernetes, which send an update again after this one only.
    (Cause.CAPACITY, re.compile(r"CapacityError|Unable to provision|InsufficientCapacity", re.IGNORECASE)),
    (Cause.QUOTA, re.compile(r"ResourceLimitExceeded|service limit|quota", re.IGNORECASE)),
    (Cause.HEALTH_CHECK, re.compile(r"ping health check", re.IGNORECASE)),
    (Cause.INTERNAL, re.compile(r"\ARequest to service failed")),
)


def cause(reason: str) -> Cause:
    """Return what a FailureReason comes down to.

    >>> cause("CapacityError: Unable to provision requested ML compute capacity").name, cause("").name
    ('CAPACITY', 'OTHER')
    """
    return next((found for found, words in _CAUSES if words.search(reason)), Cause.OTHER)
