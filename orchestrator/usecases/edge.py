"""Everything that one environment offers to the use cases."""

from dataclasses import dataclass

from orchestrator.core.clouds import Account, Alarms, Autoscaling, Cloud, Inventory, Limits
from orchestrator.core.lock import TTL_SECONDS, Processes
from orchestrator.core.ports import Clock, Images, Journal, Logs, Runtime, Slot, Store


@dataclass(frozen=True, slots=True)
class Patience:
    """How often to look at a change under way, and for how long.

    Attributes:
        lease_seconds: How long the lock holds without being renewed.
    """

    interval_seconds: float = 15.0
    deadline_seconds: float = 3600.0
    lease_seconds: float = TTL_SECONDS


@dataclass(frozen=True, slots=True)
class Edge:
    """The outside world of one endpoint in one environment.

    Attributes:
        lock: Where who changes the endpoint is written.
        processes: Who we are, for the lock; nothing can be changed without.
    """

    cloud: Cloud
    inventory: Inventory
    limits: Limits
    account: Account
    autoscaling: Autoscaling
    alarms: Alarms
    store: Store
    journal: Journal
    lock: Slot
    runtime: Runtime
    logs: Logs
    images: Images
    clock: Clock
    patience: Patience = Patience()
    processes: Processes | None = None
