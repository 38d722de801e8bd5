"""Which workers are free, and who waits for one, in the order of coming."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from typing import Generic, Protocol, TypeVar

from orchestrator.serving.messages import QueueFullError, WorkerDiedError


class Mortal(Protocol):
    """What is handed out: it may end at any time."""

    @property
    def is_alive(self) -> bool:
        """Whether it can be used."""


WorkerT = TypeVar("WorkerT", bound=Mortal)


class _Turn(Generic[WorkerT]):
    """Somebody's place in the line.

    Attributes:
        only: The one worker that will do, if there is one.
        comes: Has the worker as its result.
    """

    __slots__ = ("comes", "only")

    def __init__(self, only: WorkerT | None) -> None:
        self.only = only
        self.comes: asyncio.Future[WorkerT] = asyncio.get_running_loop().create_future()


class Line(Generic[WorkerT]):
    """Workers on one side, those who need one on the other."""

    def __init__(self) -> None:
        self._idle: deque[WorkerT] = deque()
        self._turns: deque[_Turn[WorkerT]] = deque()

    def __len__(self) -> int:
        return len(self._turns)

    @property
    def idle(self) -> Collection[WorkerT]:
        """The workers that are free, the one that has been for the longest time first."""
        return self._idle

    def free(self, only: WorkerT | None = None) -> WorkerT | None:
        """Take a free worker, if there is one and if it is the ``only`` one that will do."""
        if only is not None:
            if only not in self._idle:
                return None
            self._idle.remove(only)
            return only if only.is_alive else None
        while self._idle:
            worker = self._idle.popleft()
            if worker.is_alive:
                return worker
        return None

    async def wait(self, limit: int, only: WorkerT | None = None) -> WorkerT:
        """Wait for a worker.

        Args:
            limit: How many may wait.
            only: The one that will do, as long as it is alive.

        Raises:
            QueueFullError: If as many wait already.
            WorkerDiedError: If there will be none.
        """
        if len(self._turns) >= limit:
            raise QueueFullError
        turn = _Turn(only)
        self._turns.append(turn)
        try:
            return await turn.comes
        except BaseException:
            self._forgo(turn)
            raise

    def offer(self, worker: WorkerT) -> None:
        """Give ``worker`` to whoever has waited longest for it, or keep it for the next."""
        if not worker.is_alive:
            return
        turn = self._first(lambda turn: turn.only is None or turn.only is worker)
        if turn is None:
            self._idle.append(worker)
        else:
            turn.comes.set_result(worker)

    def remove(self, worker: WorkerT) -> None:
        """Never hand out ``worker`` again; whoever wants only that one may have any."""
        if worker in self._idle:
            self._idle.remove(worker)
        for turn in self._turns:
            if turn.only is worker:
                turn.only = None
        while self._idle and (anybody := self._first(lambda turn: turn.only is None)) is not None:
            anybody.comes.set_result(self._idle.popleft())

    def close(self) -> None:
        """Tell everybody who waits that nobody will come."""
        for turn in self._turns:
            if not turn.comes.done():
                turn.comes.set_exception(WorkerDiedError("the server is ending"))

    def _first(self, fits: Callable[[_Turn[WorkerT]], bool]) -> _Turn[WorkerT] | None:
        turn = next((turn for turn in self._turns if fits(turn) and not turn.comes.done()), None)
        if turn is not None:
            self._turns.remove(turn)
        return turn

    def _forgo(self, turn: _Turn[WorkerT]) -> None:
        if turn in self._turns:
            self._turns.remove(turn)
        elif not turn.comes.cancelled() and turn.comes.exception() is None:
            self.offer(turn.comes.result())
