"""CloudFormation as it is put together: when it is first asked for.

Few local clouds are asked for stacks, and what carries them out takes a moment to import.
"""

import asyncio
from typing import TYPE_CHECKING

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Content, Scope
from orchestrator.localcloud.worlds import Worlds

if TYPE_CHECKING:
    from orchestrator.localcloud.stacks.operations import Stacks


class AwaitedStacks:
    """Answers the operations of CloudFormation, from the first one on.

    Args:
        worlds: What there is.
        clients: The local cloud's way to itself.
        pace: How fast its time goes.
    """

    def __init__(self, worlds: Worlds, clients: Clients, pace: Pace) -> None:
        self._parts = (worlds, clients, pace)
        self._stacks: Stacks | None = None

    async def call(self, scope: Scope, operation: str, request: Content) -> Content:
        """Return the answer to one operation.

        Raises:
            ApiError: If it is refused. Nothing has changed then.
        """
        stacks = self._stacks or self._begun(await asyncio.to_thread(_imported))
        return await stacks.call(scope, operation, request)

    async def close(self) -> None:
        """Let everything be as far as it has come."""
        if self._stacks is not None:
            await self._stacks.close()

    def _begun(self, made: "type[Stacks]") -> "Stacks":
        if self._stacks is None:  # another call may have waited for the same
            self._stacks = made(*self._parts)
        return self._stacks


def _imported() -> "type[Stacks]":
    from orchestrator.localcloud.stacks.operations import Stacks  # noqa: PLC0415 - see above

    return Stacks
