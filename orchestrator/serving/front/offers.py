"""Declining another protocol that a request offers, as RFC 9110, section 7.8, lets a server do.

llhttp takes whatever follows such a head for that protocol, the request's own body included. Clients that
hope for HTTP/2 offer it with their first request, body and all: Java's own does, and so does `curl --http2`.
"""

from types import SimpleNamespace
from typing import Protocol

import httptools


class Listener(Protocol):
    """What hears of a request once its headers are known."""

    def on_headers_complete(self) -> None:
        """Take note that the head ends."""

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""

    def on_message_complete(self) -> None:
        """Take note that the request ends."""


def declining_parser(listener: Listener) -> httptools.HttpRequestParser:
    """Return a parser for the rest of a request; what it is told of its head, ``listener`` has heard."""
    return httptools.HttpRequestParser(
        SimpleNamespace(
            on_headers_complete=listener.on_headers_complete,
            on_body=listener.on_body,
            on_message_complete=listener.on_message_complete,
        )
    )


def declining_head(method: bytes, framing: list[tuple[bytes, bytes]]) -> bytes:
    r"""Return a head that offers nothing, and says that no other request follows.

    >>> declining_head(b"POST", [(b"content-length", b"2")])
    b'POST / HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n'
    """
    headers = b"".join(b"%b: %b\r\n" % field for field in [(b"connection", b"close"), *framing])
    return b"%b / HTTP/1.1\r\n%b\r\n" % (method, headers)
