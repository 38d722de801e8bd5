"""Everything that one environment offers to the use cases."""

from dataclasses import dataclass

from orchestrator.core.ports import Clock, Cloud, Images, Journal, Logs, Runtime, Store


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to look at a change under way, and for how long."""

    interval_seconds: float = 15.0
    deadline_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Edge:
    """The outside world of one endpoint in one environment."""

    cloud: Cloud
    store: Store
    journal: Journal
    runtime: Runtime
    logs: Logs
    images: Images
    clock: Clock
    patience: Patience = Patience()
