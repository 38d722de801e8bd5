"""One request and its answer on a connection: the `receive` and `send` of an ASGI application."""

import asyncio
import logging
import uuid
from collections import deque
from typing import Protocol

from starlette.types import ASGIApp, Message, Scope

from orchestrator.serving import answers
from orchestrator.serving.front import wire

HELD_BYTES = 256 * 1024
"""How much of a body is held for an application that does not take it; then the client has to wait."""

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_OK, _BAD_REQUEST = 200, 400
_logger = logging.getLogger(__name__)


class Line(Protocol):
    """What an exchange needs of its connection."""

    def write(self, content: bytes) -> None:
        """Send ``content`` as soon as the other side takes it."""

    async def drain(self) -> None:
        """Wait until the other side has taken most of what was written."""

    def want_more(self) -> None:
        """Read on."""

    def finished(self, exchange: "Exchange") -> None:
        """Take note that ``exchange`` has been answered whole."""

    def cut(self) -> None:
        """End a response in the middle, so that its reader can tell."""


class Exchange:
    """A request as it arrives, and its answer as it leaves.

    Args:
        scope: ASGI's, with the request's method and version.
        line: The connection.
        keeps_alive: Whether the client wants the connection to stay open.
        expects: Whether the client waits for leave to send the body.
    """

    def __init__(self, scope: Scope, line: Line, *, keeps_alive: bool, expects: bool) -> None:
        self.scope = scope
        self.keeps_alive = keeps_alive
        self.has_started = False
        self.is_complete = False
        self.is_received = False
        self._line = line
        self._expects = expects
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._end_taken = False
        self._start: Message | None = None
        self._is_chunked = False
        self._writes_body = True
        self._task: asyncio.Task[None] | None = None
        self._waiting: asyncio.Future[None] | None = None

    def begin(self, app: ASGIApp, tasks: set[asyncio.Task[None]]) -> None:
        """Have ``app`` answer, in a task that is one of ``tasks`` for as long as it runs."""
        self._task = asyncio.get_running_loop().create_task(self._run(app))
        tasks.add(self._task)
        self._task.add_done_callback(tasks.discard)
        self._task.add_done_callback(self._ended)

    def abandon(self) -> None:
        """Let nobody work for a client who has gone."""
        if self._task is not None and not self.is_complete:
            self._task.cancel()
        self.is_complete = True
        self._wake()

    def feed(self, body: bytes) -> bool:
        """Hold a piece of the body; tell whether more may come."""
        if self.is_complete:
            return True
        self._chunks.append(body)
        self._held += len(body)
        self._wake()
        return self._held < HELD_BYTES

    def end(self) -> None:
        """Take note that the whole request is here."""
        self.is_received = True
        self._wake()

    async def receive(self) -> Message:
        """Return the next event of the request, as ASGI asks."""
        if self._expects and not self._chunks and not self.is_received:
            self._line.write(_CONTINUE)
        self._expects = False
        while not self.is_complete and (self._end_taken or not (self._chunks or self.is_received)):
            self._line.want_more()
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        if self.is_complete:
            return {"type": "http.disconnect"}
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._held = 0
        self._end_taken = self.is_received
        return {"type": "http.request", "body": body, "more_body": not self.is_received}

    async def send(self, message: Message) -> None:
        """Send an event of the response, as ASGI asks; the head leaves together with the first body."""
        if self.is_complete:
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        await self._line.drain()
        more = bool(message.get("more_body", False))
        head = b"" if self.has_started else self._head()
        body: bytes = message.get("body", b"") if self._writes_body else b""
        if self._is_chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        self._line.write(head + body if head else body)
        if not more:
            self.is_complete = True
            self._line.finished(self)

    def _head(self) -> bytes:
        if self._start is None:
            raise RuntimeError("the application has sent a body before a status")
        self.has_started = True
        status, headers = self._start["status"], list(self._start["headers"])
        self._writes_body = wire.has_body(self.scope["method"], status)
        is_measured = any(name.lower() == b"content-length" for name, _ in headers)
        if self._writes_body and not is_measured and self.scope["http_version"] == "1.1":
            self._is_chunked = True
            headers.append((b"transfer-encoding", b"chunked"))
        # A response without a length ends with the connection; and of a request that has not arrived whole
        # nobody knows whether its rest will come.
        is_bounded = is_measured or self._is_chunked or not self._writes_body
        self.keeps_alive = (
            self.keeps_alive and _OK <= status < _BAD_REQUEST and is_bounded and self.is_received
        )
        headers.append((b"connection", b"keep-alive" if self.keeps_alive else b"close"))
        return wire.head(status, self._start.get("reason"), headers)

    async def _run(self, app: ASGIApp) -> None:
        await app(self.scope, self.receive, self.send)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _logger.error("a bug in the application", exc_info=error)
        if self.is_complete:
            return
        self.is_complete = True
        if self.has_started:
            self._line.cut()
            return
        self.keeps_alive = False
        self._line.write(wire.last(answers.broken(), str(uuid.uuid4())))
        self._line.finished(self)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
