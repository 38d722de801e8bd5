"""The rules of inference components: models that are put on an endpoint whose variants name none.

::

    create -> Creating -> arrived -> InService <-> Updating    update, then arrived or failed (as it was)
                       -> failed  -> Failed
    delete -> Deleting -> gone                                 from whatever is settled

"Could not find inference component" and "Inference Component Name header is required" are AWS's texts, as
the SageMaker SDK and others look for them; the rest follow their form.
"""

from dataclasses import replace
from typing import Any

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import invalid, unsupported
from orchestrator.localcloud.rules.deployments import START_SECONDS, container_of, served
from orchestrator.localcloud.rules.endpoints import get
from orchestrator.localcloud.rules.tagging import retagged, tags_of
from orchestrator.localcloud.world import (
    COMPONENT,
    ENDPOINT,
    Component,
    Content,
    Endpoint,
    Outcome,
    Variant,
    World,
    without,
)

CREATING, IN_SERVICE, UPDATING, FAILED, DELETING = "Creating", "InService", "Updating", "Failed", "Deleting"
"""Every ``InferenceComponentStatus``."""

_MOVING = {CREATING, UPDATING, DELETING}
_PARTS = ("Specification", "RuntimeConfig", "DeploymentConfig")
_INTERRUPTED = "The local cloud was restarted while the inference component was being changed."
_UNSUPPORTED = ("BaseInferenceComponentName",)


def create_component(world: World, request: Content, now: float) -> Outcome:
    """Begin to create an inference component: it is ``Creating`` until `arrived` or `failed`.

    Raises:
        ApiError: If the name is taken, the endpoint cannot have one, or it is not said what runs in it.
    """
    name = request["InferenceComponentName"]
    if name in world.components:
        raise invalid(f'Cannot create already existing inference component "{_arn(world, name)}".')
    endpoint = get(world, request["EndpointName"])
    host = _host(world, endpoint, request.get("VariantName"))
    asked = _parts(request, {"Specification"})
    if "RuntimeConfig" not in asked:
        raise invalid("RuntimeConfig must be specified.")
    component = Component(name, endpoint.name, host.name, CREATING, asked, now, now)
    started_as(world, component)
    return _answered(retagged(world, _arn(world, name), tags_of(request)), component)


def update_component(world: World, request: Content, now: float) -> Outcome:
    """Begin to change an inference component: it is ``Updating`` until `arrived` or `failed`.

    Raises:
        ApiError: If there is none, it is moving or has failed, or nothing is asked for.
    """
    component = _changeable(world, request["InferenceComponentName"])
    parts = _parts(request, {"Specification", "RuntimeConfig"})
    if (request.get("DeploymentConfig") or {}).get("AutoRollbackConfiguration"):
        raise unsupported("AutoRollbackConfiguration of inference components")
    changed = _updating(component, {**component.shown, **parts}, now)
    started_as(world, changed)
    return _answered(world, changed)


def update_runtime_config(world: World, request: Content, now: float) -> Outcome:
    """Begin to give an inference component another number of copies, which may be 0.

    Raises:
        ApiError: If there is none, or it is moving or has failed.
    """
    component = _changeable(world, request["InferenceComponentName"])
    asked = {**component.shown, "RuntimeConfig": request["DesiredRuntimeConfig"]}
    return _answered(world, _updating(component, asked, now))


def delete_component(world: World, request: Content, now: float) -> Outcome:
    """Begin to delete an inference component: it is ``Deleting`` until it is `gone`.

    Raises:
        ApiError: If there is none, or it is moving.
    """
    component = _settled(world, request["InferenceComponentName"])
    return Outcome(_with(world, replace(component, status=DELETING, modified=now)))


def find(world: World, name: str) -> Component:
    """Return the inference component of that name.

    Raises:
        ApiError: If there is none.
    """
    if name not in world.components:
        raise invalid(f'Could not find inference component "{_arn(world, name)}".')
    return world.components[name]


def container_asked(request: Content) -> Content:
    """Return the container that a request describes itself; empty if it names a model, or nothing."""
    container = (request.get("Specification") or {}).get("Container") or {}
    named = {"Image": "Image", "ArtifactUrl": "ModelDataUrl", "Environment": "Environment"}
    return {member: container[name] for name, member in named.items() if name in container}


