"""Whether an endpoint may be changed at all: it has to be ours, and must not be moving elsewhere."""

from orchestrator.core.errors import ConflictError
from orchestrator.core.resources import Endpoint, EndpointStatus

_WHOSE = {
    EndpointStatus.SYSTEM_UPDATING: "AWS is patching its machines",
    EndpointStatus.ROLLING_BACK: "SageMaker is going back from a change that failed",
    EndpointStatus.DELETING: "it is being deleted",
}
_COMING = frozenset({EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK})


def check_ours(name: str, endpoint: Endpoint | None, *, wanted: str | None, may_go: bool = False) -> None:
    """Refuse an endpoint that is somebody else's, or that moves elsewhere.

    Args:
        name: Its name.
        endpoint: What is observed of it.
        wanted: The endpoint config that it may be on its way to.
        may_go: Whether it may be on its way out of the world.

    Raises:
        ConflictError: If it is one or the other.
    """
    if endpoint is None:
        return
    if not endpoint.owned:
        raise ConflictError(
            f"endpoint '{name}' exists and was not made by the orchestrator",
            details=[("state", f"{endpoint.status} on '{endpoint.config}'; nothing has changed")],
            hint=f"orchestrator adopt {name}          take it over, or choose another name in the spec",
        )
    goes = may_go and endpoint.status is EndpointStatus.DELETING
    if not endpoint.status.settled and not goes and not _is_under_way(endpoint, wanted):
        moving = "" if endpoint.pending is None else f", moving to '{endpoint.pending}'"
        whose = _WHOSE.get(endpoint.status, "another change is under way")
        raise ConflictError(
            f"endpoint '{name}' is {endpoint.status}{moving}",
            details=[("state", f"{whose}; nothing has changed")],
            hint=f"orchestrator status {name}          wait until it has settled, then run this again",
        )


def _is_under_way(endpoint: Endpoint, wanted: str | None) -> bool:
    """Tell whether the change that is under way is the very one that is wanted, whatever becomes of it."""
    return endpoint.status in _COMING and endpoint.target == wanted
