"""The rules of endpoints: what may be asked of them when, and how they move.

::

    create -> Creating -> arrived -> InService <-> Updating    update, then arrived or failed (rolled back)
                       -> failed  -> Failed
    delete -> Deleting -> gone                                 from InService and Failed

Each function takes the world and the present moment and returns the world that follows. Texts are AWS's
where a public report shows them; the rest follow their form.
"""

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import invalid, unsupported
from orchestrator.localcloud.modeldata import model_data
from orchestrator.localcloud.records import find, tags_of, without
from orchestrator.localcloud.world import (
    CONFIG,
    ENDPOINT,
    MODEL,
    Content,
    Deployment,
    Endpoint,
    Outcome,
    Variant,
    World,
)

# "8 minutes": SageMaker developer guide, your-algorithms-inference-code.
_START_SECONDS = 480
_RESOLUTION_SECONDS = 0.001
# What would be pretended if it were only shown. Of the rest, what has no meaning on one machine (networks,
# disks, instance types, routing between instances) is shown and without effect.
_UNSUPPORTED_CONFIG = (
    "AsyncInferenceConfig",
    "CrossRegionTrafficConfig",
    "ExplainerConfig",
    "ShadowProductionVariants",
)
_UNSUPPORTED_VARIANT = ("AcceleratorType", "InstancePools", "ManagedInstanceScaling", "ServerlessConfig")
_UNSUPPORTED_CONTAINER = ("AdditionalModelDataSources", "ModelPackageName")


def create_endpoint(world: World, request: Content, now: float) -> Outcome:
    """Begin to create an endpoint: it is ``Creating`` until `arrived` or `failed`.

    Raises:
        ApiError: If the name is taken, in whatever case, or the endpoint config is missing, or asks for
            what the local cloud does not do.
    """
    name, config = request["EndpointName"], request["EndpointConfigName"]
    for taken in world.endpoints:
        # "The name must be unique ... case-insensitive": SageMaker API reference, CreateEndpoint.
        if taken.lower() == name.lower():
            raise invalid(f'Cannot create already existing endpoint "{_arn(world, taken)}".')
    policy = _policy(request)
    deployment = Deployment(config, tuple(_variants(world, config)), policy, now)
    endpoint = Endpoint(name, EndpointStatus.CREATING, config, now, now, pending=deployment)
    tagged = replace(world, tags={**world.tags, _arn(world, name): tags_of(request)})
    return _answered(tagged.with_endpoint(endpoint), name)


def update_endpoint(world: World, request: Content, now: float) -> Outcome:
    """Begin to move an endpoint to another endpoint config: it is ``Updating`` until it has settled.

    Raises:
        ApiError: If the endpoint is moving or has failed, an endpoint config is missing (the one it is
            on counts as well), the variants have other names, or something is not supported.
    """
    endpoint = get(world, request["EndpointName"])
    _check_settled(world, endpoint)
    if endpoint.serving is None:
        raise invalid(
            f'Cannot update endpoint "{_arn(world, endpoint.name)}" in status {endpoint.status}. '
            "DeleteEndpoint is the only operation that can be performed on it."
        )
    # AWS refuses to update an endpoint whose present config is gone: terraform-provider-aws#40048.
    find(world, CONFIG, endpoint.config)
    variants = tuple(_variants(world, request["EndpointConfigName"]))
    if {variant.name for variant in variants} != {variant.name for variant in endpoint.serving.variants}:
        # Developer guide, deployment-guardrails-exclusions.
        raise invalid("The variant names of the new endpoint configuration must be those of the endpoint.")
    policy = endpoint.serving.policy if request.get("RetainDeploymentConfig") else _policy(request)
    retained = tuple(_retained(variants, endpoint.serving.variants, request))
    deployment = Deployment(request["EndpointConfigName"], retained, policy, now)
    moved = replace(
        endpoint,
        status=EndpointStatus.UPDATING,
        pending=deployment,
        modified=_later(endpoint, now),
        failure_reason="",
    )
    return _answered(world.with_endpoint(moved), endpoint.name)


def delete_endpoint(world: World, request: Content, now: float) -> Outcome:
    """Begin to delete an endpoint: it is ``Deleting`` until it is `gone`.

    Raises:
        ApiError: If there is none, or it is moving.
    """
    endpoint = get(world, request["EndpointName"])
    _check_settled(world, endpoint)
    moved = replace(endpoint, status=EndpointStatus.DELETING, modified=_later(endpoint, now))
    return Outcome(world.with_endpoint(moved))


def arrived(world: World, name: str, now: float) -> World:
    """Return the world in which what was pending on endpoint ``name`` is what serves."""
    endpoint = get(world, name)
    if endpoint.pending is None:
        return world
    return world.with_endpoint(
        replace(
            endpoint,
            status=EndpointStatus.IN_SERVICE,
            config=endpoint.pending.config,
            serving=endpoint.pending,
            pending=None,
            modified=_later(endpoint, now),
        )
    )


def failed(world: World, name: str, reason: str, now: float) -> World:
    """Return the world in which what was pending on endpoint ``name`` has come to nothing.

    A new endpoint is ``Failed`` and says why. An updated one is ``InService`` on the endpoint config it
    came from and says nothing: that is what SageMaker does (terraform-provider-aws#48997).
    """
    endpoint = get(world, name)
    settled = replace(endpoint, pending=None, modified=_later(endpoint, now))
    if endpoint.serving is None:
        return world.with_endpoint(replace(settled, status=EndpointStatus.FAILED, failure_reason=reason))
    return world.with_endpoint(replace(settled, status=EndpointStatus.IN_SERVICE))


