"""Which endpoint is meant, and how to go about changing it: the arguments of everything above `wiring`."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from orchestrator.core.ports import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which spec, environment and endpoint are meant.

    Attributes:
        path: The spec.
        endpoint: One that the spec has a table for; ``None`` is the only one there is, or the project's own.
        profile: Of the AWS configuration; not used for the local cloud.
        settings: What stands in for keys of the spec, such as ``("region", "eu-west-1")``.
    """

    path: str = "orchestrator.toml"
    env: str = "local"
    endpoint: str | None = None
    profile: str | None = None
    settings: tuple[tuple[str, str], ...] = ()


class Shared:
    """What endpoints that are opened together make once: a login, and the connections behind it.

    It lasts as long as they do. A later `open` in the same process logs in anew, as whoever the environment
    says by then.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[Hashable, Any] = {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` has made for ``key``, making it now if nobody has; what fails is not kept."""
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            found: T = self._made[key]
            return found


@dataclass(frozen=True, slots=True)
class Manner:
    """How to go about a change.

    Attributes:
        start_local: Whether to start the local cloud if it is not running.
        deadline_seconds: How long a change may take before we stop watching it.
        clock: Takes the place of the system's clock, of which it is given one.
        shared: With those that are opened together.
    """

    start_local: bool = False
    deadline_seconds: float = 3600.0
    clock: Callable[[Clock], Clock] = lambda inner: inner
    shared: Shared = field(default_factory=Shared)
