"""What Application Auto Scaling refuses and moto does not, for targets of namespace ``sagemaker``.

moto keeps the targets, policies and schedules. Nothing scales by itself: they can be set and read, and a
deployment can be rehearsed with them. That AWS refuses a target whose endpoint or variant does not exist, or
which has no such dimension, is our reading; that a target's policies and scheduled actions go with it is in
the API reference (DeregisterScalableTarget).
"""

import asyncio
import re
from typing import Any

from orchestrator.core.scaling import Dimension
from orchestrator.localcloud.apierrors import ApiError, invalid
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.world import Content, Scope, World

TARGET = "AnyScaleFrontendService."
"""What ``X-Amz-Target`` begins with in calls of Application Auto Scaling."""

_RESOURCE = re.compile(r"endpoint/(?P<endpoint>[^/]+)/variant/(?P<variant>[^/]+)")
_SERVICE = "application-autoscaling"
_OF_TARGETS = frozenset({"PutScalingPolicy", "PutScheduledAction"})


class Scaling:
    """Looks at calls of Application Auto Scaling before moto answers them."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def look(self, world: World, operation: str, request: object) -> None:
        """Let a call through to moto, or refuse it.

        Raises:
            ApiError: If AWS would refuse it and moto would not.
        """
        if not isinstance(request, dict) or request.get("ServiceNamespace") != "sagemaker":
            return
        if operation == "RegisterScalableTarget":
            _check_resource(world, str(request.get("ResourceId")), request.get("ScalableDimension"))
            known = await asyncio.to_thread(self._target, world.scope, request)
            _check_bounds({**(known or {}), **request})
        elif operation in _OF_TARGETS:
            if await asyncio.to_thread(self._target, world.scope, request) is None:
                raise _unregistered("registered", request)
        elif operation == "DeregisterScalableTarget":
            if await asyncio.to_thread(self._target, world.scope, request) is None:
                raise _unregistered("found", request)
            await asyncio.to_thread(self._clear, world.scope, request)

    def _target(self, scope: Scope, request: Content) -> Content | None:
        found: list[dict[str, Any]] = self._clients.client(_SERVICE, scope).describe_scalable_targets(
            ServiceNamespace="sagemaker",
            ResourceIds=[str(request.get("ResourceId"))],
        )["ScalableTargets"]
        dimension = request.get("ScalableDimension")
        return next((target for target in found if target["ScalableDimension"] == dimension), None)

    def _clear(self, scope: Scope, request: Content) -> None:
        """Delete the policies and the scheduled actions of a target."""
        client = self._clients.client(_SERVICE, scope)
        members = ("ServiceNamespace", "ResourceId", "ScalableDimension")
        place = {member: request[member] for member in members}
        for policy in client.describe_scaling_policies(**place)["ScalingPolicies"]:
            client.delete_scaling_policy(PolicyName=policy["PolicyName"], **place)
        for action in client.describe_scheduled_actions(**place)["ScheduledActions"]:
            client.delete_scheduled_action(ScheduledActionName=action["ScheduledActionName"], **place)


def _check_resource(world: World, resource: str, dimension: object) -> None:
    named = _RESOURCE.fullmatch(resource)
    if named is None:
        return  # an inference component, or what moto refuses by its form
    endpoint = world.endpoints.get(named["endpoint"])
    deployments = (endpoint.serving, endpoint.pending) if endpoint else ()
    everyone = [variant for deployment in deployments if deployment for variant in deployment.variants]
    found = [variant for variant in everyone if variant.name == named["variant"]]
    if not found:
        raise invalid(f"The resource {resource} does not exist: there is no such endpoint or variant.")
    # What of a serverless variant can be scaled; of any other it is the number of instances.
    by_concurrency = dimension == Dimension.PROVISIONED_CONCURRENCY
    if all((variant.serverless is not None) != by_concurrency for variant in found):
        raise invalid(f"The scalable dimension {dimension} is not one of the resource {resource}.")


def _check_bounds(target: Content) -> None:
    least, most = target.get("MinCapacity"), target.get("MaxCapacity")
    if least is None or most is None:
        raise invalid("MinCapacity and MaxCapacity must be specified for a new scalable target.")
    if least > most:
        raise invalid("Maximum capacity cannot be less than minimum capacity.")


def _unregistered(word: str, request: Content) -> ApiError:
    return ApiError(
        "ObjectNotFoundException",
        f"No scalable target {word} for service namespace: sagemaker, resource ID: "
        f"{request.get('ResourceId')}, scalable dimension: {request.get('ScalableDimension')}",
    )
