"""How instances come and go while an endpoint's weights and capacities change, and how that is taken back.

Like `endpoints`: each function takes the world and returns the one that follows.
"""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.rules.endpoints import get
from orchestrator.localcloud.world import Deployment, Variant, World


def counted(world: World, name: str, counts: Mapping[str, int]) -> World:
    """Return the world in which variants of endpoint ``name`` have these numbers of instances now."""
    endpoint = get(world, name)
    if endpoint.serving is None:
        return world
    serving = replace(endpoint.serving, variants=_sized(endpoint.serving, counts))
    return world.with_endpoint(replace(endpoint, serving=serving))


def turned_back(world: World, name: str, counts: Mapping[str, int]) -> World:
    """Return the world in which endpoint ``name`` goes back to the weights and counts that it had.

    "Endpoint fails to scale up or down or change its variant weight and is in the process of rolling back to
    its previous configuration": SageMaker API reference, EndpointStatus.
    """
    endpoint = get(world, name)
    if endpoint.serving is None:
        return world
    asked = _sized(endpoint.serving, counts)
    return world.with_endpoint(replace(endpoint, status=EndpointStatus.ROLLING_BACK, asked=asked))


def _sized(deployment: Deployment, counts: Mapping[str, int]) -> tuple[Variant, ...]:
    """Return the variants of a deployment, with other numbers of instances where ``counts`` has them."""
    return tuple(
        replace(variant, count=counts.get(variant.name, variant.count)) for variant in deployment.variants
    )
