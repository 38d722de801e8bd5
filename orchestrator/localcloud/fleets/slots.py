"""How many containers may start at a time: a thousand endpoints at once must not mean a thousand imports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

# What has not come up by then most likely waits for something else than the processor.
_HELD_SECONDS = 10.0


class Slots:
    """Places of which each start of a container takes one.

    A start gives its place back once the container answers or has ended, and after a while in any case, so
    that containers that never answer do not keep all others waiting.

    Args:
        count: How many places there are.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)

    @contextlib.asynccontextmanager
    async def taken(self, held_seconds: float = _HELD_SECONDS) -> AsyncIterator[None]:
        """Wait for a place, and have it until the end of the block, or for ``held_seconds``."""
        await self._free.acquire()
        giving_back = asyncio.get_running_loop().call_later(held_seconds, self._free.release)
        try:
            yield
        finally:
            if giving_back.when() > asyncio.get_running_loop().time() and not giving_back.cancelled():
                giving_back.cancel()
                self._free.release()
