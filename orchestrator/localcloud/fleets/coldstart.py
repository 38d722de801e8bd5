"""Serverless fleets: no process until a request needs one, and none left once nobody has asked for a while.

Each process answers one request at a time, as far as the machine bears processes; a request that finds all
of them busy waits for another one to start. How long AWS keeps an idle one is not documented: here it is
`_IDLE_SECONDS`. The processes of ``ProvisionedConcurrency`` stay.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, Headers, Streamed
from orchestrator.localcloud.fleets.fleet import FleetError, ProcessFleet
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Variant

_IDLE_SECONDS = 300.0


def provisioned(variant: Variant) -> int:
    """Return how many processes of a serverless variant are always there."""
    return int((variant.serverless or {}).get("ProvisionedConcurrency", 0))


class ServerlessFleet:
    """A fleet that starts its containers when they are needed.

    Args:
        inner: Of processes; none of them runs yet.
        most: How many processes the machine bears.
        pace: What idle processes are kept by.
    """

    def __init__(self, inner: ProcessFleet, most: int, pace: Pace) -> None:
        self.variant = replace(inner.variant, count=provisioned(inner.variant))
        self._inner = inner
        self._most = most
        self._pace = pace
        self._kept = 0
        self._answering = 0
        self._asked = 0
        self._proved = False
        self._starting = asyncio.Lock()
        self._cooling: asyncio.Task[None] | None = None

    @property
    def answering(self) -> int:
        """How many requests it is answering, those among them that wait for a process."""
        return self._answering

    @property
    def count(self) -> int:
        """How many processes it has now."""
        return self._inner.count

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Its processes."""
        return self._inner.instances

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        """Send one request to the model, after a cold start if there must be one.

        Raises:
            BrokenAnswerError: If no whole answer came back, or no process has come up.
        """
        async with self._ready() as setup_us:
            return replace(await self._inner.ask(headers, body, instance), setup_us=setup_us)

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        """Send one request to the model, whose answer comes in parts, after a cold start if need be.

        Raises:
            BrokenAnswerError: If no answer came back, or no process has come up.
        """
        async with self._ready() as setup_us, self._inner.stream(headers, body, instance) as answer:
            yield replace(answer, setup_us=setup_us)

    async def look(self, path: str) -> Answer:
        """GET ``path`` of a container.

        Raises:
            BrokenAnswerError: If no whole answer came back, or nobody is there to answer.
        """
        async with self._ready():
            return await self._inner.look(path)

    @contextlib.asynccontextmanager
    async def _ready(self) -> AsyncIterator[int]:
        """Count one request, and wait for a process; say how many microseconds that took."""
        self._answering += 1
        self._asked += 1
        began = time.monotonic()
        try:
            waited = await self._grow()
            yield round((time.monotonic() - began) * 1_000_000) if waited else 0
        finally:
            self._answering -= 1

    def _is_short(self) -> bool:
        return self._inner.count < min(self._answering, self._most)

    async def _grow(self) -> bool:
        """Return once there are as many processes as requests, or as can be; tell whether one was missing."""
        if not self._is_short():
            return False
        async with self._starting:
            try:
                if self._is_short():
                    await self._inner.resize(self._inner.count + 1)
            except FleetError as error:
                raise BrokenAnswerError(str(error)) from error
        return True

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        """Keep so many processes at all times; the first time, see that one comes up at all.

        Public reports show endpoints that fail for a model that "could not be stood up", so AWS tries it
        while the endpoint is created; that no process stays is our reading.

        Raises:
            FleetError: If none does.
        """
        async with self._starting:
            least = count if self._proved else max(count, 1)
            await self._inner.resize(min(max(least, self._inner.count), self._most), changed)
            self._kept = min(count, self._most)
            if not self._proved:
                self._proved = True
                await self._inner.resize(self._kept, changed)
                self._cooling = asyncio.create_task(self._cool())

    async def _cool(self) -> None:
        """End what nobody has asked for a while, again and again."""
        while True:
            asked = self._asked
            await self._pace.wait(_IDLE_SECONDS)
            async with self._starting:
                if asked == self._asked and not self._answering and self._inner.count > self._kept:
                    await self._inner.resize(self._kept)

    async def stop(self, *, drain: bool) -> None:
        """End it; with ``drain``, after the requests it is answering."""
        if self._cooling is not None:
            self._cooling.cancel()
            await asyncio.gather(self._cooling, return_exceptions=True)
        while drain and self._answering > self._inner.answering:
            # They wait for a process, and have been taken.
            async with self._starting:
                await asyncio.sleep(0)
        await self._inner.stop(drain=drain)
