"""Which endpoint is meant, and how to go about changing it: the arguments of everything above `wiring`."""

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.core.ports import Clock


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


@dataclass(frozen=True, slots=True)
class Manner:
    """How to go about a change.

    Attributes:
        start_local: Whether to start the local cloud if it is not running.
        deadline_seconds: How long a change may take before we stop watching it.
        clock: Takes the place of the system's clock, of which it is given one.
    """

    start_local: bool = False
    deadline_seconds: float = 3600.0
    clock: Callable[[Clock], Clock] = lambda inner: inner
