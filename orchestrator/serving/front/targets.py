"""What a request's target means: a pure reading of what stands between the method and the version.

The rules are those of Netty's `QueryStringDecoder` and of Java's `String.split`, by which TorchServe finds
its way: see `HttpRequestHandler.java`. What looks odd here was tried there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_to_bytes

_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_ENCODED_BYTES = 3


class UndecodableError(ValueError):
    """The percent-encoding is wrong; the message is Netty's."""


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of a target.

    Attributes:
        segments: Of the path, percent-decoded, without empty ones at the end. That of a path that begins with
            a slash is empty first; ``*`` is one segment, the root none.
        query: What follows ``?``, as it came.
        whole: The target, as it came.
    """

    segments: tuple[str, ...]
    query: str
    whole: str

    @property
    def path(self) -> str:
        """The decoded path; it ends in a slash only if it is the root."""
        return "/".join(self.segments) or "/"


@lru_cache(maxsize=256)
def read(target: bytes) -> Target:
    """Return the parts of ``target``.

    >>> read(b"/invocations/?a=b")
    Target(segments=('', 'invocations'), query='a=b', whole='/invocations/?a=b')

    Raises:
        UndecodableError: If the path's percent-encoding is wrong.
    """
    whole = target.decode("latin-1")
    before, _, query = whole.partition("#")[0].partition("?")
    segments = _decoded(before, whole).split("/")
    while segments and not segments[-1]:
        segments.pop()
    return Target(tuple(segments), query, whole)


def fields(target: Target) -> Iterator[tuple[str, str]]:
    """Yield names and values of the query's fields, decoded, in order.

    >>> list(fields(read(b"/invocations?a=1&b;c=x+%41&")))
    [('a', '1'), ('b', ''), ('c', 'x A')]

    Raises:
        UndecodableError: If the percent-encoding of one is wrong.
    """
    for field in target.query.replace(";", "&").split("&"):
        if field:
            name, _, value = field.replace("+", " ").partition("=")
            yield _decoded(name, target.whole), _decoded(value, target.whole)


def _decoded(text: str, whole: str) -> str:
    if "%" not in text:
        return text
    start = whole.replace("+", " ").find(text)
    place = text.find("%")
    while place >= 0:
        digits = text[place + 1 : place + _ENCODED_BYTES]
        if place + _ENCODED_BYTES > len(text):
            raise UndecodableError(f"unterminated escape sequence at index {start + place} of: {whole}")
        if not _HEXADECIMAL.issuperset(digits):
            raise UndecodableError(f"invalid hex byte '{digits}' at index {start + place + 1} of '{whole}'")
        place = text.find("%", place + _ENCODED_BYTES)
    return unquote_to_bytes(text.encode("latin-1")).decode("utf-8", "replace")
