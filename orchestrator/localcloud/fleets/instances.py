"""One instance of a fleet: its container, its log stream and the requests that it is answering."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.core.errors import ArtifactError
from orchestrator.localcloud.faulting.faults import Fault, Kind
from orchestrator.localcloud.fleets.container import Container, ContainerError
from orchestrator.localcloud.fleets.containerlog import ContainerLog
from orchestrator.localcloud.fleets.exchange import BrokenAnswerError
from orchestrator.localcloud.fleets.slots import Slots

# "SIGTERM, SIGKILL 30 s later": SageMaker developer guide, your-algorithms-inference-code. A request may
# take 60 s there.
_GRACE_SECONDS = 30.0
_DRAIN_SECONDS = 60.0
_CRASH = (sys.executable, "-c", "raise SystemExit('the container ends at its start: a fault on demand')")
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0

STARTING = (ArtifactError, ContainerError, OSError)
"""What keeps an instance from coming up."""

Made = Callable[[Sequence[str] | None], Container]
"""Makes a container that is not running: of the fleet's command, or of another one."""


class Instance:
    """A container that comes, serves and goes.

    Args:
        name: Its id, such as ``i-0c1d...``.
        made: Makes its container.
        log: Its log stream.
    """

    def __init__(self, name: str, made: Made, log: ContainerLog) -> None:
        self.name = name
        self.answering = 0
        self._made = made
        self._container = made(None)
        self._log = log
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_running(self) -> bool:
        """Whether it takes requests; not while its container is being started again."""
        return self._container.port is not None

    @property
    def pid(self) -> int | None:
        """The id of its process, or ``None`` while there is none."""
        return self._container.pid

    @property
    def restarts(self) -> int:
        """How often its container was started again after it had ended by itself."""
        return self._container.restarts

    @contextlib.contextmanager
    def busy(self) -> Iterator[int]:
        """Count one request as being answered, and say by which port.

        Raises:
            BrokenAnswerError: If its container is being started again.
        """
        if self._container.port is None:
            raise BrokenAnswerError("the container is not running")
        self.answering += 1
        self._idle.clear()
        try:
            yield self._container.port
        finally:
            self.answering -= 1
            if not self.answering:
                self._idle.set()

    async def start(self, timeout_seconds: float, slots: Slots, fault: Fault | None = None) -> None:
        """Return once it answers.

        Args:
            timeout_seconds: How long its container may take.
            slots: Lets so many containers start at a time.
            fault: What is to go wrong with it.

        Raises:
            ContainerError: If it does not. Nothing of it runs then, and its log can be read.
        """
        try:
            if fault is not None and fault.kind is Kind.CRASH_LOOP:
                await self._crash(fault, timeout_seconds)
            async with slots.taken():
                await self._container.start(timeout_seconds)
            if fault is not None and fault.kind is Kind.SLOW_START:
                await self._linger(fault, timeout_seconds)
        except STARTING as error:
            await self.note(error)
            raise
        await self._log.flush()

    async def note(self, error: Exception) -> None:
        """Write to its log why it did not start; that can be read then."""
        self._log.write(f"the container did not start: {error}")
        await self._log.flush()

    async def _crash(self, fault: Fault, timeout_seconds: float) -> None:
        """Let containers end at their start, with growing pauses, as often as the fault says.

        Raises:
            ContainerError: If that takes longer than the container may.
        """
        left, pause_seconds = fault.crashes, _FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(timeout_seconds):
                while (left is None or left > 0) and not fault.lifted.is_set():
                    container = self._made(_CRASH)
                    with contextlib.suppress(ContainerError):
                        await container.start(timeout_seconds)
                    self._log.write(f"the container ended; starting it again in {pause_seconds:g} s")
                    await _unless_lifted(fault, pause_seconds)
                    pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
                    left = None if left is None else left - 1
        except TimeoutError as error:
            raise ContainerError(f"no answer within {timeout_seconds:g} s") from error

    async def _linger(self, fault: Fault, timeout_seconds: float) -> None:
        """Answer so much later.

        Raises:
            ContainerError: If that is later than it may be. The container has ended then.
        """
        await _unless_lifted(fault, min(fault.seconds, timeout_seconds))
        if fault.seconds > timeout_seconds and not fault.lifted.is_set():
            await self._container.stop(0)
            raise ContainerError(f"no answer within {timeout_seconds:g} s")

    async def stop(self, *, drain: bool) -> None:
        """End it; with ``drain``, after the requests it is answering."""
        if drain:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await self._idle.wait()
        await self._container.stop(_GRACE_SECONDS)
        await self._log.close()


@dataclass(frozen=True, slots=True)
class Making:
    """How the instances of one fleet are made.

    Attributes:
        folder: Where its artifact is unpacked; its own.
        fetch: Unpacks the artifact, once for all of its instances.
        instance: Makes one that is not running.
        start: Lets it come up, or raises one of `instances.STARTING`.
        bound: How many processes the machine bears.
    """

    folder: Path
    fetch: Callable[[], None]
    instance: Callable[[], Instance]
    start: "Starting"
    bound: int


class Starting(Protocol):
    """Lets an instance come up."""

    async def __call__(self, instance: Instance) -> None:
        """Return once ``instance`` answers."""
        ...


async def _unless_lifted(fault: Fault, seconds: float) -> None:
    """Return after so many seconds, or as soon as the fault is taken back."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await fault.lifted.wait()
