"""Serve what changes: build and load it again beside what serves, and switch once that answers.

Each state of the project is built, loaded, served and given up in a task of its own. There are never more
than two: the next change waits until the requests of the state before the last have been answered. What goes
wrong is reported, and the state before goes on serving.

Must not know how a project is built or a worker started: that is the `Source`, and ``start``.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from orchestrator.core.errors import OrchestratorError
from orchestrator.serving.contract import TIME_LIMIT_SECONDS
from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import Observer, OnPart, Workers
from orchestrator.serving.preparing.changes import Marks, changed, marks
from orchestrator.serving.preparing.threads import entered

_NAMED_FILES = 3

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """Something that changes, and can be built again. Both methods are called in threads, and may block."""

    def watched(self) -> Collection[Path]:
        """Return the files, and folders with all that is in them, whose change asks for a new build.

        They need not exist.

        Raises:
            OrchestratorError: If that cannot be told at present; those of the last time are watched then.
        """

    def built(self) -> AbstractContextManager[T_co]:
        """Build what there is now, on entering; it is given up on leaving.

        Raises:
            OrchestratorError: On entering, if it cannot be built.
        """


class Pool(Workers, Protocol):
    """The workers that serve one state."""

    async def first(self) -> None:
        """Wait until the first worker has loaded the model.

        Raises:
            LoadError: If one has failed before.
        """


P = TypeVar("P", bound=Pool)
Start = Callable[[T], AbstractAsyncContextManager[P]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the last change is not served.

    Attributes:
        error: What is wrong, in a line for each fact.
        traceback: Of the entry point, if it is to blame; or empty.
    """

    error: str
    traceback: str = ""


class _State(Generic[P]):
    """One state of the project while its pool serves it."""

    def __init__(self, pool: P) -> None:
        self.pool = pool
        self.is_over = asyncio.Event()
        self._asked = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        self._asked += 1
        self._quiet.clear()
        try:
            return await self.pool.ask(request, on_part)
        finally:
            self._asked -= 1
            if not self._asked:
                self._quiet.set()

    async def served(self) -> None:
        """Wait until another state has taken over, and this one has answered, or nobody waits any longer."""
        await self.is_over.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TIME_LIMIT_SECONDS):
                await self._quiet.wait()


