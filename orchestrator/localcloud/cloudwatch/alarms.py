"""The alarms of CloudWatch, looked at once a second and whenever a deployment asks for them."""

import asyncio
import threading
from collections.abc import Sequence

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.cloudwatch.evaluation import ALARM
from orchestrator.localcloud.cloudwatch.evaluator import Evaluator
from orchestrator.localcloud.cloudwatch.events import Outbox
from orchestrator.localcloud.cloudwatch.patches import shelf_at, shelves
from orchestrator.localcloud.cloudwatch.shelf import Shelf
from orchestrator.localcloud.cloudwatch.telling import Scaled, Telling
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Scope

_LOOK_SECONDS = 1.0


class Watcher:
    """Looks after all alarms.

    Args:
        pace: How much shorter their periods are, and what time it is.
        outbox: What sends their messages and events.
    """

    def __init__(self, pace: Pace, outbox: Outbox) -> None:
        self._pace = pace
        self._evaluator = Evaluator(pace)
        self._telling = Telling(outbox, self._scale, self._evaluator, pace)
        self._lock = threading.Lock()
        self._scaling: tuple[asyncio.AbstractEventLoop, Scaled] | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, scaled: Scaled | None = None) -> None:
        """Look at all alarms from now on.

        Args:
            scaled: Carries out scaling policies, in the event loop.
        """
        if scaled is not None:
            self._scaling = asyncio.get_running_loop(), scaled
        self._task = asyncio.create_task(self._pace.repeat(self._watch, _LOOK_SECONDS))

    async def close(self) -> None:
        """Look after no alarm any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def check_exist(self, scope: Scope, names: Sequence[str]) -> None:
        """Check that there are such alarms.

        Raises:
            ApiError: Naming the first that is missing.
        """
        for name in names:
            if name not in shelf_at(scope).alarms:
                raise invalid(f'Could not find alarm "{name}".')

    async def firing(self, scope: Scope, names: Sequence[str]) -> str | None:
        """Return the name of an alarm that is in ALARM, or goes into it now."""
        if not names:
            return None
        shelf = shelf_at(scope)
        await asyncio.to_thread(self._look, shelf, names)
        return next((name for name in names if shelf.state_of(name) == ALARM), None)

    async def _watch(self) -> None:
        for shelf in shelves():
            if shelf.alarms:
                await asyncio.to_thread(self._look, shelf)

    def _look(self, shelf: Shelf, asked: Sequence[str] = ()) -> None:
        with self._lock:
            self._evaluator.look(shelf, asked)
            self._telling.tell(shelf)

    def _scale(self, scope: Scope, policy: str, value: float | None, threshold: float) -> None:
        if self._scaling is not None:
            loop, scaled = self._scaling
            loop.call_soon_threadsafe(scaled, scope, policy, value, threshold)
