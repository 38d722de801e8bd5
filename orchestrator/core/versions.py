"""Versions of packages, as far as a container's can be compared without a library.

The rules are those of https://packaging.python.org/en/latest/specifications/version-specifiers/ for plain
releases. Must not know which packages there are.
"""

import re
from collections.abc import Sequence

Specifier = tuple[str, str]
"""An operator and a version, such as ``(">=", "1.26")``."""

_RELEASE = re.compile(r"\d+(\.\d+)*", re.ASCII)


def release(version: str) -> tuple[int, ...] | None:
    """Return a version as numbers that compare as versions do, without what is local to one build of it.

    ``None`` stands for what is no plain release, such as ``2.7.0rc1``.

    >>> release("2.13.0+cpu"), release("2.7.0rc1"), release("2.6") < release("2.13")
    ((2, 13, 0), None, True)
    """
    plain = version.partition("+")[0]
    return tuple(map(int, plain.split("."))) if _RELEASE.fullmatch(plain) else None


def admits(specifiers: Sequence[Specifier], version: str) -> bool:
    """Tell whether pip would be content with the release ``version`` where it is installed already.

    What takes more than plain releases to decide is not admitted: better one question too many.

    >>> admits([(">=", "2.4"), ("<", "3")], "2.6.0"), admits([("~=", "2.5.0")], "2.6.0")
    (True, False)
    """
    there = release(version)
    return there is not None and all(_admits(operator, wanted, there) for operator, wanted in specifiers)


def _admits(operator: str, wanted: str, there: tuple[int, ...]) -> bool:
    bound = release(wanted.removesuffix(".*"))
    if bound is None or "+" in wanted:
        return False
    width = max(len(bound), len(there))
    left, right = (numbers + (0,) * (width - len(numbers)) for numbers in (there, bound))
    begins = left[: len(bound)] == bound
    match operator:
        case "==":
            return begins if wanted.endswith(".*") else left == right
        case "!=":
            return not begins if wanted.endswith(".*") else left != right
        case ">=":
            return left >= right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case "<":
            return left < right
        case "~=":
            return left >= right and left[: len(bound) - 1] == bound[:-1]
        case _:
            return False  # ``===`` compares texts, and nobody told us how the image spells its version
