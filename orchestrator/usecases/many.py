"""Carry out many independent jobs at once: one that fails stops no other, unless that is asked for.

Knows threads and nothing else: neither what a job does nor how its progress is shown.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from orchestrator.core.errors import SpecError
from orchestrator.core.ports import Clock

T = TypeVar("T")

_NOTICED_WITHIN_SECONDS = 0.5

SEVERITY = (70, 5, 10, 130, 8, 4, 7, 9, 12, 11, 3, 2, 1, 6, 0)
"""Exit codes, the worst first: what nobody knows, what does not serve, what is not over, what is not done."""


def worst(codes: Iterable[int]) -> int:
    """Return the exit code that stands for many; one that is not in `SEVERITY` is worse than all.

    >>> worst([0, 4, 3]), worst([0, 130, 5]), worst([])
    (4, 5, 0)
    """
    rank = {code: place for place, code in enumerate(SEVERITY)}
    return min(codes, key=lambda code: rank.get(code, -1), default=0)


class Stop:
    """The wish that everything ends: no job begins any more, and those under way end at their next pause."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def asked(self) -> bool:
        """Whether it was asked for."""
        return self._event.is_set()

    def ask(self) -> None:
        """Ask for it."""
        self._event.set()

    def clock(self, inner: Clock) -> Clock:
        """Return ``inner``, whose first pause after it was asked for ends in a `KeyboardInterrupt`."""
        return _StoppingClock(inner, self._event)


class _StoppingClock:
    """A clock of one job. It interrupts once: what is done about the interruption may pause again."""

    def __init__(self, inner: Clock, event: threading.Event) -> None:
        self._inner = inner
        self._event = event
        self._interrupted = False

    def now(self) -> float:
        """Return seconds since 1970."""
        return self._inner.now()

    def sleep(self, seconds: float) -> None:
        """Sleep, or end the job: threads get no Ctrl-C of their own.

        Raises:
            KeyboardInterrupt: If everything is to end; once.
        """
        left = seconds
        while not self._interrupted and left > 0:
            if self._event.is_set():
                self._interrupted = True
                raise KeyboardInterrupt
            self._inner.sleep(min(left, _NOTICED_WITHIN_SECONDS))
            left -= _NOTICED_WITHIN_SECONDS
        if left > 0:
            self._inner.sleep(left)


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Something to be done, by a name that people know it by."""

    name: str
    run: Callable[[Stop], T]


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """What became of a job.

    Attributes:
        value: What it returned, if it did.
        error: What it raised, or ``None``.
        begun: Whether it was begun at all.
    """

    name: str
    value: T | None = None
    error: BaseException | None = None
    begun: bool = True


def run_all(
    jobs: Sequence[Job[T]],
    *,
    workers: int,
    fail_fast: bool = False,
    ended: Callable[[Ended[T]], None] = lambda _: None,
    stop: Stop | None = None,
) -> tuple[Ended[T], ...]:
    """Carry out ``jobs``, so many at a time, and return what became of each, in their order.

    Ctrl-C keeps further jobs from being begun and lets those under way end, recording that they were
    interrupted; a second one leaves at once.

    Args:
        jobs: Independent of each other.
        workers: How many at a time, at least one.
        fail_fast: Whether none is begun after one has failed.
        ended: Told of each as it ends, from its thread, one at a time.
        stop: Ends everything.

    Raises:
        SpecError: If there are no workers: nobody would ever begin.
        KeyboardInterrupt: After the second Ctrl-C.
    """
    if workers < 1:
        raise SpecError(f"{workers} workers carry out nothing", hint="ask for at least one")
    pool = _Pool(jobs, stop or Stop(), fail_fast=fail_fast, ended=ended)
    try:
        for _ in range(min(workers, len(jobs))):
            threading.Thread(target=pool.work, daemon=True).start()
        pool.wait()
    except KeyboardInterrupt:
        pool.stop.ask()
        pool.wait()
    if pool.trouble is not None:
        raise pool.trouble
    return tuple(pool.results.get(place, Ended(job.name, begun=False)) for place, job in enumerate(jobs))


@dataclass(slots=True)
class _Pool(Generic[T]):
    """What the threads share.

    Attributes:
        trouble: What came out of ``ended``, which is nobody's job.
    """

    jobs: Sequence[Job[T]]
    stop: Stop
    fail_fast: bool
    ended: Callable[[Ended[T]], None]
    results: dict[int, Ended[T]] = field(default_factory=dict)
    trouble: BaseException | None = None
    _next: int = 0
    _busy: int = 0
    _failed: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self) -> None:
        """Wait until none is under way and none is to be begun."""
        with self._changed:
            self._changed.wait_for(lambda: self._busy == 0 and not self._has_next())

    def work(self) -> None:
        """Carry out one job after the other, as long as there are any to begin."""
        while (place := self._take()) is not None:
            self._put(place, self._carry_out(self.jobs[place]))

    def _has_next(self) -> bool:
        over = self.stop.asked or (self.fail_fast and self._failed)
        return self._next < len(self.jobs) and not over

    def _take(self) -> int | None:
        with self._changed:
            if not self._has_next():
                return None
            self._busy += 1
            self._next += 1
            return self._next - 1

    def _put(self, place: int, found: Ended[T]) -> None:
        with self._changed:
            self.results[place] = found
            self._failed = self._failed or found.error is not None
            try:
                self.ended(found)
            except BaseException as error:  # noqa: BLE001 - raised again where the jobs are waited for
                self.trouble = error
                self.stop.ask()
            self._busy -= 1
            self._changed.notify_all()

    def _carry_out(self, job: Job[T]) -> Ended[T]:
        try:
            return Ended(job.name, job.run(self.stop))
        except BaseException as error:  # noqa: BLE001 - a thread has no boundary: whoever waits judges it
            return Ended(job.name, error=error)
