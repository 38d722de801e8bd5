"""Find in a container's log what a person needs to read first."""

import re
from collections.abc import Sequence

_TRACEBACK = "Traceback (most recent call last):"
_LAST_LINE = re.compile(r"[A-Za-z_][\w.]*(: .*)?")


def last_error(lines: Sequence[str]) -> str | None:
    """Return the last line of the last traceback in ``lines``, or ``None`` if there is none.

    The line is looked for below the traceback's heading: the first one that is not indented.

    >>> last_error(["Traceback (most recent call last):", "  File ...", "KeyError: 'HOME'", "exit 1"])
    "KeyError: 'HOME'"
    """
    found = None
    inside = False
    for line in lines:
        text = line.rstrip()
        if text.endswith(_TRACEBACK):
            inside = True
        elif inside and text and not text.startswith((" ", "\t")):
            found = text if _LAST_LINE.fullmatch(text) else found
            inside = False
    return found
