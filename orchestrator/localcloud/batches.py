"""What many requests leave behind, handed on together."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

_BATCH_SECONDS = 1.0
_Item = TypeVar("_Item")


class Batches(Generic[_Item]):
    """Collects items, and hands on all that wait about once a second.

    Args:
        send: Takes them, oldest first, in a thread.
    """

    def __init__(self, send: Callable[[Sequence[_Item]], None]) -> None:
        self._send = send
        self._waiting: list[_Item] = []
        self._timer: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, item: _Item) -> None:
        """Let an item wait, to be handed on within a moment."""
        self._waiting.append(item)
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._send_soon())

    async def close(self) -> None:
        """Hand on what waits, at once."""
        self._closing.set()
        if self._timer is not None:
            await self._timer

    async def _send_soon(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_BATCH_SECONDS):
                await self._closing.wait()
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await asyncio.to_thread(self._send, waiting)
