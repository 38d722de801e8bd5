"""What Application Auto Scaling refuses and moto does not, and what moto lacks, for namespace ``sagemaker``.

moto keeps the targets, policies and schedules; `autoscaler` acts on them. That AWS refuses a target whose
endpoint or variant does not exist, or which has no such dimension, is our reading; that a target's policies
and scheduled actions go with it is in the API reference (DeregisterScalableTarget).
"""

import asyncio

from orchestrator.localcloud.apierrors import ApiError, invalid, unsupported
from orchestrator.localcloud.autoscaling import scalables, schedules
from orchestrator.localcloud.autoscaling.activities import Activities
from orchestrator.localcloud.autoscaling.capacities import COMPONENT, VARIANT
from orchestrator.localcloud.autoscaling.scalables import COPIES, NAMESPACE, PROVISIONED, Key
from orchestrator.localcloud.autoscaling.tracking import metric_of
from orchestrator.localcloud.world import Content, World

TARGET = "AnyScaleFrontendService."
"""What ``X-Amz-Target`` begins with in calls of Application Auto Scaling."""

_OF_TARGETS = frozenset({"PutScalingPolicy", "PutScheduledAction"})


class Scaling:
    """Looks at calls of Application Auto Scaling before moto answers them.

    Args:
        activities: What was scaled.
    """

    def __init__(self, activities: Activities) -> None:
        self._activities = activities

    async def prepare(self) -> None:
        """Get what keeps the targets ready, which takes more than a second the first time."""
        await asyncio.to_thread(scalables.mend)

    def look(self, world: World, operation: str, request: object) -> Content | None:
        """Answer a call, refuse it, or let it through to moto.

        Returns:
            The answer, or ``None`` where moto is to answer.

        Raises:
            ApiError: If AWS would refuse it and moto would not.
        """
        if not isinstance(request, dict) or request.get("ServiceNamespace") != NAMESPACE:
            return None
        if operation == "DescribeScalingActivities":
            return self._activities.shown(world.scope, request)
        key = Key(str(request.get("ResourceId")), str(request.get("ScalableDimension")))
        target = scalables.find(world.scope, key)
        if operation == "RegisterScalableTarget":
            _check_resource(world, key)
            known = {"MinCapacity": target.least, "MaxCapacity": target.most} if target else {}
            _check_bounds({**known, **request})
        elif operation in _OF_TARGETS:
            if target is None:
                raise _unregistered("registered", key)
            _check_member(operation, request)
        elif operation == "DeregisterScalableTarget":
            if target is None:
                raise _unregistered("found", key)
            scalables.clear(world.scope, key)
        return None


def _check_resource(world: World, key: Key) -> None:
    if named := COMPONENT.fullmatch(key.resource):
        if key.dimension == COPIES and named["component"] not in world.components:
            raise invalid(
                f"The resource {key.resource} does not exist: there is no such inference component."
            )
        return
    named = VARIANT.fullmatch(key.resource)
    if named is None:
        return  # what moto refuses by its form
    endpoint = world.endpoints.get(named["endpoint"])
    deployments = (endpoint.serving, endpoint.pending) if endpoint else ()
    everyone = [variant for deployment in deployments if deployment for variant in deployment.variants]
    found = [variant for variant in everyone if variant.name == named["variant"]]
    if not found:
        raise invalid(f"The resource {key.resource} does not exist: there is no such endpoint or variant.")
    # What of a serverless variant can be scaled; of any other it is the number of instances.
    by_concurrency = key.dimension == PROVISIONED
    if all((variant.serverless is not None) != by_concurrency for variant in found):
        raise invalid(f"The scalable dimension {key.dimension} is not one of the resource {key.resource}.")


def _check_member(operation: str, request: Content) -> None:
    """Check a policy or a scheduled action: a wrong one would do nothing, and say nothing."""
    if operation == "PutScheduledAction":
        if "Schedule" in request:
            schedules.read(request["Schedule"], request.get("Timezone") or "UTC")
        return
    tracking = request.get("TargetTrackingScalingPolicyConfiguration")
    if tracking is None:
        return
    if "TargetValue" not in tracking:
        raise invalid("TargetValue must be specified for a target tracking policy.")
    if "Metrics" in tracking.get("CustomizedMetricSpecification", {}):
        raise unsupported("metric math in target tracking policies")
    if metric_of(tracking, str(request.get("ResourceId"))) is None:
        raise invalid(
            "The metric of the target tracking policy is not one of the service namespace sagemaker."
        )


def _check_bounds(target: Content) -> None:
    least, most = target.get("MinCapacity"), target.get("MaxCapacity")
    if least is None or most is None:
        raise invalid("MinCapacity and MaxCapacity must be specified for a new scalable target.")
    if least > most:
        raise invalid("Maximum capacity cannot be less than minimum capacity.")


def _unregistered(word: str, key: Key) -> ApiError:
    return ApiError(
        "ObjectNotFoundException",
        f"No scalable target {word} for service namespace: {NAMESPACE}, resource ID: {key.resource}, "
        f"scalable dimension: {key.dimension}",
    )
