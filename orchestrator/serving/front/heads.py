"""The head of one request: what the parser says of it, piece by piece, checked and limited."""

import time
from typing import Any
from urllib.parse import unquote

from orchestrator.serving import answers
from orchestrator.serving.front.call import EXTENSION
from orchestrator.serving.front.limits import Limits
from orchestrator.serving.messages import Response

_ASGI = {"version": "3.0", "spec_version": "2.4"}
_OLD, _NEW = "1.0", "1.1"
_CONTINUE = b"100-continue"
_READ = frozenset({b"host", b"expect", b"transfer-encoding"})
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class RefusedError(Exception):
    """A request that no application is to see; raised in one of the parser's callbacks it ends its work."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Head:
    """A request line and headers."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._begun = time.perf_counter()
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._spelt: list[tuple[bytes, bytes]] = []
        self._size = self._hosts = 0
        self._is_chunked = False
        self._expectation = b""

    @property
    def expects(self) -> bool:
        """Whether the client waits for leave to send the body."""
        return bool(self._expectation)

    @property
    def framing(self) -> list[tuple[bytes, bytes]]:
        """The headers that say how long the body is."""
        return [field for field in self._headers if field[0] in _FRAMING]

    def take_target(self, piece: bytes) -> None:
        """Add to the target."""
        self._target += piece

    def take_header(self, name: bytes, value: bytes) -> None:
        """Add a header.

        Raises:
            RefusedError: If the body would be encoded otherwise than in chunks.
        """
        self._size += len(name) + len(value)
        value = value.rstrip(b" \t")  # the parser leaves what follows a value to us: RFC 9112, section 5.1
        lower = name.lower()
        self._headers.append((lower, value))
        self._spelt.append((name, value))
        if lower not in _READ:
            return
        if lower == b"host":
            self._hosts += 1
        elif lower == b"expect":
            self._expectation = value.lower()
        elif value.lower() == b"chunked":
            self._is_chunked = True
        else:
            raise RefusedError(answers.invalid_message())

    def scope(self, method: str, version: str) -> dict[str, Any]:
        """Return the whole as ASGI has it, with this server's own extension.

        Raises:
            RefusedError: If it is too large, or is not HTTP/1.0 or 1.1 as RFC 9112 has it: of two hosts
                another reader may choose the other, and one of HTTP/1.0 does not know chunks.
        """
        limits = self._limits
        if self._size + len(self._target) > limits.head_bytes or len(self._headers) > limits.headers:
            raise RefusedError(answers.head_too_large())
        is_old = version == _OLD
        has_host = self._hosts == 1 or (is_old and not self._hosts)
        if version not in {_OLD, _NEW} or not has_host or (is_old and self._is_chunked):
            raise RefusedError(answers.invalid_message())
        if is_old:
            self._expectation = b""  # it came with HTTP/1.1
        elif self._expectation not in {b"", _CONTINUE}:
            raise RefusedError(answers.expectation_failed())
        raw_path, _, query = self._target.partition(b"?")
        path = raw_path.decode("latin-1")
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method,
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "extensions": {EXTENSION: {"headers": self._spelt, "begun": self._begun}},
        }
