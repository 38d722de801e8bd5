"""The fleet of one variant: its artifact unpacked, and the container that serves it.

One serving process stands for all instances of the variant.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.core.errors import ArtifactError
from orchestrator.localcloud.artifacts import fetch
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.container import Container, ContainerError, environment
from orchestrator.localcloud.containerlog import ContainerLog, Stream, group_of
from orchestrator.localcloud.exchange import Answer, BrokenAnswerError, Headers, Streamed, ask, streamed
from orchestrator.localcloud.world import Scope, Variant

# "SIGTERM, SIGKILL 30 s later": SageMaker developer guide, your-algorithms-inference-code. A request may
# take 60 s there.
_GRACE_SECONDS = 30.0
_DRAIN_SECONDS = 60.0


class FleetError(Exception):
    """A fleet did not come up; the container's log says why."""


class Fleet(Protocol):
    """What answers the requests for one variant."""

    variant: Variant

    @property
    def answering(self) -> int:
        """How many requests it is answering."""
        ...

    async def ask(self, headers: Headers, body: bytes) -> Answer:
        """Send one request to the model.

        Raises:
            BrokenAnswerError: If no whole answer came back.
        """
        ...

    def stream(self, headers: Headers, body: bytes) -> AbstractAsyncContextManager[Streamed]:
        """Send one request to the model, whose answer comes in parts; it is being answered until the end.

        Raises:
            BrokenAnswerError: If no answer came back.
        """
        ...

    async def stop(self, *, drain: bool) -> None:
        """End it; with ``drain``, after the requests it is answering."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """The endpoint that a fleet belongs to."""

    scope: Scope
    endpoint: str


class ProcessFleet:
    """A fleet whose container is a process on this machine."""

    def __init__(self, variant: Variant, container: Container, log: ContainerLog, folder: Path) -> None:
        self.variant = variant
        self._container = container
        self._log = log
        self._folder = folder
        self._answering = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def answering(self) -> int:
        """How many requests it is answering."""
        return self._answering

    async def ask(self, headers: Headers, body: bytes) -> Answer:
        """Send one request to the model.

        Raises:
            BrokenAnswerError: If no whole answer came back, or the container is being started again.
        """
        with self._busy() as port:
            return await ask(port, headers, body)

    @contextlib.asynccontextmanager
    async def stream(self, headers: Headers, body: bytes) -> AsyncIterator[Streamed]:
        """Send one request to the model, whose answer comes in parts; it is being answered until the end.

        Raises:
            BrokenAnswerError: If no answer came back, or the container is being started again.
        """
        with self._busy() as port:
            async with streamed(port, headers, body) as answer:
                yield answer

    @contextlib.contextmanager
    def _busy(self) -> Iterator[int]:
        """Count one request as being answered, and say by which port."""
        if self._container.port is None:
            raise BrokenAnswerError("the container is not running")
        self._answering += 1
        self._idle.clear()
        try:
            yield self._container.port
        finally:
            self._answering -= 1
            if not self._answering:
                self._idle.set()

    async def start(self, clients: Clients, scope: Scope) -> None:
        """Return once the container answers.

        Raises:
            FleetError: If it does not. Nothing of it is left then, and its log can be read.
        """
        try:
            await asyncio.to_thread(fetch, clients, scope, self.variant.container, self._folder)
            await self._container.start(self.variant.start_seconds)
        except (ArtifactError, ContainerError, OSError) as error:
            self._log.write(f"the container did not start: {error}")
            await self.stop(drain=False)
            raise FleetError(str(error)) from error
        except asyncio.CancelledError:
            await self._discard(0)
            raise
        await self._log.flush()

    async def stop(self, *, drain: bool) -> None:
        """End it; with ``drain``, after the requests it is answering."""
        if drain:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _DRAIN_SECONDS)
        await self._discard(_GRACE_SECONDS)
        await self._log.close()

    async def _discard(self, grace_seconds: float) -> None:
        await self._container.stop(grace_seconds)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts fleets.

    Attributes:
        command: The program that serves a model, up to where the model's folder is named.
        folder: Where artifacts are unpacked, each in a folder of its own.
        clock: Seconds since 1970, for the log.
    """

    clients: Clients
    command: Sequence[str]
    folder: Path
    clock: Callable[[], float]

    async def launch(self, place: Place, variant: Variant) -> Fleet:
        """Return the fleet of ``variant`` once it answers.

        Raises:
            FleetError: If it does not come up.
        """
        folder = Path(tempfile.mkdtemp(prefix=f"{place.endpoint}-", dir=self.folder))
        instance = f"i-{secrets.token_hex(9)[1:]}"
        stream = Stream(place.scope, group_of(place.endpoint), f"{variant.name}/{instance}")
        log = ContainerLog(self.clients, stream, self.clock)
        options = ("--port", "0", "--host", "127.0.0.1", "--workers", "1", "--exit-with-stdin")
        variables = environment(os.environ, variant.container.get("Environment") or {})
        container = Container((*self.command, str(folder), *options), variables, log.write)
        fleet = ProcessFleet(variant, container, log, folder)
        await fleet.start(self.clients, place.scope)
        return fleet
