"""Fleets for images that nobody can serve, where the local cloud was told to accept them."""

import contextlib
from collections.abc import AsyncIterator, Callable

from orchestrator.localcloud.fleets.exchange import Answer, Headers, Streamed, in_one_part
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.world import Variant

_NOT_IMPLEMENTED = 501


class UnemulatedFleet:
    """A fleet without a process, for work on the control plane: every request gets an error that says so.

    Args:
        variant: What it does not serve.
    """

    def __init__(self, variant: Variant) -> None:
        self.variant = variant
        self.count = variant.count
        self.answering = 0

    @property
    def instances(self) -> tuple[Instance, ...]:
        """No process stands for any of them."""
        return ()

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:  # noqa: ARG002 - as every fleet
        """Return what callers get: status 501, and why."""
        image = self.variant.container.get("Image", "")
        words = f"the image {image} is not emulated by the local cloud: no container runs"
        return Answer(_NOT_IMPLEMENTED, (("content-type", "text/plain"),), words.encode())

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        """Answer as `ask` does, in one part."""
        yield in_one_part(await self.ask(headers, body, instance))

    async def look(self, path: str) -> Answer:  # noqa: ARG002 - as every fleet
        """Answer as `ask` does."""
        return await self.ask((), b"")

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        """Have so many instances, by name."""
        self.count = count
        changed()

    async def stop(self, *, drain: bool) -> None:
        """End nothing."""