class Reloading(Generic[T, P]):
    """Workers that are replaced when what they serve has changed.

    Attributes:
        problem: Why the last change is not served, if it is not.
    """

    def __init__(self, source: Source[T], start: Start[T, P], observer: Observer) -> None:
        self.problem: Problem | None = None
        self._source = source
        self._start = start
        self._observer = observer
        self._watched: Collection[Path] = ()
        self._state: _State[P] | None = None
        self._lives: set[asyncio.Task[None]] = set()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_ready(self) -> bool:
        """Whether the state that serves can answer."""
        return self._state is not None and self._state.pool.is_ready

    @property
    def pool(self) -> P | None:
        """The pool that serves now; ``None`` until the first has loaded."""
        return None if self._state is None else self._state.pool

    async def first(self) -> None:
        """Wait until the first state serves.

        Raises:
            OrchestratorError: If it cannot be built or loaded.
        """
        await asyncio.shield(self._begun)

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Return the answer of the state that serves now, also if another takes its place meanwhile.

        Raises:
            RuntimeError: Before `first` has returned.
        """
        if self._state is None:
            raise RuntimeError("nothing is served yet")
        return await self._state.ask(request, on_part)

    async def follow(self) -> None:
        """Serve what there is, and then what it changes to, until cancelled.

        Raises:
            OrchestratorError: If the first state cannot be built or loaded.
        """
        seen = await self._look()
        self._state, life = await self._begin()
        self._begun.set_result(None)
        while True:
            different = await changed(self._watched, seen)
            self._observer.happened("reload-started", text=f"{_named(different)}, loading it again")
            # Before the build: what changes during it will be seen by the next look.
            seen = await self._look()
            life = await self._replace(life)

    def abandon(self, following: "asyncio.Task[None]") -> None:
        """Let what ended `follow` be known: to whoever waits for `first`, or else to the observer."""
        error = None if following.cancelled() else following.exception()
        if error is None:
            return
        if self._begun.done():
            self._observer.happened("reload-ended", text=f"changes are not served any more: {error!r}")
        else:
            self._begun.set_exception(error)

    async def end(self) -> None:
        """Give up every state."""
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def _look(self) -> Marks:
        # A spec that cannot be read says nothing of its files; it is itself among those of the last time.
        with contextlib.suppress(OrchestratorError):
            self._watched = await asyncio.to_thread(self._source.watched)
        return await asyncio.to_thread(marks, self._watched)

    async def _replace(self, life: asyncio.Task[None]) -> asyncio.Task[None]:
        """Serve what there is now if it can be; return the life of what is served."""
        begun = time.perf_counter()
        try:
            fresh, its_life = await self._begin()
        except (OrchestratorError, OSError) as error:
            self._report(error)
            return life
        self.problem = None
        self._state, former = fresh, self._state
        seconds = time.perf_counter() - begun
        self._observer.happened(
            "reloaded", text=f"the change is served, {seconds:.1f} s later", seconds=seconds
        )
        await self._give_up(former, life)
        return its_life

    async def _give_up(self, former: "_State[P] | None", life: asyncio.Task[None]) -> None:
        if former is not None:
            former.is_over.set()
        try:
            await life
        except (OSError, OrchestratorError) as error:
            self._observer.happened("reload-leftover", text=f"what was served cannot be removed: {error}")

    async def _begin(self) -> tuple[_State[P], asyncio.Task[None]]:
        """Build, load and serve what there is now, in a task of its own."""
        up: asyncio.Future[_State[P]] = asyncio.get_running_loop().create_future()
        life = asyncio.create_task(self._live(up))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        either: set[asyncio.Future[Any]] = {up, life}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not up.done():
            await life
        return up.result(), life

    async def _live(self, up: "asyncio.Future[_State[P]]") -> None:
        async with entered(self._source.built()) as built, self._start(built) as pool:
            await pool.first()
            state = _State(pool)
            up.set_result(state)
            await state.served()

    def _report(self, error: OrchestratorError | OSError) -> None:
        self.problem = problem = _problem(error)
        self._observer.happened(
            "reload-failed",
            text=f"the change is not served, what was before is: {problem.error}",
            error=problem.error,
            traceback=problem.traceback,
        )


@contextlib.asynccontextmanager
async def reloading(
    source: Source[T], start: Start[T, P], observer: Observer
) -> AsyncIterator[Reloading[T, P]]:
    """Serve ``source`` and every change of it, and end what serves it on the way out.

    Args:
        source: What is served.
        start: Given what was built, starts the pool that serves it; ends it on the way out.
        observer: Is told ``reload-started``, ``reloaded`` and ``reload-failed``.
    """
    workers = Reloading(source, start, observer)
    following = asyncio.create_task(workers.follow())
    following.add_done_callback(workers.abandon)
    try:
        yield workers
    finally:
        following.cancel()
        await asyncio.wait({following})
        await workers.end()


def _named(different: Collection[Path]) -> str:
    names = [f"'{path.name}'" for path in different]
    more = len(names) - _NAMED_FILES
    shown = ", ".join(names[:_NAMED_FILES]) + (f" and {more} more" if more > 0 else "")
    return f"{shown} {'has' if len(names) == 1 else 'have'} changed"


def _problem(error: OrchestratorError | OSError) -> Problem:
    if isinstance(error, LoadError):
        return Problem(error.error, error.traceback)
    details = error.details if isinstance(error, OrchestratorError) else ()
    return Problem("; ".join([str(error), *(f"{label}: {fact}" for label, fact in details)]))
