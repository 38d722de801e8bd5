"""The fleet of one variant: instances that come and go, and who of them answers a request.

An instance is a process. A machine bears fewer of them than a fleet may have: beyond that number each
process stands for several instances, and counts are shown as they were asked for.
"""

import asyncio
import contextlib
import random
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Container, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from orchestrator.localcloud.fleets.exchange import (
    Answer,
    BrokenAnswerError,
    Connections,
    Headers,
    LostInstanceError,
    Streamed,
    UnsentError,
)
from orchestrator.localcloud.fleets.instances import STARTING, Instance, Making
from orchestrator.localcloud.world import Variant

_CHANCE: random.Random = secrets.SystemRandom()
RANDOM = "RANDOM"
"""The routing strategy of the API that takes no notice of who is busy."""


class FleetError(Exception):
    """A fleet did not come up; the container's log says why.

    Attributes:
        reason: What the endpoint says of it, where that is not a matter of its health check.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def _nobody() -> None:
    """Take no notice of an instance that has come or gone."""


class Fleet(Protocol):
    """What answers the requests for one variant."""

    variant: Variant

    @property
    def answering(self) -> int:
        """How many requests it is answering."""
        ...

    @property
    def count(self) -> int:
        """How many instances it has now."""
        ...

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Its processes, those among them that are being started again."""
        ...

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        """Send one request to the model: to any instance, or to the one with this id.

        Raises:
            BrokenAnswerError: If no whole answer came back, or nobody is there to answer.
            LostInstanceError: If that instance is gone.
        """
        ...

    def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AbstractAsyncContextManager[Streamed]:
        """Send one request to the model, whose answer comes in parts; it is being answered until the end.

        Raises:
            BrokenAnswerError: If no answer came back, or nobody is there to answer.
            LostInstanceError: If the instance that was asked for is gone.
        """
        ...

    async def look(self, path: str) -> Answer:
        """GET ``path`` of a container.

        Raises:
            BrokenAnswerError: If no whole answer came back, or nobody is there to answer.
        """
        ...

    async def resize(self, count: int, changed: Callable[[], None] = _nobody) -> None:
        """Return once it has so many instances; those that go answer first what they have.

        Args:
            count: May be 0; no process is left then.
            changed: Called each time that `count` has changed.

        Raises:
            FleetError: If one does not come up. The others stay as they were.
        """
        ...

    async def stop(self, *, drain: bool) -> None:
        """End it; with ``drain``, after the requests it is answering."""
        ...


