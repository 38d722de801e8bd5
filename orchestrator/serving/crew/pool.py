"""The workers of one server: kept alive, and handed out to requests one at a time."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.serving.contract import TIME_LIMIT_SECONDS, Contract, Fidelity
from orchestrator.serving.crew.batches import Batcher, Batching
from orchestrator.serving.crew.line import Line
from orchestrator.serving.crew.places import Place
from orchestrator.serving.crew.process import LoadError, Worker
from orchestrator.serving.crew.sessions import NEW_SESSION, Sessions, asked_for
from orchestrator.serving.crew.spawning import Spawner
from orchestrator.serving.messages import (
    Assignment,
    Failed,
    Loaded,
    Part,
    Request,
    Response,
    WorkerDiedError,
)
from orchestrator.serving.ports import Observer, OnPart, WorkerState
from orchestrator.serving.traps import TRAPS


@dataclass(frozen=True, slots=True)
class Site:
    """What every worker of a pool is given.

    Attributes:
        batching: How requests are put together; ``None`` gives each to a worker of its own.
    """

    assignment: Assignment
    batching: Batching | None = None


class Pool:
    """Worker processes that are replaced when they end.

    Attributes:
        loaded: What the first worker said that has loaded the model; ``None`` before.
    """

    def __init__(
        self,
        site: Site,
        contract: Contract,
        spawner: Spawner,
        observer: Observer,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loaded: Loaded | None = None
        self._folder = Path(site.assignment.folder)
        self._contract = contract
        self._observer = observer
        self._is_exact = site.assignment.fidelity is Fidelity.EXACT
        self._patience_seconds = None if self._is_exact else TIME_LIMIT_SECONDS
        self._line: Line[Worker] = Line()
        self._sessions: Sessions[Worker] = Sessions()
        self._usable: set[Worker] = set()
        self._settled = asyncio.Event()
        self._failure: BaseException | None = None
        self._batcher = None if site.batching is None else self._batching(site.batching)

        def start() -> Awaitable[Worker]:
            return spawner.start(site.assignment)

        timeout = contract.startup_timeout_seconds
        self._places = [
            Place(number, start, timeout, self, observer, monotonic=monotonic)
            for number in range(1, contract.workers + 1)
        ]

    def _batching(self, batching: Batching) -> Batcher[Worker]:
        return Batcher(
            self,
            batching,
            max_waiting=self._contract.queue_size,
            max_bytes=self._contract.max_response_bytes,
        )

    @property
    def is_exact(self) -> bool:
        """Whether to follow TorchServe where that is of no use to anybody."""
        return self._is_exact

    @property
    def is_ready(self) -> bool:
        """Whether a worker has loaded the model; in exact fidelity, whether TorchServe would say so."""
        if self._is_exact:
            return all(place.is_healthy for place in self._places)
        return bool(self._usable)

    @property
    def waiting(self) -> int:
        """How many requests no worker has taken yet."""
        return len(self._line if self._batcher is None else self._batcher)

    def states(self) -> list[WorkerState]:
        """Return every place and who is in it."""
        return [place.state() for place in self._places]

    async def first(self) -> None:
        """Wait until the first worker has loaded the model; in exact fidelity, wait for nothing.

        Raises:
            LoadError: If one has failed before.
        """
        if not self._is_exact:
            await self.settled()

    async def settled(self) -> None:
        """Wait until the first worker has loaded the model, in every fidelity.

        Raises:
            LoadError: If one has failed before.
        """
        await self._settled.wait()
        if self._failure is not None:
            raise self._failure

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Return a worker's answer to ``request``; wait for a free one first.

        A caller who goes away ends the worker that is at work for it, but not in exact fidelity: TorchServe's
        goes on until its time-out.

        A request that belongs to a session waits for the session's worker, and is never part of a batch.

        Raises:
            QueueFullError: If too many requests wait already.
            TimeoutError: If none became free within SageMaker's time limit.
            WorkerDiedError: If the worker ended, took too long or answered too much.
        """
        session = asked_for(request.headers)
        if session is None and self._batcher is not None:
            return await self._batcher.ask(request, on_part, self._patience_seconds)
        only = None if session is None else self._worker_of(session)
        worker = self._line.free(only)
        if worker is None:
            async with asyncio.timeout(self._patience_seconds):
                worker = await self._turn(self._contract.queue_size, only)
        answering = self.answers(worker, [request], on_part)
        (response,) = await (_to_the_end(answering) if self._is_exact else answering)
        return response

    def _worker_of(self, session: str) -> Worker | None:
        now = time.time()
        if session == NEW_SESSION:
            # Of the free ones: a session may go anywhere, so it does not wait for a better place.
            return self._sessions.lightest(filter(_is_alive, self._line.idle), now)
        worker = self._sessions.worker(session, now)
        return worker if worker is not None and worker.is_alive else None

    async def _turn(self, limit: int, only: Worker | None = None) -> Worker:
        worker = self._line.free(only) or await self._line.wait(limit, only)
        while not worker.is_alive:
            worker = self._line.free() or await self._line.wait(sys.maxsize)
        return worker

    def free(self) -> Worker | None:
        """Take a worker, if one is free."""
        return self._line.free()

    async def take(self) -> Worker:
        """Return a worker once one is free."""
        return await self._turn(sys.maxsize)

    def give_back(self, worker: Worker) -> None:
        """Take back a worker that was not needed."""
        self._line.offer(worker)

    async def answers(self, worker: Worker, requests: Sequence[Request], on_part: OnPart) -> list[Response]:
        """Have ``worker`` answer a batch of ``requests``, and give it to whoever waits.

        Raises:
            WorkerDiedError: If it ended, took too long or answered too much.
        """

        async def heard(part: Part) -> None:
            self._sessions.note(part.headers, worker)
            await on_part(part)

        contract = self._contract
        try:
            responses = await worker.ask(
                requests,
                heard,
                max_bytes=contract.max_response_bytes,
                # What cannot be stacked, or is being compared, is answered one by one.
                timeout_seconds=contract.response_timeout_seconds * len(requests),
            )
        except WorkerDiedError as error:
            text = f"worker {worker.pid} gave no answer: {error}"
            ids = [request.id for request in requests]
            self._observer.happened("no-answer", text=text, pid=worker.pid, request_ids=ids, error=str(error))
            raise
        finally:
            self._line.offer(worker)
        for response in responses:
            self._sessions.note(response.headers, worker)
        return responses

    def entered(self, worker: Worker, loaded: Loaded) -> None:
        """Use ``worker`` from now on."""
        if self.loaded is None:
            self.loaded = loaded
            self._tell(loaded.traps)
        self._usable.add(worker)
        self._settled.set()
        self._line.offer(worker)

    def left(self, worker: Worker) -> None:
        """Never use ``worker`` again."""
        self._usable.discard(worker)
        self._sessions.forget(worker)
        self._line.remove(worker)

    def failed(self, failed: Failed) -> None:
        """Tell whoever waits for the first worker that it has failed, if it was the first."""
        if not self._settled.is_set():
            self._tell(failed.traps)
            self._failure = LoadError(self._folder, failed.error, failed.traceback, failed.advice)
            self._settled.set()

    def _tell(self, traps: Sequence[tuple[str, str]]) -> None:
        for slug, found in traps:
            self._observer.happened("trap", text=_warning(slug, found), trap=slug, found=found)

    async def run(self) -> None:
        """Keep every place filled until cancelled, then end all workers."""
        keepers = [asyncio.create_task(place.keep()) for place in self._places]
        for keeper in keepers:
            keeper.add_done_callback(self._abandon)
        try:
            await asyncio.Event().wait()
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            self._line.close()
            if self._batcher is not None:
                await self._batcher.close()

    def _abandon(self, keeper: "asyncio.Task[None]") -> None:
        """Let a bug that ended ``keeper``, and with it a worker's place, be known and not only felt."""
        error = None if keeper.cancelled() else keeper.exception()
        if error is not None:
            self._failure = error
            self._settled.set()
            self._observer.happened("place-lost", text=f"a worker's place is given up: {error!r}")


@contextlib.asynccontextmanager
async def running(
    site: Site,
    contract: Contract,
    spawner: Spawner,
    observer: Observer,
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> AsyncIterator[Pool]:
    """Start a pool's workers, and end them on the way out."""
    pool = Pool(site, contract, spawner, observer, monotonic=monotonic)
    keeping = asyncio.create_task(pool.run())
    try:
        yield pool
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _to_the_end(work: Coroutine[Any, Any, list[Response]]) -> list[Response]:
    """Return what ``work`` returns; if this is cancelled, it goes on, and nobody hears what becomes of it."""
    task = asyncio.create_task(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(task)


def _is_alive(worker: Worker) -> bool:
    return worker.is_alive


def _warning(slug: str, found: str) -> str:
    trap = TRAPS.get(slug)
    return found if trap is None else f"{found}: {trap.happens}; {trap.instead}"
