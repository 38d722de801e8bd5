"""The local cloud that stands at an address, and the new one that takes its place when it is reset.

A reset is not a clean-up that every part would have to know: what stood is closed, as at the end of the
process, and another is put together on the same ground.
"""

import asyncio

from starlette.types import Receive, Scope, Send

from orchestrator.localcloud.assembly import Assembled, assemble
from orchestrator.localcloud.ground import Ground, lasting_on


class Site:
    """An ASGI application: the local cloud that stands now.

    Args:
        ground: What it stands on.

    Raises:
        OrchestratorError: If what is kept there cannot be used.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lasting = lasting_on(ground)
        self._resetting = asyncio.Lock()
        self._standing = self._assembled()

    async def __call__(self, connection: Scope, receive: Receive, send: Send) -> None:
        """Let the local cloud that stands now answer."""
        await self._standing.application(connection, receive, send)

    def begin(self) -> None:
        """Begin what goes on by itself, now that requests are answered."""
        self._lasting.memory.begin()
        self._standing.begin()

    async def reset(self) -> None:
        """Empty the local cloud: endpoints end, and nothing that was made or kept is left.

        Raises:
            ApiError: If what is kept cannot be written: then it begins again with that, as after a restart.
        """
        async with self._resetting:
            await self._standing.close()
            try:
                await asyncio.to_thread(self._lasting.forget)
            finally:
                self._standing = self._assembled()
                self._standing.begin()

    async def close(self) -> None:
        """End every fleet, and write what is kept."""
        async with self._resetting:
            await self._standing.close()
            await self._lasting.close()

    def _assembled(self) -> Assembled:
        return assemble(self._ground, self._lasting, self.reset)