class ProcessFleet:
    """A fleet whose containers are processes on this machine.

    Args:
        variant: What it serves.
        making: Where its instances come from.
        chance: Chooses among instances that are as good as each other.
    """

    def __init__(self, variant: Variant, making: Making, chance: random.Random = _CHANCE) -> None:
        self.variant = variant
        self._making = making
        self._chance = chance
        self._connections = Connections()
        self._instances: list[Instance] = []
        # Coming or going: they get no requests, and must end with the fleet.
        self._apart: set[Instance] = set()
        self._asked = 0
        self._fetched = False
        self._resizing = asyncio.Lock()

    @property
    def answering(self) -> int:
        """How many requests it is answering."""
        return sum(instance.answering for instance in (*self._instances, *self._apart))

    @property
    def count(self) -> int:
        """How many instances it has now; all that were asked for once every process is there."""
        there = len(self._instances)
        return self._asked if there == min(self._asked, self._making.bound) else there

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Its processes, those among them that are being started again."""
        return tuple(self._instances)

    @property
    def apart(self) -> tuple[Instance, ...]:
        """What is on its way in or out, and gets no requests."""
        return tuple(self._apart)

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        """Send one request to the model: to any instance, or to the one with this id.

        Raises:
            BrokenAnswerError: If no whole answer came back, or nobody is there to answer.
            LostInstanceError: If that instance is gone.
        """
        deaf: set[Instance] = set()
        while True:
            chosen = self._choose(instance, deaf)
            try:
                with chosen.busy() as port:
                    return replace(await self._connections.ask(port, headers, body), instance=chosen.name)
            except UnsentError:
                # Its process has ended just now; nobody has noticed, and another one may answer.
                if instance is not None:
                    raise
                deaf.add(chosen)

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        """Send one request to the model, whose answer comes in parts; it is being answered until the end.

        Raises:
            BrokenAnswerError: If no answer came back, or nobody is there to answer.
            LostInstanceError: If the instance that was asked for is gone.
        """
        deaf: set[Instance] = set()
        while True:
            chosen = self._choose(instance, deaf)
            async with contextlib.AsyncExitStack() as begun:
                port = begun.enter_context(chosen.busy())
                try:
                    asked = self._connections.streamed(port, headers, body)
                    answer = await begun.enter_async_context(asked)
                except UnsentError:
                    if instance is not None:
                        raise
                    deaf.add(chosen)
                    continue
                yield answer
                return

    async def look(self, path: str) -> Answer:
        """GET ``path`` of a container.

        Raises:
            BrokenAnswerError: If no whole answer came back, or nobody is there to answer.
        """
        with self._choose(None).busy() as port:
            return await self._connections.look(port, path)

    def _choose(self, name: str | None, deaf: Container[Instance] = ()) -> Instance:
        if name is not None:
            for instance in self._instances:
                if instance.name == name:
                    return instance
            raise LostInstanceError(f"the instance {name} is gone")
        running = [each for each in self._instances if each.is_running and each not in deaf]
        if not running:
            raise BrokenAnswerError("the container is not running")
        if self.variant.routing == RANDOM:
            return self._chance.choice(running)
        least = min(instance.answering for instance in running)
        return self._chance.choice([instance for instance in running if instance.answering == least])

    async def resize(self, count: int, changed: Callable[[], None] = _nobody) -> None:
        """Return once it has so many instances; those that go answer first what they have.

        Raises:
            FleetError: If one does not come up. The others stay as they were.
        """
        async with self._resizing:
            before, self._asked = self._asked, count
            missing = min(count, self._making.bound) - len(self._instances)
            try:
                if missing > 0:
                    await self._grow(missing, changed)
            except STARTING as error:
                self._asked = before
                raise FleetError(str(error)) from error
            await self._shrink(-missing, changed)
            changed()

    async def _grow(self, missing: int, changed: Callable[[], None]) -> None:
        coming = [self._making.instance() for _ in range(missing)]
        self._apart.update(coming)
        begun: list[asyncio.Task[None]] = []
        try:
            await self._fetch(coming[0])
            begun += [asyncio.create_task(self._come(instance, changed)) for instance in coming]
            await asyncio.gather(*begun)
        except BaseException:
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)
            await self._dismiss(coming, drain=True)
            raise

    async def _fetch(self, first: Instance) -> None:
        """Unpack the artifact, unless it is; the log of the ``first`` instance says why it cannot be."""
        if self._fetched:
            return
        try:
            await asyncio.to_thread(self._making.fetch)
        except STARTING as error:
            await first.note(error)
            raise
        self._fetched = True

    async def _come(self, instance: Instance, changed: Callable[[], None]) -> None:
        await self._making.start(instance)
        self._apart.discard(instance)
        self._instances.append(instance)
        changed()

    async def _shrink(self, surplus: int, changed: Callable[[], None]) -> None:
        if surplus <= 0:
            return
        idlest = sorted(self._instances, key=lambda instance: instance.answering)[:surplus]
        await self._dismiss(idlest, drain=True)
        changed()

    async def _dismiss(self, going: list[Instance], *, drain: bool) -> None:
        self._instances = [instance for instance in self._instances if instance not in going]
        self._apart.update(going)
        await asyncio.gather(*(instance.stop(drain=drain) for instance in going))
        self._apart.difference_update(going)

    async def stop(self, *, drain: bool) -> None:
        """End it; with ``drain``, after the requests it is answering."""
        await self._dismiss([*self._instances, *self._apart], drain=drain)
        self._connections.close()
        await asyncio.to_thread(shutil.rmtree, self._making.folder, ignore_errors=True)


def pids(fleet: Fleet) -> Iterator[int]:
    """Yield the ids of a fleet's processes."""
    for instance in fleet.instances:
        if instance.pid is not None:
            yield instance.pid
