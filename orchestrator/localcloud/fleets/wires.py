"""A connection to a serving process, and the answer that comes over it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import cast

import httptools

_MAX_HEADERS_BYTES = 65_536
# What may wait to be read before the container is made to wait in its turn.
_MOST_WAITING_BYTES = 1024 * 1024
_OK = 200

Headers = Sequence[tuple[str, str]]


class BrokenAnswerError(Exception):
    """There was no answer, or it could not be read whole."""


class CutAnswerError(BrokenAnswerError):
    """An answer began and could not be read to its end.

    Attributes:
        status: What it began with.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Wire(asyncio.Protocol):
    """One connection; one request at a time.

    Attributes:
        status: Of the answer, once its headers are there.
        headers: Of the answer, with names in lower case.
        has_heard: Whether anything came since the request.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._begin()

    def _begin(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.has_heard = False
        self._is_headed = False
        self._is_ended = False
        self._is_kept = True
        self._lasts_to_the_end = True
        self._error = ""
        self._parts: list[bytes] = []
        self._header_bytes = 0
        self._waiting_bytes = 0
        self._is_paused = False

    @property
    def is_reusable(self) -> bool:
        """Tell whether the connection is open, and its last answer was read whole."""
        is_open = self._transport is not None and not self._transport.is_closing()
        return is_open and self._is_ended and self._is_kept and not self._error

    def send(self, request: bytes) -> None:
        """Send a request; the answer to the one before must have ended."""
        self._begin()
        if self._transport is None or self._transport.is_closing():
            self._error = "the connection is closed"
        else:
            self._transport.write(request)

    async def head(self) -> None:
        """Return once `status` and `headers` are there.

        Raises:
            BrokenAnswerError: If they do not come.
        """
        while not self._is_headed:
            if self._error:
                raise BrokenAnswerError(self._error)
            await self._news()

    async def whole(self, max_bytes: int) -> bytes:
        """Return the whole body.

        Raises:
            CutAnswerError: If it breaks off, or is larger.
        """
        body: list[bytes] = []
        size_bytes = 0
        while True:
            part = await self._part()
            if part is None:
                return b"".join(body)
            body.append(part)
            size_bytes += len(part)
            if size_bytes > max_bytes:
                self.close()
                raise CutAnswerError(self.status, f"the answer is larger than {max_bytes} bytes")

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """Yield the body, part by part.

        Raises:
            CutAnswerError: If it breaks off.
        """
        while (part := await self._part()) is not None:
            yield part

    async def _part(self) -> bytes | None:
        """Return what has come of the body since; ``None`` at its end."""
        while not self._parts:
            if self._is_ended:
                return None
            if self._error:
                raise CutAnswerError(self.status, self._error)
            await self._news()
        part, self._parts, self._waiting_bytes = b"".join(self._parts), [], 0
        if self._is_paused and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return part

    def close(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _tell(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, why: str) -> None:
        self._error = self._error or why
        self.close()
        self._tell()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of the connection."""
        # uvloop's transports are none of asyncio's classes, though they have all of its methods.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note of its end, which may be that of the answer."""
        if self._is_headed and self._lasts_to_the_end and exc is None and not self._error:
            self._is_ended = True
        self._fail(str(exc) if exc else "the container closed the connection")

    def data_received(self, data: bytes) -> None:
        """Read a piece of the answer."""
        if self._is_ended:
            self._fail("the container sent more than an answer")
            return
        self.has_heard = True
        if not self._is_headed:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"the container's answer is no HTTP: {error}")
            return
        if not self._is_headed and self._header_bytes > _MAX_HEADERS_BYTES:
            self._fail(f"the answer's headers are larger than {_MAX_HEADERS_BYTES} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take note of a header; one after the end of the answer is nobody's."""
        if self._is_ended:
            self._is_kept = False
            return
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Let whoever waits know of the headers, unless the container only said to go on."""
        status = self._parser.get_status_code()
        if status < _OK or self._is_ended:
            return
        self.status = status
        framed = {"content-length", "transfer-encoding"}
        self._lasts_to_the_end = not any(name in framed for name, _ in self.headers)
        self._is_headed = True
        self._tell()

    def on_body(self, body: bytes) -> None:
        """Keep a part, and let the container wait if too much of it lies here."""
        self._parts.append(body)
        self._waiting_bytes += len(body)
        if self._waiting_bytes > _MOST_WAITING_BYTES and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._tell()

    def on_message_complete(self) -> None:
        """Take note of the end of the answer."""
        if self._is_ended:
            return
        if not self._is_headed:
            self.headers = []
            return
        self._is_kept = self._parser.should_keep_alive()
        self._is_ended = True
        self._tell()
