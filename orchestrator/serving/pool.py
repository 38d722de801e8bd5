"""The workers of one server: kept alive, and handed out to requests one at a time."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.serving.contract import TIME_LIMIT_SECONDS, Contract
from orchestrator.serving.messages import Failed, Loaded, QueueFullError, Request, Response, WorkerDiedError
from orchestrator.serving.process import LoadError, Worker, ending, started

Log = Callable[[str], None]

# TorchServe's pauses before it tries again, in seconds. A worker that had served is replaced at once.
_PAUSES = (0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89)


@dataclass(frozen=True, slots=True)
class Site:
    """What every worker of a pool is started with."""

    model_dir: Path
    environment: Mapping[str, str]


class Pool:
    """Worker processes that are replaced when they end."""

    def __init__(self, site: Site, contract: Contract, log: Log) -> None:
        self._site = site
        self._contract = contract
        self._log = log
        self._loaded: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._waiting: deque[asyncio.Future[Worker]] = deque()
        self._settled = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def is_ready(self) -> bool:
        """Whether at least one worker has loaded the model."""
        return bool(self._loaded)

    async def first(self) -> None:
        """Wait until the first worker has loaded the model.

        Raises:
            LoadError: If one has failed before.
        """
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    async def ask(self, request: Request) -> Response:
        """Return a worker's answer to ``request``; wait for a free one first.

        Raises:
            QueueFullError: If too many requests wait already.
            TimeoutError: If none became free within SageMaker's time limit.
            WorkerDiedError: If the worker ended, took too long or answered too much.
        """
        worker = await self._free()
        try:
            return await worker.ask(
                request,
                max_bytes=self._contract.max_response_bytes,
                timeout_seconds=self._contract.response_timeout_seconds,
            )
        except WorkerDiedError as error:
            self._log(f"worker {worker.pid} gave no answer: {error}")
            raise
        finally:
            self._offer(worker)

    async def _free(self) -> Worker:
        while self._idle:
            worker = self._idle.popleft()
            if worker.is_alive:
                return worker
        if len(self._waiting) >= self._contract.queue_size:
            raise QueueFullError
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(TIME_LIMIT_SECONDS):
                return await turn
        except BaseException:
            self._forgo(turn)
            raise

    def _forgo(self, turn: asyncio.Future[Worker]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif not turn.cancelled():
            self._offer(turn.result())

    def _offer(self, worker: Worker) -> None:
        """Give ``worker`` to whoever has waited longest, or keep it for the next request."""
        if not worker.is_alive:
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(worker)
                return
        self._idle.append(worker)

    async def keep(self, number: int) -> None:
        """Keep the ``number``-th worker running until cancelled."""
        failures = 0
        while True:
            failures = 0 if await self._live(number) else failures + 1
            pause = _PAUSES[min(failures, len(_PAUSES) - 1)]
            self._log(f"worker {number} is started again in {pause} s")
            await asyncio.sleep(pause)

    def abandon(self, keeper: "asyncio.Task[None]") -> None:
        """Let a bug that ended ``keeper``, and with it a worker's place, be known and not only felt."""
        if not keeper.cancelled():
            self._failure = keeper.exception()
            self._settled.set()
            self._log(f"a worker's place is given up: {self._failure!r}")

    async def _live(self, number: int) -> bool:
        """Start a worker, wait until it has ended, and tell whether it had been of use."""
        try:
            async with started(self._site.model_dir, self._site.environment) as worker:
                await self._lead(worker, f"worker {number} ({worker.pid})")
                return worker.served
        except OSError as error:
            self._fail(f"worker {number}", Failed(f"no worker can be started: {error}", ""))
            return False

    async def _lead(self, worker: Worker, name: str) -> None:
        begun = time.perf_counter()
        match await worker.outcome():
            case Loaded():
                self._log(f"{name} loaded the model in {time.perf_counter() - begun:.1f} s")
                self._enter(worker)
                try:
                    code = await worker.ended()
                finally:
                    self._leave(worker)
                self._log(f"{name} ended with {ending(code)}")
            case Failed() as failed:
                self._fail(name, failed)

    def _fail(self, name: str, failed: Failed) -> None:
        self._log(f"{name} could not load the model: {failed.error}")
        if not self._settled.is_set():
            self._failure = LoadError(self._site.model_dir, failed.error, failed.traceback)
            self._settled.set()

    def _enter(self, worker: Worker) -> None:
        self._loaded.add(worker)
        self._settled.set()
        self._offer(worker)

    def _leave(self, worker: Worker) -> None:
        self._loaded.discard(worker)
        with contextlib.suppress(ValueError):
            self._idle.remove(worker)


@contextlib.asynccontextmanager
async def running(site: Site, contract: Contract, log: Log) -> AsyncIterator[Pool]:
    """Start a pool's workers, and end them on the way out."""
    pool = Pool(site, contract, log)
    keepers = [asyncio.create_task(pool.keep(number)) for number in range(1, contract.workers + 1)]
    for keeper in keepers:
        keeper.add_done_callback(pool.abandon)
    try:
        yield pool
    finally:
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
