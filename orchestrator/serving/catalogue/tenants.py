"""One model of several: its workers live in a task of their own, from its registration to its end."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

from orchestrator.serving import ports
from orchestrator.serving.catalogue.descriptions import Facts
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import OnPart, Situation, WorkerState


class Pool(ports.Workers, Protocol):
    """Workers for one model; `orchestrator.serving.crew.pool.Pool` is one."""

    @property
    def waiting(self) -> int:
        """How many requests no worker has taken yet."""

    async def settled(self) -> None:
        """Wait until the model has loaded.

        Raises:
            LoadError: If it does not.
        """

    def states(self) -> Sequence[WorkerState]:
        """Return every worker's state."""


class Tenant:
    """One model; the `ports.Workers` of it, once it has loaded.

    It begins to load where it is made, which has to be in a running loop.

    Args:
        facts: Of the model.
        start: Starts the workers, which end with the block.
        admit: Is given the workers when they have loaded the model, and raises if that may not stay.
        drain_seconds: How long requests in flight may take when it is told to leave.

    Attributes:
        task: All of its life. If that ends with an error, the model has not loaded.
    """

    def __init__(
        self,
        facts: Facts,
        start: Callable[[], AbstractAsyncContextManager[Pool]],
        admit: Callable[[Pool], None],
        *,
        drain_seconds: float,
    ) -> None:
        self.facts = facts
        self._drain_seconds = drain_seconds
        self._pool: asyncio.Future[Pool] = asyncio.get_running_loop().create_future()
        self._leaving = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.task = asyncio.create_task(self._live(start, admit))

    @property
    def has_loaded(self) -> bool:
        """Whether it can be asked."""
        return self._pool.done()

    @property
    def is_ready(self) -> bool:
        """Whether a worker can answer now."""
        return self.has_loaded and self._pool.result().is_ready

    async def settled(self) -> bool:
        """Wait until the model has loaded, or nothing is left of it, and tell which.

        Whoever waits may stop to do so: the model is loaded all the same.
        """
        ends: set[asyncio.Future[Any]] = {self.task, self._pool}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return self.has_loaded

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Return the answer of a worker, once the model has loaded."""
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._pool.result().ask(request, on_part)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def leave(self) -> None:
        """End the workers, after they have answered what is in flight, and wait for that."""
        self._leaving.set()
        await asyncio.wait({self.task})

    def look(self) -> Situation:
        """Return how the workers are now."""
        if not self.has_loaded:
            return Situation()
        pool = self._pool.result()
        return Situation(tuple(pool.states()), pool.waiting)

    async def _live(
        self, start: Callable[[], AbstractAsyncContextManager[Pool]], admit: Callable[[Pool], None]
    ) -> None:
        async with start() as pool:
            await pool.settled()
            admit(pool)
            self._pool.set_result(pool)
            await self._leaving.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._drain_seconds):
                    await self._idle.wait()


def proportional_bytes(states: Sequence[WorkerState]) -> int:
    """Return the memory of workers, each page divided by the number of processes that share it.

    Workers are forks, so their resident memory would count the same pages of torch again and again. See
    ``Pss`` in the kernel's ``Documentation/filesystems/proc.rst``.
    """
    return sum(_process_bytes(state.pid) for state in states if state.pid is not None)


def _process_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
