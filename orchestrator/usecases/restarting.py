"""Notice early that a container restarts again and again, which SageMaker takes long to say."""

from orchestrator.core import diagnosis
from orchestrator.core.errors import CloudError
from orchestrator.core.resources import Endpoint, EndpointStatus
from orchestrator.usecases.edge import Edge

LEAD_SECONDS = 5.0
"""How much earlier than our first look at the endpoint its containers may have written."""


INTERVAL_SECONDS = 60.0
"""How often to read the log; all of it is read each time."""


class Restarts:
    """Reads the log while containers start. It explains; it never gives up before the deadline does."""

    def __init__(self, started: float) -> None:
        """Read what was written since ``started``, in seconds since 1970."""
        self._since = started - LEAD_SECONDS
        self._next = started
        self._said = ""

    def notice(self, endpoint: Endpoint, edge: Edge) -> str:
        """Return what to say about a container that restarts; empty if none is known to."""
        creates = any(stage.status == "Creating" for stage in endpoint.stages)
        if endpoint.status is not EndpointStatus.CREATING and not creates:
            return ""
        if edge.clock.now() >= self._next:
            self._next = edge.clock.now() + INTERVAL_SECONDS
            self._said = self._read(endpoint, edge)
        return self._said

    def _read(self, endpoint: Endpoint, edge: Edge) -> str:
        try:
            last = diagnosis.restarts(edge.logs.since(endpoint.name, self._since))
        except CloudError:
            return ""  # what is only a help must not get in the way
        return f"the container restarts: {last}" if last else ""
