"""`orchestrator.core.scaling` values as requests of Application Auto Scaling, and its answers as values.

Makes no calls.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from orchestrator.adapters.cloudwatch import dimensions
from orchestrator.adapters.requests import present
from orchestrator.core.alarms import NAMESPACE as SAGEMAKER_METRICS
from orchestrator.core.alarms import Alarm
from orchestrator.core.resources import Pairs
from orchestrator.core.scaling import Dimension, Scaling, Schedule, StepAdjustment, StepPolicy, TargetTracking

NAMESPACE = "sagemaker"
RESOURCE = ("ServiceNamespace", "ResourceId", "ScalableDimension")
"""The members that say which variant's what is meant."""

# CloudWatch metrics of SageMaker: developer guide, monitoring-cloudwatch and async-inference-monitor.
_INSTANCE_METRICS = "/aws/sagemaker/Endpoints"
_OF_INSTANCES = frozenset(
    {"CPUUtilization", "DiskUtilization", "GPUMemoryUtilization", "GPUUtilization", "MemoryUtilization"}
)
_OF_ENDPOINTS = frozenset(
    {
        "ApproximateAgeOfOldestRequest",
        "ApproximateBacklogSize",
        "ApproximateBacklogSizePerInstance",
        "HasBacklogWithoutCapacity",
    }
)
_PREDEFINED = "SageMaker"
_CHANGE = "ChangeInCapacity"

_Named = TypeVar("_Named", TargetTracking, StepPolicy, Schedule)
Content = dict[str, object]
Answer = Mapping[str, Any]


def resource_id(endpoint: str, variant: str) -> str:
    """Return what Application Auto Scaling calls a variant."""
    return f"endpoint/{endpoint}/variant/{variant}"


def variant_of(answer: Answer) -> str:
    """Return the variant of a target, a policy or a scheduled action."""
    return str(answer["ResourceId"]).rpartition("/")[2]


def resource(endpoint: str, variant: str, dimension: Dimension) -> Content:
    """Return the members that say what is scaled."""
    return dict(zip(RESOURCE, (NAMESPACE, resource_id(endpoint, variant), str(dimension)), strict=True))


def target(endpoint: str, scaling: Scaling) -> Content:
    """Return the request of RegisterScalableTarget; nothing but what ``scaling`` says stays suspended."""
    return {
        **resource(endpoint, scaling.variant, scaling.dimension),
        "MinCapacity": scaling.minimum,
        "MaxCapacity": scaling.maximum,
        "SuspendedState": {
            "DynamicScalingInSuspended": scaling.scale_in_suspended,
            "DynamicScalingOutSuspended": False,
            "ScheduledScalingSuspended": False,
        },
    }


def tracking(endpoint: str, scaling: Scaling, policy: TargetTracking) -> Content:
    """Return the request of PutScalingPolicy for a target tracking policy."""
    return {
        **resource(endpoint, scaling.variant, scaling.dimension),
        "PolicyName": policy.name,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {
            "TargetValue": policy.target,
            **_metric(endpoint, scaling.variant, policy.metric),
            "DisableScaleIn": not policy.scale_in,
            **present(
                {
                    "ScaleInCooldown": policy.scale_in_cooldown_seconds,
                    "ScaleOutCooldown": policy.scale_out_cooldown_seconds,
                }
            ),
        },
    }


def step(endpoint: str, scaling: Scaling, policy: StepPolicy) -> Content:
    """Return the request of PutScalingPolicy for a step policy."""
    adjustments = [
        {
            **present({"MetricIntervalLowerBound": one.lower, "MetricIntervalUpperBound": one.upper}),
            "ScalingAdjustment": one.change,
        }
        for one in policy.adjustments
    ]
    return {
        **resource(endpoint, scaling.variant, scaling.dimension),
        "PolicyName": policy.name,
        "PolicyType": "StepScaling",
        "StepScalingPolicyConfiguration": {
            "AdjustmentType": _CHANGE,
            "StepAdjustments": adjustments,
            **present({"Cooldown": policy.cooldown_seconds}),
        },
    }


def schedule(endpoint: str, scaling: Scaling, action: Schedule) -> Content:
    """Return the request of PutScheduledAction."""
    return {
        **resource(endpoint, scaling.variant, scaling.dimension),
        "ScheduledActionName": action.name,
        "Schedule": action.expression,
        "ScalableTargetAction": present({"MinCapacity": action.minimum, "MaxCapacity": action.maximum}),
        **present({"Timezone": action.timezone}),
    }


def alarm_name(endpoint: str, variant: str, policy: str) -> str:
    """Return the name of the alarm that sets off a step policy of ours."""
    return f"{endpoint}-{variant}-{policy}"


def step_alarm(endpoint: str, variant: str, policy: StepPolicy) -> Alarm:
    """Return the alarm that sets off a step policy."""
    return Alarm(
        name=alarm_name(endpoint, variant, policy.name),
        metric=policy.metric,
        dimensions=_dimensions(endpoint, None if policy.per_endpoint else variant),
        statistic=policy.statistic,
        threshold=policy.threshold,
        comparison=policy.comparison,
        period_seconds=policy.period_seconds,
        evaluation_periods=policy.evaluation_periods,
        namespace=_namespace(policy.metric),
    )


