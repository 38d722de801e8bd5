"""The rules of endpoints: what may be asked of them when, and how they move.

::

    create -> Creating -> arrived -> InService <-> Updating    update, then arrived or failed (rolled back)
                       -> failed  -> Failed
    weights and capacities:          InService <-> Updating    then reshaped
    delete -> Deleting -> gone                                 from whatever is settled

An update whose rollback fails leaves ``UpdateRollbackFailed``, from which an update or a delete leads on.
Each function takes the world and the present moment and returns the world that follows. Texts are AWS's where
a public report shows them; the rest follow their form.
"""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.rules.deployments import deployment_of, is_async, succeeding
from orchestrator.localcloud.rules.records import find
from orchestrator.localcloud.rules.rollouts import check_fit, check_policy
from orchestrator.localcloud.rules.tagging import retagged, tags_of
from orchestrator.localcloud.world import (
    CONFIG,
    ENDPOINT,
    Content,
    Deployment,
    Endpoint,
    Outcome,
    Stage,
    Variant,
    World,
    without,
)

_RESOLUTION_SECONDS = 0.001


def create_endpoint(world: World, request: Content, now: float) -> Outcome:
    """Begin to create an endpoint: it is ``Creating`` until `arrived` or `failed`.

    Raises:
        ApiError: If the name is taken, in whatever case, or the endpoint config is missing, or asks for
            what the local cloud does not do.
    """
    name, config = request["EndpointName"], request["EndpointConfigName"]
    # "The name must be unique ... case-insensitive": SageMaker API reference, CreateEndpoint.
    if taken := next((one for one in world.endpoints if one.lower() == name.lower()), None):
        raise invalid(f'Cannot create already existing endpoint "{_arn(world, taken)}".')
    deployment = deployment_of(world, config, _policy(request), now)
    endpoint = Endpoint(name, EndpointStatus.CREATING, config, now, now, pending=deployment)
    tagged = retagged(world, _arn(world, name), tags_of(request))
    return _answered(tagged.with_endpoint(endpoint), name)


def update_endpoint(world: World, request: Content, now: float) -> Outcome:
    """Begin to move an endpoint to another endpoint config: it is ``Updating`` until it has settled.

    Raises:
        ApiError: If the endpoint is moving or has failed, an endpoint config is missing (the one it is
            on counts as well), the one cannot follow the other, or something is not supported.
    """
    endpoint, present = _changeable(world, request["EndpointName"])
    # AWS refuses to update an endpoint whose present config is gone: terraform-provider-aws#40048.
    find(world, CONFIG, endpoint.config)
    policy = present.policy if request.get("RetainDeploymentConfig") else _policy(request)
    new = deployment_of(world, request["EndpointConfigName"], policy, now)
    deployment = succeeding(new, present, request)
    if policy is not None:
        check_fit(policy, deployment.variants)
    moved = replace(_updating(endpoint, now), pending=deployment)
    return _answered(world.with_endpoint(moved), endpoint.name)


def update_weights_and_capacities(world: World, request: Content, now: float) -> Outcome:
    """Begin to change weights, or the number of instances, of what serves: ``Updating`` until `reshaped`.

    Raises:
        ApiError: If the endpoint is moving or has failed, a variant is unknown or named twice, or more than
            one of them is to have another number of instances.
    """
    endpoint, present = _changeable(world, request["EndpointName"])
    changes = request["DesiredWeightsAndCapacities"]
    wanted = {change["VariantName"]: change for change in changes}
    known = {variant.name for variant in present.variants}
    if len(wanted) != len(changes):
        raise invalid("Variant names must be unique within DesiredWeightsAndCapacities.")
    if unknown := sorted(set(wanted) - known):
        raise invalid(f'Could not find variant "{unknown[0]}" of endpoint "{_arn(world, endpoint.name)}".')
    # "updates variant weight of one or more variants ..., or capacity of one variant": API reference.
    if sum("DesiredInstanceCount" in change for change in changes) > 1:
        raise invalid("The capacity of only one variant can be updated at a time.")
    least = 0 if is_async(present) else 1
    asked = tuple(_reshaped(variant, wanted.get(variant.name, {}), least) for variant in present.variants)
    moved = replace(_updating(endpoint, now), asked=asked)
    return _answered(world.with_endpoint(moved), endpoint.name)


def delete_endpoint(world: World, request: Content, now: float) -> Outcome:
    """Begin to delete an endpoint: it is ``Deleting`` until it is `gone`.

    Raises:
        ApiError: If there is none, it is moving, or it has inference components.
    """
    endpoint = get(world, request["EndpointName"])
    _check_settled(world, endpoint)
    if any(component.endpoint == endpoint.name for component in world.components.values()):
        # That AWS refuses it is known, not what it says: aws/amazon-sagemaker-feedback#49.
        raise invalid(f'Endpoint "{_arn(world, endpoint.name)}" has inference components: delete them first.')
    moved = replace(endpoint, status=EndpointStatus.DELETING, modified=_later(endpoint, now))
    return Outcome(world.with_endpoint(moved))


def staged(world: World, name: str, stages: Mapping[str, Stage], now: float) -> World:
    """Return the world in which what is pending on endpoint ``name`` has come to ``stages``."""
    endpoint = get(world, name)
    if endpoint.pending is None:
        return world
    begun = {variant: replace(stage, since=now) for variant, stage in stages.items()}
    return world.with_endpoint(replace(endpoint, pending=replace(endpoint.pending, stages=begun)))


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
            serving=replace(endpoint.pending, stages={}),
            pending=None,
            modified=_later(endpoint, now),
            mixed=False,
        )
    )


