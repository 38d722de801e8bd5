"""What there was some seconds ago, for reads that are to be eventually consistent.

Worlds are values, so remembering them costs nothing but the memory of what has changed since; and they are
remembered only while a fault waits for reads.
"""

from collections import deque
from collections.abc import Callable

from orchestrator.localcloud.faulting.faults import Faults, Kind
from orchestrator.localcloud.world import Scope, World
from orchestrator.localcloud.worlds import Worlds

# The oldest answer that can be asked for, and a little more.
_KEPT_SECONDS = 65.0


class Past:
    """The worlds of the last minute.

    Args:
        worlds: The present ones.
        faults: Whether anybody wants to know.
        clock: Seconds since 1970.
    """

    def __init__(self, worlds: Worlds, faults: Faults, clock: Callable[[], float]) -> None:
        self._worlds = worlds
        self._faults = faults
        self._clock = clock
        # Until when each world was the present one.
        self._ended: dict[Scope, deque[tuple[float, World]]] = {}
        worlds.subscribe(self._remember)
        faults.subscribe(self._forget)

    def at(self, scope: Scope, seconds: float) -> World:
        """Return the world as it was some ``seconds`` ago, or as it was when remembering began."""
        then = self._clock() - seconds
        for until, world in self._ended.get(scope, ()):
            if until > then:
                return world
        return self._worlds.at(scope)

    def _remember(self, before: World, _: World) -> None:
        if not self._faults.waits(Kind.EVENTUAL_CONSISTENCY):
            return
        now = self._clock()
        ended = self._ended.setdefault(before.scope, deque())
        ended.append((now, before))
        while ended[0][0] < now - _KEPT_SECONDS:
            ended.popleft()

    def _forget(self) -> None:
        if not self._faults.waits(Kind.EVENTUAL_CONSISTENCY):
            self._ended.clear()