def gone(world: World, name: str) -> World:
    """Return the world without endpoint ``name`` and its tags."""
    tags = without(world.tags, _arn(world, name))
    return replace(world, endpoints=without(world.endpoints, name), tags=tags)


def get(world: World, name: str) -> Endpoint:
    """Return the endpoint called exactly ``name``.

    Raises:
        ApiError: If there is none.
    """
    if name not in world.endpoints:
        raise invalid(f'Could not find endpoint "{_arn(world, name)}".')
    return world.endpoints[name]


def bake_seconds(policy: Content | None) -> float:
    """Return how long both fleets stay once traffic has moved, before the old one is ended."""
    blue_green = (policy or {}).get("BlueGreenUpdatePolicy", {})
    wait = blue_green.get("TrafficRoutingConfiguration", {}).get("WaitIntervalInSeconds", 0)
    return float(wait + blue_green.get("TerminationWaitInSeconds", 0))


def _arn(world: World, name: str) -> str:
    return world.scope.arn(ENDPOINT, name)


def _answered(world: World, name: str) -> Outcome:
    return Outcome(world, {"EndpointArn": _arn(world, name)})


def _check_settled(world: World, endpoint: Endpoint) -> None:
    if not endpoint.status.settled:
        raise invalid(f'Cannot update in-progress endpoint "{_arn(world, endpoint.name)}".')


def _later(endpoint: Endpoint, now: float) -> float:
    """Return a moment after the last one, whatever the clock says: clients compare LastModifiedTime."""
    return max(now, endpoint.modified + _RESOLUTION_SECONDS)


def _policy(request: Content) -> Content | None:
    """Return the ``DeploymentConfig`` of a request, if it is one that the engine carries out."""
    policy: Content | None = request.get("DeploymentConfig")
    if policy is None:
        return None
    if "RollingUpdatePolicy" in policy:
        raise unsupported("DeploymentConfig with RollingUpdatePolicy")
    if policy.get("AutoRollbackConfiguration", {}).get("Alarms"):
        raise unsupported("DeploymentConfig with AutoRollbackConfiguration: alarms are not evaluated")
    blue_green = policy.get("BlueGreenUpdatePolicy", {})
    if "MaximumExecutionTimeoutInSeconds" in blue_green:
        raise unsupported("DeploymentConfig with MaximumExecutionTimeoutInSeconds")
    routing = blue_green.get("TrafficRoutingConfiguration", {}).get("Type", "ALL_AT_ONCE")
    if routing != "ALL_AT_ONCE":
        raise unsupported(f"DeploymentConfig of type {routing}")
    return policy


def _variants(world: World, config: str) -> Iterator[Variant]:
    """Yield the variants of an endpoint config, ready to be started.

    Raises:
        ApiError: If the endpoint config or a model is missing, or asks for what we do not do.
    """
    content = find(world, CONFIG, config).content
    for member in _UNSUPPORTED_CONFIG:
        if content.get(member):
            raise unsupported(f"{member} (endpoint configuration '{config}')")
    if content.get("DataCaptureConfig", {}).get("EnableCapture"):
        raise unsupported(f"DataCaptureConfig (endpoint configuration '{config}')")
    for variant in content["ProductionVariants"]:
        yield _variant(world, variant)


def _variant(world: World, content: Content) -> Variant:
    name = content["VariantName"]
    for member in _UNSUPPORTED_VARIANT:
        if content.get(member):
            raise unsupported(f"{member} (variant '{name}')")
    if "ModelName" not in content:
        raise unsupported(f"inference components (variant '{name}' names no model)")
    if "InstanceType" not in content or "InitialInstanceCount" not in content:
        raise invalid(f'Variant "{name}" must specify InstanceType and InitialInstanceCount.')
    return Variant(
        name=name,
        container=_container(world, content["ModelName"]),
        instance_type=content["InstanceType"],
        count=content["InitialInstanceCount"],
        weight=float(content.get("InitialVariantWeight", 1.0)),
        start_seconds=content.get("ContainerStartupHealthCheckTimeoutInSeconds", _START_SECONDS),
    )


def _container(world: World, model: str) -> Content:
    content = find(world, MODEL, model).content
    containers = content.get("Containers") or [content["PrimaryContainer"]]
    container: Content = containers[0]
    if len(containers) > 1:
        raise unsupported(f"inference pipelines (model '{model}' has {len(containers)} containers)")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise unsupported(f"multi-model endpoints (model '{model}')")
    for member in _UNSUPPORTED_CONTAINER:
        if container.get(member):
            raise unsupported(f"{member} (model '{model}')")
    if model_data(container) is None:
        raise unsupported(
            "models without ModelDataUrl or a plain ModelDataSource: S3Prefix and None, or S3Object and Gzip "
            f"(model '{model}')"
        )
    return container


def _retained(
    variants: tuple[Variant, ...], present: tuple[Variant, ...], request: Content
) -> Iterator[Variant]:
    """Yield ``variants`` with the counts and weights of the ``present`` ones, as far as is asked for."""
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties") or ()}
    before = {variant.name: variant for variant in present}
    for variant in variants:
        kept = before[variant.name] if request.get("RetainAllVariantProperties") else variant
        yield replace(
            variant,
            count=variant.count if "DesiredInstanceCount" in excluded else kept.count,
            weight=variant.weight if "DesiredWeight" in excluded else kept.weight,
        )
