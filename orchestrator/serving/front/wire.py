"""How an answer is written: the status line and the headers, as the container's front end writes them.

ASGI has no place for a reason phrase. Here it is one more key, ``reason``, of the message that starts a
response; a server that does not know it leaves it out.
"""

import functools
import re
from collections.abc import Iterable
from http import HTTPStatus

from orchestrator.serving.messages import Headers, Response

RawHeaders = list[tuple[bytes, bytes]]

MAX_REASON = 60_000
"""How long a reason phrase may be: Python's client gives up at a status line of 64 KiB."""

_UNCACHED = [
    (b"Pragma", b"no-cache"),
    # TorchServe's own spelling, semicolon included.
    (b"Cache-Control", b"no-cache; no-store, must-revalidate, private"),
    (b"Expires", b"Thu, 01 Jan 1970 00:00:00 UTC"),
]
# What the front end sets itself, in place of the entry point's own; the rest of these would say how the
# answer is transported, which is between the client and this server.
_OURS = frozenset(
    {
        *("x-request-id", "pragma", "cache-control", "expires"),
        *("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade", "trailer"),
    }
)
# RFC 9110, section 5.6.2.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# Netty's own rule for values; a line end would begin another header.
_FORBIDDEN = re.compile(r"[\0\v\f\r\n]")
# A status line is one line of printable ASCII.
_NOT_PRINTABLE = re.compile(r"[\0-\x08\x0a-\x1f\x7f]")

_CONTINUE, _OK, _NO_CONTENT, _RESET_CONTENT, _NOT_MODIFIED = 100, 200, 204, 205, 304
_BODYLESS = frozenset({_RESET_CONTENT, _NOT_MODIFIED})


class UnwritableError(ValueError):
    """A header that HTTP has no form for; in TorchServe it costs the worker its life."""


def fields(headers: Headers, identity: str) -> RawHeaders:
    """Return the entry point's ``headers``, but for those that are not its business, and ours.

    Raises:
        UnwritableError: If a name is none, or a value has a character that no header can have.
    """
    written = [_field(name, value) for name, value in headers if name.lower() not in _OURS]
    return [*written, (b"x-request-id", identity.encode()), *_UNCACHED]


@functools.lru_cache(maxsize=256)  # the same few come again and again
def _field(name: str, value: str) -> tuple[bytes, bytes]:
    if not _NAME.fullmatch(name) or _FORBIDDEN.search(value):
        raise UnwritableError(name)
    return name.encode(), value.encode("latin-1", "replace")


def head(status: int, reason: str | None, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    r"""Return the first lines of a response, up to and including the empty one.

    >>> head(200, "", [(b"content-length", b"0")])
    b'HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n'
    """
    line = b"HTTP/1.1 %d %b\r\n" % (status, _phrase(status) if reason is None else _line(reason))
    return b"".join([line, *(b"%b: %b\r\n" % field for field in headers), b"\r\n"])


def last(answer: Response, identity: str) -> bytes:
    """Return ``answer`` as the last thing on a connection, whole."""
    headers = fields(answer.headers, identity)
    headers += [(b"content-length", b"%d" % len(answer.body)), (b"connection", b"close")]
    return head(answer.status, answer.reason, headers) + answer.body


def has_body(method: str, status: int) -> bool:
    """Tell whether a body may follow the head: RFC 9112, section 6.3."""
    return method != "HEAD" and has_length(status) and status not in _BODYLESS


def has_length(status: int) -> bool:
    """Tell whether the head may give a body's length. Netty takes numbers below 100 for any other status."""
    return not _CONTINUE <= status < _OK and status != _NO_CONTENT


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode()
    except ValueError:
        return b""


def _line(reason: str) -> bytes:
    if not reason:
        return b""
    text = _NOT_PRINTABLE.sub(" ", reason[:MAX_REASON])
    return text.encode("ascii", "backslashreplace")[:MAX_REASON]
