"""Application Auto Scaling of an endpoint's variants, and the alarms that its step policies need.

Calls only; the shapes of requests and answers are in `scaling`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters import scaling as shapes
from orchestrator.adapters.aws import Clients
from orchestrator.adapters.cloudwatch import CloudWatch
from orchestrator.adapters.refusals import code_of, message_of, translated
from orchestrator.core.scaling import Dimension, Scaling

# API reference, DescribeScalableTargets: ResourceIds.
_RESOURCES_IN_A_CALL = 50
_GONE = "ObjectNotFoundException"
# Emulators use the code of every refusal.
_GONE_WORDS = ("No scalable target", "No scaling policy", "No scheduled action")


class ApplicationAutoscaling:
    """The `Autoscaling` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._api = clients("application-autoscaling")
        self._alarms = CloudWatch(clients)

    def observe(self, endpoint: str, variants: Sequence[str]) -> frozenset[Scaling]:
        """Return what scales these variants, in one call if nothing does.

        Of a policy that cannot be told in our words, such as a predictive one, the name alone is told.
        """
        with translated(f"looking at the autoscaling of endpoint '{endpoint}'"):
            return frozenset(self._scaling(endpoint, target) for target in self._targets(endpoint, variants))

    def put(self, endpoint: str, scaling: Scaling) -> None:
        """Make a variant's autoscaling what ``scaling`` says: what it has besides is removed."""
        with translated(f"setting the autoscaling of variant '{scaling.variant}' of endpoint '{endpoint}'"):
            self._api.register_scalable_target(**shapes.target(endpoint, scaling))
            for tracking in scaling.tracking:
                self._api.put_scaling_policy(**shapes.tracking(endpoint, scaling, tracking))
            for step in scaling.steps:
                made = self._api.put_scaling_policy(**shapes.step(endpoint, scaling, step))
                alarm = shapes.step_alarm(endpoint, scaling.variant, step)
                self._alarms.put(alarm, actions=[made["PolicyARN"]])
            for schedule in scaling.schedules:
                self._api.put_scheduled_action(**shapes.schedule(endpoint, scaling, schedule))
            self._prune(endpoint, scaling)

    def suspend(self, endpoint: str, scaling: Scaling) -> None:
        """Let no policy take anything away from the variant until the next `put`.

        The bounds stay as they are. Scheduled actions go on: one that is missed is not made up for later.
        """
        with translated(f"suspending the scale-in of variant '{scaling.variant}' of endpoint '{endpoint}'"):
            self._api.register_scalable_target(
                **shapes.resource(endpoint, scaling.variant, scaling.dimension),
                SuspendedState={"DynamicScalingInSuspended": True},
            )

    def remove(self, endpoint: str, variant: str, dimension: Dimension) -> None:
        """Take a variant's autoscaling away; succeed if it has none.

        The alarms of step policies go first: who is interrupted still finds the target, and does it again.
        Policies and schedules go with their target: API reference, DeregisterScalableTarget.
        """
        with translated(f"removing the autoscaling of variant '{variant}' of endpoint '{endpoint}'"):
            which = shapes.resource(endpoint, variant, dimension)
            steps = [policy["PolicyName"] for policy in self._policies(which) if shapes.is_step(policy)]
            self._alarms.delete([shapes.alarm_name(endpoint, variant, name) for name in steps])
            _unless_gone(self._api.deregister_scalable_target, which)

    def _targets(self, endpoint: str, variants: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        ids = [shapes.resource_id(endpoint, variant) for variant in variants]
        for start in range(0, len(ids), _RESOURCES_IN_A_CALL):
            pages = self._api.get_paginator("describe_scalable_targets").paginate(
                ServiceNamespace=shapes.NAMESPACE, ResourceIds=ids[start : start + _RESOURCES_IN_A_CALL]
            )
            found = (target for page in pages for target in page["ScalableTargets"])
            yield from (target for target in found if target["ScalableDimension"] in set(Dimension))

    def _scaling(self, endpoint: str, target: Mapping[str, Any]) -> Scaling:
        which = {name: target[name] for name in shapes.RESOURCE}
        policies, variant = list(self._policies(which)), shapes.variant_of(target)
        names = [name for policy in policies for name in shapes.alarm_names(endpoint, variant, policy)]
        # An alarm that sets nothing off is as good as none: its policy never acts.
        alarms = self._alarms.find_acting(names) if names else ()
        return shapes.scaling(endpoint, target, policies, list(self._schedules(which)), alarms)

    def _policies(self, which: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
        for page in self._api.get_paginator("describe_scaling_policies").paginate(**which):
            yield from page["ScalingPolicies"]

    def _schedules(self, which: Mapping[str, object]) -> Iterator[Mapping[str, Any]]:
        for page in self._api.get_paginator("describe_scheduled_actions").paginate(**which):
            yield from page["ScheduledActions"]

    def _prune(self, endpoint: str, scaling: Scaling) -> None:
        which = shapes.resource(endpoint, scaling.variant, scaling.dimension)
        steps = {step.name for step in scaling.steps}
        policies = steps | {tracking.name for tracking in scaling.tracking}
        schedules = {schedule.name for schedule in scaling.schedules}
        for policy in list(self._policies(which)):
            name = policy["PolicyName"]
            if shapes.is_step(policy) and name not in steps:
                self._alarms.delete([shapes.alarm_name(endpoint, scaling.variant, name)])
            if name not in policies:
                _unless_gone(self._api.delete_scaling_policy, {**which, "PolicyName": name})
        for action in list(self._schedules(which)):
            name = action["ScheduledActionName"]
            if name not in schedules:
                _unless_gone(self._api.delete_scheduled_action, {**which, "ScheduledActionName": name})


def _unless_gone(call: Any, request: Mapping[str, object]) -> None:  # noqa: ANN401 - boto3's calls have no types
    try:
        call(**request)
    except ClientError as error:
        if code_of(error) != _GONE and not message_of(error).startswith(_GONE_WORDS):
            raise
