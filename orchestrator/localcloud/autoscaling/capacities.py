"""How much there is of what can be scaled, and the operation that changes it."""

import re

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.autoscaling.scalables import COPIES, INSTANCES, Key
from orchestrator.localcloud.fleets.coldstart import provisioned
from orchestrator.localcloud.rules.components import IN_SERVICE
from orchestrator.localcloud.world import Content, Deployment, Variant, World

VARIANT = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
COMPONENT = re.compile(r"inference-component/(?P<component>[^/]+)")


def capacity(world: World, key: Key) -> int | None:
    """Return how much there is; ``None`` if it is not there, or on its way to another capacity."""
    if named := COMPONENT.fullmatch(key.resource):
        component = world.components.get(named["component"])
        if component is None or component.serving is None or component.status != IN_SERVICE:
            return None
        return component.serving.count
    named = VARIANT.fullmatch(key.resource)
    endpoint = world.endpoints.get(named["endpoint"]) if named else None
    if named is None or endpoint is None or endpoint.status is not EndpointStatus.IN_SERVICE:
        return None
    variant = _variant(endpoint.serving, named["variant"])
    if variant is None:
        return None
    return variant.count if key.dimension == INSTANCES else provisioned(variant)


def order(key: Key, count: int) -> tuple[str, Content]:
    """Return the operation that gives ``key`` this capacity, and its request."""
    if named := COMPONENT.fullmatch(key.resource):
        return "UpdateInferenceComponentRuntimeConfig", {
            "InferenceComponentName": named["component"],
            "DesiredRuntimeConfig": {"CopyCount": count},
        }
    _, endpoint, _, variant = key.resource.split("/")
    change: Content = {"DesiredInstanceCount": count}
    if key.dimension != INSTANCES:
        change = {"ServerlessUpdateConfig": {"ProvisionedConcurrency": count}}
    return "UpdateEndpointWeightsAndCapacities", {
        "EndpointName": endpoint,
        "DesiredWeightsAndCapacities": [{"VariantName": variant, **change}],
    }


def words(key: Key) -> str:
    """Return what AWS calls it in its descriptions of scaling activities."""
    if key.dimension == COPIES:
        return "desired copy count"
    return "desired instance count" if key.dimension == INSTANCES else "desired provisioned concurrency"


def _variant(deployment: Deployment | None, name: str) -> Variant | None:
    variants = deployment.variants if deployment else ()
    return next((variant for variant in variants if variant.name == name), None)
