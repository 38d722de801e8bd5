"""One worker's place in a pool: whoever is in it is replaced when it ends."""

import asyncio
import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from orchestrator.serving.crew.process import Worker, ending
from orchestrator.serving.messages import Failed, Loaded
from orchestrator.serving.ports import Observer, WorkerState

# TorchServe's `WorkerThread.BACK_OFF`, in seconds, as far as it is ever reached.
_PAUSES = (0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)
# TorchServe's default for `maxRetryTimeoutInSec`: a worker that has failed for so long is not tried again.
_RECOVERY_SECONDS = 300.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Home(Protocol):
    """What a place is part of."""

    @property
    def is_exact(self) -> bool:
        """Whether to follow TorchServe where that is of no use to anybody."""

    def entered(self, worker: Worker, loaded: Loaded) -> None:
        """Take note of a worker that can be used now."""

    def left(self, worker: Worker) -> None:
        """Take note of a worker that cannot be used any more."""

    def failed(self, failed: Failed) -> None:
        """Take note of a model that could not be loaded."""


class Place:
    """Keeps one worker running.

    Args:
        number: From 1.
        start: Starts a worker; raises OSError where none can be started.
        startup_timeout_seconds: How long a worker may take to load its model.
        home: What this place is part of.
        observer: Is told of every worker's beginning and end.
        monotonic: Seconds on a clock that is never set.
    """

    def __init__(
        self,
        number: int,
        start: Callable[[], Awaitable[Worker]],
        startup_timeout_seconds: float,
        home: Home,
        observer: Observer,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._number = number
        self._start = start
        self._startup_timeout_seconds = startup_timeout_seconds
        self._home = home
        self._observer = observer
        self._monotonic = monotonic
        self._worker: Worker | None = None
        self._is_waiting = False
        self._restarts = 0
        self._failing_since: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether TorchServe would call this worker healthy: its failing has not gone on for long.

        One that has yet to load its model for the first time is healthy.
        """
        since = self._failing_since
        return since is None or self._monotonic() - since < _RECOVERY_SECONDS

    def state(self) -> WorkerState:
        """Return who is here now, and how it is."""
        worker = self._worker
        if worker is None:
            state = "waiting to start" if self._is_waiting else "starting"
            return WorkerState(self._number, None, state, 0, self._restarts, 0)
        return WorkerState(
            self._number,
            worker.pid,
            _condition(worker),
            worker.served,
            self._restarts,
            _resident_bytes(worker.pid),
        )

    async def keep(self) -> None:
        """Keep a worker running until cancelled; in exact fidelity, until TorchServe would give up."""
        failures = 0
        while True:
            was_useful = await self._live()
            if self._failing_since is None:
                self._failing_since = self._monotonic()
            if self._home.is_exact and not self.is_healthy:
                return
            failures = 0 if was_useful else failures + 1
            # TorchServe pauses also where a worker had served for long.
            failures = max(failures, 1) if self._home.is_exact else failures
            await self._pause(_PAUSES[min(failures, len(_PAUSES) - 1)])

    async def _pause(self, seconds: int) -> None:
        text = f"worker {self._number} is started again in {seconds} s"
        self._observer.happened("restart", text=text, number=self._number, seconds=seconds)
        self._restarts += 1
        self._is_waiting = True
        await asyncio.sleep(seconds)
        self._is_waiting = False

    async def _live(self) -> bool:
        """Start a worker, wait until it has ended, and tell whether it had been of use."""
        try:
            async with asyncio.timeout(self._startup_timeout_seconds):
                self._worker = worker = await self._start()
        except TimeoutError:
            seconds = self._startup_timeout_seconds
            self._fail(None, Failed(f"no worker could be started in {seconds:g} s", ""))
            return False
        except OSError as error:
            self._fail(None, Failed(f"no worker can be started: {error}", ""))
            return False
        try:
            return await self._lead(worker)
        finally:
            self._worker = None
            await worker.end()

    async def _lead(self, worker: Worker) -> bool:
        begun = self._monotonic()
        match await worker.outcome(self._startup_timeout_seconds):
            case Loaded() as loaded:
                seconds = self._monotonic() - begun
                self._say("worker-loaded", worker, f"loaded the model in {seconds:.1f} s", seconds=seconds)
                self._failing_since = None
                await self._use(worker, loaded)
                return self._home.is_exact or worker.served > 0
            case Failed() as failed:
                self._fail(worker, failed)
                return False

    async def _use(self, worker: Worker, loaded: Loaded) -> None:
        self._home.entered(worker, loaded)
        try:
            how = ending(await worker.ended())
        finally:
            self._home.left(worker)
        self._say("worker-ended", worker, f"ended with {how}", ending=how)

    def _fail(self, worker: Worker | None, failed: Failed) -> None:
        facts = {"error": failed.error, "traceback": failed.traceback}
        self._say("worker-failed", worker, f"could not load the model: {failed.error}", **facts)
        self._home.failed(failed)

    def _say(self, event: str, worker: Worker | None, text: str, **facts: object) -> None:
        name = f"worker {self._number}" if worker is None else f"worker {self._number} ({worker.pid})"
        pid = None if worker is None else worker.pid
        self._observer.happened(event, text=f"{name} {text}", number=self._number, pid=pid, **facts)


def _condition(worker: Worker) -> str:
    if worker.is_idle:
        return "idle"
    return "busy" if worker.served else "starting"


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    return 0
