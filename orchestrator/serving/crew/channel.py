"""The server's end of the socket pair between it and a worker, on asyncio's loop."""

import asyncio
from collections import deque
from typing import cast

from orchestrator.serving.frames import Assembly, Frame, OversizedFrameError, opening
from orchestrator.serving.messages import WorkerDiedError

ENDED = "it ended"
"""What `Channel.receive` says of a worker that has closed its end."""

_SMALL_BYTES = 64 * 1024
# More frames than this are not read ahead of whoever takes them.
_READ_AHEAD = 4


class Channel(asyncio.BufferedProtocol):
    """Frames out, frames in.

    It is open to frames between a `send` and `rest`, and while the model loads. A worker that speaks at
    another time does not follow the protocol, and the channel is closed.

    Attributes:
        closed: Has a result when it is.
    """

    def __init__(self) -> None:
        self._assembly = Assembly()
        self._frames: deque[Frame] = deque()
        self._reader: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._failure: str = ""
        self._is_listening = True
        self._is_paused = False
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_open(self) -> bool:
        """Whether the worker can be reached, as far as is known."""
        return not self._failure

    def send(self, frame: Frame) -> None:
        """Send ``frame``; that it cannot be sent is known when an answer is waited for."""
        self._is_listening = True
        if self._transport is None or self._transport.is_closing():
            return
        if len(frame.body) <= _SMALL_BYTES:
            self._transport.write(opening(frame) + frame.body)
        else:
            self._transport.writelines([opening(frame), frame.body])

    async def receive(self, max_bytes: int, timeout_seconds: float) -> Frame:
        """Return the next frame.

        Raises:
            TimeoutError: If it has not come whole within ``timeout_seconds``.
            WorkerDiedError: If the worker has closed its end, or sends a body of more than ``max_bytes``.
        """
        self._assembly.max_body_bytes = max_bytes
        if not self._frames:
            self._resume()
            await self._arrival(timeout_seconds)
        if not self._frames:
            raise WorkerDiedError(self._failure)
        return self._frames.popleft()

    async def _arrival(self, timeout_seconds: float) -> None:
        # A timer and a future: `asyncio.timeout` takes four times as long, and every request waits here.
        loop = asyncio.get_running_loop()
        self._reader = loop.create_future()
        if self._failure:
            return
        timer = loop.call_later(timeout_seconds, _expire, self._reader)
        try:
            await self._reader
        finally:
            timer.cancel()

    def rest(self) -> None:
        """Expect nothing before the next `send`."""
        self._is_listening = False
        if self._frames:
            self._fail("it said more than it was asked")

    def close(self) -> None:
        """Close the channel now: the worker takes it as its notice."""
        self._fail(ENDED)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, as asyncio asks."""
        # uvloop's are no instances of asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the next bytes belong."""
        return self._assembly.room()

    def buffer_updated(self, nbytes: int) -> None:
        """Take ``nbytes`` that have arrived."""
        try:
            self._frames += self._assembly.add(nbytes)
        except OversizedFrameError as error:
            limit = self._assembly.max_body_bytes
            self._fail(f"its answer has {error.body_bytes} bytes, {limit} are allowed")
            return
        if not self._is_listening:
            self._fail("it said something without being asked")
        elif self._frames:
            self._pause()
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Take note that the worker's end is closed."""
        self._fail(ENDED)

    def _pause(self) -> None:
        if len(self._frames) > _READ_AHEAD and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and self._transport is not None and not self._transport.is_closing():
            self._is_paused = False
            self._transport.resume_reading()

    def _fail(self, failure: str) -> None:
        if not self._failure:
            self._failure = failure
            self.closed.set_result(None)
            if self._transport is not None:
                self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


def _expire(reader: "asyncio.Future[None]") -> None:
    if not reader.done():
        reader.set_exception(TimeoutError())
