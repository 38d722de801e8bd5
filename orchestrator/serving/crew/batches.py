"""Requests that wait are put together, so that a worker answers several at once.

A worker that is free takes the request that came first and those that came after it; if there are too few, it
waits for more, but no longer than the first of them may wait. What has queued while every worker was busy
goes at once. Which requests of a batch can be computed together is decided beside the model, in
`orchestrator.serving.worker.stacking`.

A worker that dies costs every request of its batch the answer. Nothing else that happens to one of them
touches another: a caller that goes away is only ignored, unless it was the last.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from orchestrator.serving.messages import Part, QueueFullError, Request, Response, WorkerDiedError
from orchestrator.serving.ports import OnPart

WorkerT = TypeVar("WorkerT")

# More parts of a streamed answer than this are not read ahead of whoever takes them.
_READ_AHEAD = 4


@dataclass(frozen=True, slots=True)
class Batching:
    """How requests are put together.

    Attributes:
        max_size: Of one batch; at least 1.
        max_delay_seconds: How long a request may wait for others while a worker is free.
    """

    max_size: int
    max_delay_seconds: float


class Turns(Protocol[WorkerT]):
    """Where batches find workers."""

    def free(self) -> WorkerT | None:
        """Take a worker, if one is free."""

    async def take(self) -> WorkerT:
        """Wait for a worker."""

    async def answers(self, worker: WorkerT, requests: Sequence[Request], on_part: OnPart) -> list[Response]:
        """Have ``worker`` answer, and give it back."""

    def give_back(self, worker: WorkerT) -> None:
        """Give back a worker that was not needed."""


class _Item:
    """One request on its way into a batch, and what is said to it.

    Attributes:
        came: On the loop's clock.
        batch: Has a result when a worker takes the request.
        said: Parts and, at the end, the answer or the reason why there is none.
        ahead: Of a streamed answer only so many parts are kept.
        is_gone: Whether nobody waits for the answer any more.
    """

    def __init__(self, request: Request) -> None:
        loop = asyncio.get_running_loop()
        self.request = request
        self.came = loop.time()
        self.batch: asyncio.Future[_Batch] = loop.create_future()
        self.said: asyncio.Queue[Part | Response | WorkerDiedError] = asyncio.Queue()
        self.ahead = asyncio.Semaphore(_READ_AHEAD)
        self.is_gone = False

    async def hear(self, part: Part) -> None:
        """Take a part, once there is room for it."""
        await self.ahead.acquire()
        if not self.is_gone:
            self.said.put_nowait(part)

    async def answer(self, on_part: OnPart) -> Response:
        """Hand on what is said, up to the answer."""
        while True:
            match await self.said.get():
                case Part() as part:
                    await on_part(part)
                    self.ahead.release()
                case Response() as response:
                    return response
                case WorkerDiedError() as error:
                    raise error


@dataclass(eq=False, slots=True)
class _Batch:
    """Requests that one worker answers.

    Attributes:
        task: What waits for the worker, as long as it does.
    """

    items: list[_Item]
    task: "asyncio.Task[None] | None" = None

    @property
    def is_gone(self) -> bool:
        """Whether nobody waits for any of the answers."""
        return all(item.is_gone for item in self.items)


class Batcher(Generic[WorkerT]):
    """Puts the requests of one pool together.

    Args:
        turns: Where workers are found.
        batching: How many at once, and how long one may wait for others.
        max_waiting: How many requests may wait beyond those for which a worker is free already.
        max_bytes: No single answer may have more.
    """

    def __init__(
        self, turns: Turns[WorkerT], batching: Batching, *, max_waiting: int, max_bytes: int
    ) -> None:
        self._turns = turns
        self._batching = batching
        self._max_waiting = max_waiting
        self._max_bytes = max_bytes
        self._waiting: deque[_Item] = deque()
        # Workers at hand that wait for more requests; each is given its batch.
        self._open: deque[asyncio.Future[_Batch]] = deque()
        # How many batches are still to be cut: each has a task that waits for a worker, or has one.
        self._uncut = 0
        # How many of these have a worker.
        self._at_hand = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def ask(self, request: Request, on_part: OnPart, patience_seconds: float | None) -> Response:
        """Return a worker's answer to ``request``.

        Raises:
            QueueFullError: If too many requests wait already.
            TimeoutError: If no worker took it within ``patience_seconds``.
            WorkerDiedError: If the worker of its batch ended, or its answer is too large.
        """
        if len(self._waiting) >= self._max_waiting + self._at_hand * self._batching.max_size:
            raise QueueFullError
        item = _Item(request)
        self._waiting.append(item)
        self._provide()
        try:
            async with asyncio.timeout(patience_seconds):
                await item.batch
            return await item.answer(on_part)
        finally:
            self._leave(item)

    async def close(self) -> None:
        """Give up every batch, and whoever waits for one."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._waiting:
            batch = self._cut()
            _tell(batch, [_ending() for _ in batch.items])

    def _provide(self) -> None:
        """See to it that somebody takes the requests that wait."""
        if self._open and len(self._waiting) >= self._batching.max_size:
            self._open.popleft().set_result(self._cut())
        elif self._uncut * self._batching.max_size < len(self._waiting):
            worker = self._turns.free()
            self._uncut += 1
            self._at_hand += worker is not None
            task = asyncio.create_task(self._serve(worker))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _cut(self) -> _Batch:
        """Take the requests that came first out of those that wait, for a worker at hand."""
        self._uncut -= 1
        self._at_hand -= 1
        size = min(len(self._waiting), self._batching.max_size)
        batch = _Batch([self._waiting.popleft() for _ in range(size)])
        for item in batch.items:
            if not item.batch.done():
                item.batch.set_result(batch)
        return batch

    def _leave(self, item: _Item) -> None:
        """Forget a caller that has its answer, or has gone."""
        item.is_gone = True
        item.ahead.release()
        if item in self._waiting:
            self._waiting.remove(item)
        elif item.batch.done() and not item.batch.cancelled():
            batch = item.batch.result()
            if batch.task is not None and batch.is_gone:
                batch.task.cancel()

    async def _serve(self, worker: WorkerT | None) -> None:
        """Have ``worker``, or else the next that is free, answer the next batch."""
        if worker is None:
            worker = await self._turns.take()
            self._at_hand += 1
            batch = self._cut()
        else:
            batch = await self._filled()
        if batch.is_gone:
            self._turns.give_back(worker)
            return
        batch.task = asyncio.current_task()
        try:
            answers = await self._answers(worker, batch)
        except BaseException as error:
            # Whoever waits is told of everything, also of a mistake of our own.
            is_end = isinstance(error, asyncio.CancelledError)
            _tell(batch, [_ending() if is_end else WorkerDiedError(repr(error)) for _ in batch.items])
            raise
        finally:
            batch.task = None
        _tell(batch, answers)

    async def _filled(self) -> _Batch:
        """Wait until the batch is full, or its first request has waited long enough."""
        if not self._waiting or len(self._waiting) >= self._batching.max_size:
            return self._cut()
        full: asyncio.Future[_Batch] = asyncio.get_running_loop().create_future()
        self._open.append(full)
        due = self._waiting[0].came + self._batching.max_delay_seconds
        try:
            await asyncio.wait({full}, timeout=max(due - asyncio.get_running_loop().time(), 0))
        except asyncio.CancelledError:
            if full.done():  # it was cut at the same moment, and is nobody's else
                _tell(full.result(), [_ending() for _ in full.result().items])
            raise
        if not full.done():
            self._open.remove(full)
            full.set_result(self._cut())
        return full.result()

    async def _answers(self, worker: WorkerT, batch: _Batch) -> list[Response | WorkerDiedError]:
        async def on_part(part: Part) -> None:
            await batch.items[part.index].hear(part)

        requests = [item.request for item in batch.items]
        try:
            return [
                self._checked(response) for response in await self._turns.answers(worker, requests, on_part)
            ]
        except WorkerDiedError as error:
            return [WorkerDiedError(str(error), out_of_memory=error.out_of_memory) for _ in requests]

    def _checked(self, response: Response) -> Response | WorkerDiedError:
        size = len(response.body)
        if size > self._max_bytes:
            return WorkerDiedError(f"its answer has {size} bytes, {self._max_bytes} are allowed")
        return response


def _tell(batch: _Batch, answers: "Sequence[Response | WorkerDiedError]") -> None:
    for item, answer in zip(batch.items, answers, strict=True):
        item.said.put_nowait(answer)


def _ending() -> WorkerDiedError:
    return WorkerDiedError("the server is ending")
