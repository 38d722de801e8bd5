"""What a world becomes when the local cloud that held it begins again.

What was being done when it ended is not taken up again: nobody can say how far it had come. What served is
to serve again.
"""

from collections.abc import Callable
from dataclasses import replace

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.rules import components, endpoints
from orchestrator.localcloud.transforms import jobs
from orchestrator.localcloud.world import Endpoint, World

Rule = Callable[[World, float], World]
"""Takes a world as it was kept, and the present moment in seconds since 1970."""

_RESOLUTION_SECONDS = 0.001
_INTERRUPTED = "The local cloud was restarted while the endpoint was being created."


def revive_endpoints(world: World, now: float) -> World:
    """Return the world in which every endpoint is on its way back to what it served.

    One that was being created is ``Failed``, one that was being deleted is gone, and any other that served is
    ``SystemUpdating`` on its endpoint config: a change of it that was under way is dropped.
    """
    for endpoint in tuple(world.endpoints.values()):
        world = _interrupted(world, endpoint, now)
    return world


RULES: tuple[Rule, ...] = (revive_endpoints, jobs.interrupted, components.interrupted)
"""Each for its kind of resource."""


def interrupted(world: World, now: float) -> World:
    """Return what a kept world becomes, before anything of it is started again."""
    for rule in RULES:
        world = rule(world, now)
    return world


def revived(world: World, name: str, now: float) -> World:
    """Return the world in which endpoint ``name``, which was ``SystemUpdating``, serves again."""
    return world.with_endpoint(_moved(endpoints.get(world, name), EndpointStatus.IN_SERVICE, now))


def waiting(world: World) -> tuple[str, ...]:
    """Return the names of the endpoints whose fleets have still to be started again."""
    return tuple(
        endpoint.name
        for endpoint in world.endpoints.values()
        if endpoint.status is EndpointStatus.SYSTEM_UPDATING
    )


def _interrupted(world: World, endpoint: Endpoint, now: float) -> World:
    match endpoint.status:
        case EndpointStatus.DELETING:
            return endpoints.gone(world, endpoint.name)
        case EndpointStatus.FAILED | EndpointStatus.OUT_OF_SERVICE:
            return world
        case _ if endpoint.serving is None:
            return endpoints.broken(world, endpoint.name, _INTERRUPTED, now)
    moved = _moved(endpoint, EndpointStatus.SYSTEM_UPDATING, now)
    # Of the mix that a failed rollback leaves, only what serves is known well enough to be started again.
    reason = "" if endpoint.mixed else endpoint.failure_reason
    return world.with_endpoint(replace(moved, pending=None, asked=(), mixed=False, failure_reason=reason))


def _moved(endpoint: Endpoint, status: EndpointStatus, now: float) -> Endpoint:
    return replace(endpoint, status=status, modified=max(now, endpoint.modified + _RESOLUTION_SECONDS))
