"""What callers see of inference components."""

from typing import Any

from orchestrator.localcloud.rules.components import find
from orchestrator.localcloud.rules.paging import Listing, page
from orchestrator.localcloud.world import COMPONENT, ENDPOINT, Component, Content, World, without

_COMPONENTS = Listing("InferenceComponents", "InferenceComponentName", "InferenceComponentStatus")


def describe_component(world: World, request: Content) -> Content:
    """Return an inference component as it is; while it is updated, as it still serves."""
    component = find(world, request["InferenceComponentName"])
    parts = component.shown or component.asked
    shown = {**_brief(world, component), "RuntimeConfig": _copies(component)}
    if specification := parts.get("Specification"):
        shown["Specification"] = _specification(specification, component.created)
    if "DeploymentConfig" in component.shown:
        shown["LastDeploymentConfig"] = component.shown["DeploymentConfig"]
    if component.failure_reason:
        shown["FailureReason"] = component.failure_reason
    return shown


def list_components(world: World, request: Content) -> Content:
    """Return one page of the inference components, of all endpoints or of one."""
    endpoint, host = request.get("EndpointNameEquals"), request.get("VariantNameEquals")
    lines = [
        _brief(world, component)
        for component in world.components.values()
        if endpoint in {None, component.endpoint} and host in {None, component.host}
    ]
    return page(_COMPONENTS, lines, request)


def _brief(world: World, component: Component) -> dict[str, Any]:
    return {
        "InferenceComponentName": component.name,
        "InferenceComponentArn": world.scope.arn(COMPONENT, component.name),
        "EndpointName": component.endpoint,
        "EndpointArn": world.scope.arn(ENDPOINT, component.endpoint),
        "VariantName": component.host,
        "InferenceComponentStatus": component.status,
        "CreationTime": component.created,
        "LastModifiedTime": component.modified,
    }


def _copies(component: Component) -> Content:
    present = component.serving.count if component.serving else 0
    return {
        "DesiredCopyCount": component.asked["RuntimeConfig"]["CopyCount"],
        "CurrentCopyCount": present,
    }


def _specification(specification: Content, created: float) -> Content:
    """Return an ``InferenceComponentSpecificationSummary``: the image is one that was resolved."""
    if "Container" not in specification:
        return specification
    container = without(specification["Container"], "Image")
    if image := specification["Container"].get("Image"):
        container["DeployedImage"] = {
            "SpecifiedImage": image,
            "ResolvedImage": image,
            "ResolutionTime": created,
        }
    return {**specification, "Container": container}