def is_step(policy: Answer) -> bool:
    """Tell whether a policy is a step policy."""
    return bool(policy["PolicyType"] == "StepScaling")


def alarm_names(endpoint: str, variant: str, policy: Answer) -> list[str]:
    """Return the names of the alarms that may set off ``policy``; none if it makes its own."""
    if not is_step(policy):
        return []
    listed = [alarm["AlarmName"] for alarm in policy.get("Alarms", ())]
    return listed or [alarm_name(endpoint, variant, policy["PolicyName"])]


def scaling(
    endpoint: str,
    scaled: Answer,
    policies: Sequence[Answer],
    actions: Sequence[Answer],
    alarms: Iterable[Alarm],
) -> Scaling:
    """Return a scalable target with its policies and schedules, each kind sorted by name."""
    variant, known = variant_of(scaled), {alarm.name: alarm for alarm in alarms}
    steps = []
    for policy in filter(is_step, policies):
        setting_off = (known.get(name) for name in alarm_names(endpoint, variant, policy))
        steps.append(_step_of(policy, next(filter(None, setting_off), None)))
    return Scaling(
        variant=variant,
        minimum=int(scaled["MinCapacity"]),
        maximum=int(scaled["MaxCapacity"]),
        dimension=Dimension(scaled["ScalableDimension"]),
        tracking=_by_name(_tracking_of(endpoint, policy) for policy in policies if not is_step(policy)),
        steps=_by_name(steps),
        schedules=_by_name(map(_schedule_of, actions)),
        scale_in_suspended=bool((scaled.get("SuspendedState") or {}).get("DynamicScalingInSuspended")),
    )


def _metric(endpoint: str, variant: str, metric: str) -> Content:
    if metric.startswith(_PREDEFINED):
        return {"PredefinedMetricSpecification": {"PredefinedMetricType": metric}}
    of_endpoint = metric in _OF_ENDPOINTS
    return {
        "CustomizedMetricSpecification": {
            "MetricName": metric,
            "Namespace": _namespace(metric),
            "Dimensions": dimensions(_dimensions(endpoint, None if of_endpoint else variant)),
            "Statistic": "Average",
        }
    }


def _namespace(metric: str) -> str:
    return _INSTANCE_METRICS if metric in _OF_INSTANCES else SAGEMAKER_METRICS


def _dimensions(endpoint: str, variant: str | None) -> Pairs:
    of_variant = () if variant is None else (("VariantName", variant),)
    return (("EndpointName", endpoint), *of_variant)


def _tracking_of(endpoint: str, policy: Answer) -> TargetTracking:
    known = policy.get("TargetTrackingScalingPolicyConfiguration")
    if known is None:
        return TargetTracking(policy["PolicyName"], metric="", target=0.0)
    return TargetTracking(
        name=policy["PolicyName"],
        metric=_metric_of(endpoint, variant_of(policy), known),
        target=known["TargetValue"],
        scale_in_cooldown_seconds=known.get("ScaleInCooldown"),
        scale_out_cooldown_seconds=known.get("ScaleOutCooldown"),
        scale_in=not known.get("DisableScaleIn", False),
    )


def _metric_of(endpoint: str, variant: str, known: Answer) -> str:
    """Return the metric that a policy tracks; empty if it is not one that `tracking` would ask for."""
    specification = known.get("CustomizedMetricSpecification", {})
    predefined = known.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
    metric = str(predefined or specification.get("MetricName", ""))
    wanted = _metric(endpoint, variant, metric)
    return metric if all(known.get(name) == content for name, content in wanted.items()) else ""


def _step_of(policy: Answer, alarm: Alarm | None) -> StepPolicy:
    """Return a step policy with what sets it off.

    Adjustments that are not changes by a number are left out, and so is an alarm that is gone: such a policy
    equals none that anybody can ask for.
    """
    known, seen = policy["StepScalingPolicyConfiguration"], alarm or Alarm("")
    steps = known["StepAdjustments"] if known.get("AdjustmentType") == _CHANGE else ()
    return StepPolicy(
        name=policy["PolicyName"],
        metric=seen.metric,
        threshold=seen.threshold,
        adjustments=tuple(map(_adjustment_of, steps)),
        statistic=seen.statistic,
        comparison=seen.comparison,
        period_seconds=seen.period_seconds,
        evaluation_periods=seen.evaluation_periods,
        cooldown_seconds=known.get("Cooldown"),
        per_endpoint="VariantName" not in dict(seen.dimensions),
    )


def _adjustment_of(answer: Answer) -> StepAdjustment:
    return StepAdjustment(
        change=answer["ScalingAdjustment"],
        lower=answer.get("MetricIntervalLowerBound"),
        upper=answer.get("MetricIntervalUpperBound"),
    )


def _schedule_of(answer: Answer) -> Schedule:
    bounds = answer.get("ScalableTargetAction") or {}
    return Schedule(
        name=answer["ScheduledActionName"],
        expression=answer["Schedule"],
        minimum=bounds.get("MinCapacity"),
        maximum=bounds.get("MaxCapacity"),
        timezone=answer.get("Timezone"),
    )


def _by_name(policies: Iterable[_Named]) -> tuple[_Named, ...]:
    return tuple(sorted(policies, key=lambda policy: policy.name))