def reshaped(world: World, name: str, now: float) -> World:
    """Return the world in which the weights and counts asked of endpoint ``name`` are what it has."""
    endpoint = get(world, name)
    if endpoint.serving is None or not endpoint.asked:
        return world
    return world.with_endpoint(
        replace(
            endpoint,
            status=_back(endpoint),
            serving=replace(endpoint.serving, variants=endpoint.asked),
            asked=(),
            modified=_later(endpoint, now),
        )
    )


def failed(world: World, name: str, reason: str, now: float) -> World:
    """Return the world in which what was pending on endpoint ``name`` has come to nothing.

    A new endpoint is ``Failed`` and says why. An updated one is ``InService`` on the endpoint config it
    came from and says nothing: that is what SageMaker does (terraform-provider-aws#48997).
    """
    endpoint = get(world, name)
    if endpoint.serving is None:
        return broken(world, name, reason, now)
    return world.with_endpoint(
        replace(endpoint, pending=None, modified=_later(endpoint, now), status=_back(endpoint))
    )


def short_of_capacity(world: World, name: str, reason: str, now: float) -> World:
    """Return the world in which a change of endpoint ``name`` failed for want of instances: it says so."""
    settled = failed(world, name, reason, now)
    return settled.with_endpoint(replace(get(settled, name), failure_reason=reason))


def broken(world: World, name: str, reason: str, now: float) -> World:
    """Return the world in which endpoint ``name`` is ``Failed`` and can only be deleted."""
    endpoint = get(world, name)
    return world.with_endpoint(
        replace(
            endpoint,
            status=EndpointStatus.FAILED,
            serving=None,
            pending=None,
            failure_reason=reason,
            modified=_later(endpoint, now),
        )
    )


def stranded(world: World, name: str, reason: str, now: float) -> World:
    """Return the world in which the rollback of endpoint ``name`` has failed, and a mix of fleets answers."""
    endpoint = get(world, name)
    mixed = replace(endpoint, mixed=True, pending=None, failure_reason=reason, modified=_later(endpoint, now))
    return world.with_endpoint(replace(mixed, status=EndpointStatus.UPDATE_ROLLBACK_FAILED))


def gone(world: World, name: str) -> World:
    """Return the world without endpoint ``name`` and its tags."""
    left = replace(world, endpoints=without(world.endpoints, name))
    return retagged(left, _arn(world, name), None)


def get(world: World, name: str) -> Endpoint:
    """Return the endpoint called exactly ``name``.

    Raises:
        ApiError: If there is none.
    """
    if name not in world.endpoints:
        raise invalid(f'Could not find endpoint "{_arn(world, name)}".')
    return world.endpoints[name]


def _arn(world: World, name: str) -> str:
    return world.scope.arn(ENDPOINT, name)


def _answered(world: World, name: str) -> Outcome:
    return Outcome(world, {"EndpointArn": _arn(world, name)})


def _check_settled(world: World, endpoint: Endpoint) -> None:
    if not endpoint.status.settled:
        raise invalid(f'Cannot update in-progress endpoint "{_arn(world, endpoint.name)}".')


def _changeable(world: World, name: str) -> tuple[Endpoint, Deployment]:
    """Return an endpoint that can be updated, and what it serves."""
    endpoint = get(world, name)
    _check_settled(world, endpoint)
    if endpoint.serving is None:
        raise invalid(
            f'Cannot update endpoint "{_arn(world, name)}" in status {endpoint.status}. '
            "DeleteEndpoint is the only operation that can be performed on it."
        )
    return endpoint, endpoint.serving


def _updating(endpoint: Endpoint, now: float) -> Endpoint:
    modified = _later(endpoint, now)
    return replace(endpoint, status=EndpointStatus.UPDATING, modified=modified, failure_reason="")


def _back(endpoint: Endpoint) -> EndpointStatus:
    """Return what an endpoint is once a change of it has ended and nothing new serves."""
    return EndpointStatus.UPDATE_ROLLBACK_FAILED if endpoint.mixed else EndpointStatus.IN_SERVICE


def _later(endpoint: Endpoint, now: float) -> float:
    """Return a moment after the last one, whatever the clock says: clients compare LastModifiedTime."""
    return max(now, endpoint.modified + _RESOLUTION_SECONDS)


def _policy(request: Content) -> Content | None:
    policy: Content | None = request.get("DeploymentConfig")
    if policy is not None:
        check_policy(policy)
    return policy


def _reshaped(variant: Variant, change: Content, least: int) -> Variant:
    """Return ``variant`` with what is asked for; what is left out stays as it is."""
    count = change.get("DesiredInstanceCount", variant.count)
    if "DesiredInstanceCount" in change and (variant.serverless is not None or count < least):
        raise invalid(f'DesiredInstanceCount {count} is not valid for variant "{variant.name}".')
    serverless = variant.serverless
    if update := change.get("ServerlessUpdateConfig"):
        if serverless is None:
            raise invalid(f'ServerlessUpdateConfig is not valid for variant "{variant.name}".')
        serverless = {**serverless, **update}
    weight = float(change.get("DesiredWeight", variant.weight))
    return replace(variant, count=count, weight=weight, serverless=serverless)