def started_as(world: World, component: Component) -> Variant:
    """Return what an inference component's fleet is to be started from: the variant it is on, with its model.

    Raises:
        ApiError: If the model is missing, or it cannot be served.
    """
    specification = component.asked["Specification"]
    for member in _UNSUPPORTED:
        if member in specification:
            raise unsupported(f"{member} (inference component '{component.name}')")
    if ("ModelName" in specification) == ("Container" in specification):
        raise invalid("Exactly one of ModelName and Container must be specified.")
    container = (
        container_of(world, specification["ModelName"])
        if "ModelName" in specification
        else served(world, container_asked(component.asked), f"inference component '{component.name}'")
    )
    parameters = specification.get("StartupParameters") or {}
    serving = get(world, component.endpoint).serving
    hosts = [variant for variant in (serving.variants if serving else ()) if variant.name == component.host]
    if not hosts:
        arn = world.scope.arn(ENDPOINT, component.endpoint)
        raise invalid(f'Could not find variant "{component.host}" of endpoint "{arn}".')
    return replace(
        hosts[0],
        container=container,
        count=component.asked["RuntimeConfig"]["CopyCount"],
        start_seconds=parameters.get("ContainerStartupHealthCheckTimeoutInSeconds", START_SECONDS),
        component=component.name,
    )


def arrived(world: World, name: str, serving: Variant, now: float) -> World:
    """Return the world in which an inference component is what it was asked to become."""
    component = find(world, name)
    return _with(
        world,
        replace(
            component,
            status=IN_SERVICE,
            shown=component.asked,
            serving=serving,
            modified=now,
            failure_reason="",
        ),
    )


def failed(world: World, name: str, reason: str, now: float) -> World:
    """Return the world in which a change of an inference component has come to nothing.

    A new one is ``Failed``. One that was updated is ``InService`` as it was, and says why.
    """
    component = find(world, name)
    status = IN_SERVICE if component.serving else FAILED
    kept = component.shown or component.asked
    return _with(world, replace(component, status=status, asked=kept, modified=now, failure_reason=reason))


def gone(world: World, name: str) -> World:
    """Return the world without an inference component and its tags."""
    left = replace(world, components=without(world.components, name))
    return retagged(left, _arn(world, name), None)


def interrupted(world: World, now: float) -> World:
    """Return the world in which no change of an inference component is under way any more: see `reviving`."""
    for component in tuple(world.components.values()):
        if component.status == DELETING:
            world = gone(world, component.name)
        elif component.status in _MOVING:
            world = failed(world, component.name, _INTERRUPTED, now)
    return world


def _host(world: World, endpoint: Endpoint, name: str | None) -> Variant:
    """Return the variant of an endpoint that an inference component is to be on."""
    arn = world.scope.arn(ENDPOINT, endpoint.name)
    if endpoint.status is not EndpointStatus.IN_SERVICE or endpoint.serving is None:
        raise invalid(f'Cannot create inference component: endpoint "{arn}" is in status {endpoint.status}.')
    found = [one for one in endpoint.serving.variants if name in {None, one.name}]
    if len(found) != 1:
        raise invalid(f'Could not find variant "{name or ""}" of endpoint "{arn}".')
    if found[0].container:
        raise invalid(f'Variant "{found[0].name}" of endpoint "{arn}" has a model of its own.')
    return found[0]


def _parts(request: Content, wanted: set[str]) -> dict[str, Any]:
    """Return the parts of an inference component that a request says, at least one of the ``wanted``."""
    if request.get("Specifications"):
        raise unsupported("Specifications (by instance type) of inference components")
    parts = {part: request[part] for part in _PARTS if request.get(part) is not None}
    if not wanted & set(parts):
        raise invalid("Specification or RuntimeConfig must be specified.")
    return parts


def _settled(world: World, name: str) -> Component:
    component = find(world, name)
    if component.status in _MOVING:
        raise invalid(f'Cannot update in-progress inference component "{_arn(world, name)}".')
    return component


def _changeable(world: World, name: str) -> Component:
    component = _settled(world, name)
    if component.status == FAILED:
        raise invalid(f'Cannot update inference component "{_arn(world, name)}" in status {FAILED}.')
    return component


def _updating(component: Component, asked: Content, now: float) -> Component:
    return replace(component, status=UPDATING, asked=asked, modified=now, failure_reason="")


def _arn(world: World, name: str) -> str:
    return world.scope.arn(COMPONENT, name)


def _with(world: World, component: Component) -> World:
    return replace(world, components={**world.components, component.name: component})


def _answered(world: World, component: Component) -> Outcome:
    return Outcome(_with(world, component), {"InferenceComponentArn": _arn(world, component.name)})
