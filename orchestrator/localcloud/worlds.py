"""The present world of each account and region: the one thing that changes, and who is told of it."""

from collections.abc import Callable, Iterable
from typing import Protocol

from orchestrator.localcloud.world import Scope, World

Seen = Callable[[World, World], None]
"""Takes the world before a change and the one after it."""


class Keeps(Protocol):
    """Keeps worlds on disk."""

    def keep(self, before: World, after: World) -> None:
        """Write a change.

        Raises:
            ApiError: If it cannot be written; it is forgotten then.
        """
        ...

    def note(self, before: World, after: World) -> None:
        """Write a change; if it cannot be written now, with the next one."""
        ...


class Worlds:
    """The present world of each account and region.

    Args:
        keeper: Who keeps them on disk, if anybody does.
        kept: Those that there are already, as they are on disk.
    """

    def __init__(self, keeper: Keeps | None = None, kept: Iterable[World] = ()) -> None:
        self._keeper = keeper
        self._worlds = {world.scope: world for world in kept}
        self._seeing: list[Seen] = []

    def subscribe(self, seen: Seen) -> None:
        """Let ``seen`` have each change from now on, as it happens; it must not wait."""
        self._seeing.append(seen)

    def close(self) -> None:
        """Keep nothing of what is still changed from now on, and tell nobody."""
        self._keeper = None
        self._seeing.clear()

    def at(self, scope: Scope) -> World:
        """Return the world of ``scope``, which is empty until something is made in it."""
        return self._worlds.get(scope, World(scope))

    def change(self, world: World) -> None:
        """Let ``world`` be the present one of its scope, because somebody asked for it.

        Raises:
            ApiError: If it is to be kept, and cannot be written. Nothing has changed then.
        """
        before = self.at(world.scope)
        if world is before:
            return
        if self._keeper is not None:
            self._keeper.keep(before, world)
        self._set(before, world)

    def put(self, world: World) -> None:
        """Let ``world`` be the present one of its scope, because something has come to pass."""
        before = self.at(world.scope)
        if self._keeper is not None:
            self._keeper.note(before, world)
        self._set(before, world)

    def _set(self, before: World, world: World) -> None:
        self._worlds[world.scope] = world
        for seen in self._seeing:
            seen(before, world)

    def all(self) -> tuple[World, ...]:
        """Return every world in which anything was ever made."""
        return tuple(self._worlds.values())
