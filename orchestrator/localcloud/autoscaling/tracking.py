"""What a scaling policy makes of a metric: how many there are to be.

Pure. Rules: Application Auto Scaling user guide, target-tracking and step-scaling policies. How many periods
target tracking looks at is what the alarms show that AWS makes for a policy: three to scale out, fifteen
below nine tenths of the target to scale in. How far it then scales in is not documented: here it is in
proportion.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.localcloud.world import Content

OUT_PERIODS, IN_PERIODS = 3, 15
LOW_PART = 0.9
_MINUTE, _HIGH_RESOLUTION = 60, 10
_PERCENT = 100
_VARIANT = ("EndpointName", "VariantName")
_COMPONENT = ("InferenceComponentName",)
_NAMESPACE = "AWS/SageMaker"


@dataclass(frozen=True, slots=True)
class Metric:
    """What a policy looks at.

    Attributes:
        dimensions: By name.
        statistic: ``Average``, ``Sum``, ``Minimum``, ``Maximum`` or ``SampleCount``.
        period_seconds: What one value of it is of.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    statistic: str
    period_seconds: int = _MINUTE


# By predefined metric: name, dimensions, statistic and period. SageMaker developer guide,
# endpoint-auto-scaling and monitoring-cloudwatch.
_PREDEFINED = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", _VARIANT, "Sum", _MINUTE),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        "ServerlessProvisionedConcurrencyUtilization",
        _VARIANT,
        "Maximum",
        _MINUTE,
    ),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "ConcurrentRequestsPerModel",
        _VARIANT,
        "Average",
        _HIGH_RESOLUTION,
    ),
    "SageMakerInferenceComponentInvocationsPerCopy": ("InvocationsPerCopy", _COMPONENT, "Sum", _MINUTE),
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": (
        "ConcurrentRequestsPerCopy",
        _COMPONENT,
        "Average",
        _HIGH_RESOLUTION,
    ),
}


def metric_of(configuration: Content, resource: str) -> Metric | None:
    """Return what a target tracking policy looks at; ``None`` where it is nothing that we know.

    Args:
        configuration: Its ``TargetTrackingScalingPolicyConfiguration``.
        resource: A resource id, such as ``endpoint/digits/variant/primary``.
    """
    if custom := configuration.get("CustomizedMetricSpecification"):
        if "MetricName" not in custom:
            return None
        dimensions = {each["Name"]: each["Value"] for each in custom.get("Dimensions") or ()}
        return Metric(custom["Namespace"], custom["MetricName"], dimensions, custom["Statistic"])
    predefined = configuration.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType")
    if predefined not in _PREDEFINED:
        return None
    name, dimensions_of, statistic, period = _PREDEFINED[predefined]
    values = resource.split("/")[1::2]
    return Metric(_NAMESPACE, name, dict(zip(dimensions_of, values, strict=False)), statistic, period)


def tracked(
    values: Sequence[float | None], target: float, present: int, *, scales_in: bool = True
) -> int | None:
    """Return how many there are to be for a metric to come near its target; ``None`` for as many as are.

    A metric that was not measured moves nothing: "insufficient data" is no reason to scale in.

    Args:
        values: Of the last periods, newest first; ``None`` where nothing was measured.
        target: The value to keep.
        present: How many there are.
        scales_in: Whether there may be fewer.

    >>> tracked([90.0, 90.0, 90.0], 30.0, 2)
    6
    >>> tracked([90.0, None, 90.0], 30.0, 2) is None
    True
    """
    if is_high(values, target):
        recent = _newest(values, OUT_PERIODS)
        return max(math.ceil(max(present, 1) * sum(recent) / len(recent) / target), present + 1)
    if scales_in and is_low(values, target):
        return min(math.ceil(present * max(_newest(values, IN_PERIODS)) / target), present)
    return None


def is_high(values: Sequence[float | None], target: float) -> bool:
    """Tell whether a metric, newest first, is so high that there are to be more."""
    recent = _newest(values, OUT_PERIODS)
    return bool(recent) and min(recent) > target


def is_low(values: Sequence[float | None], target: float) -> bool:
    """Tell whether a metric, newest first, is so low that there may be fewer."""
    long = _newest(values, IN_PERIODS)
    return bool(long) and max(long) < LOW_PART * target


def _newest(values: Sequence[float | None], count: int) -> Sequence[float]:
    """Return the ``count`` newest values; none of them unless all were measured."""
    known = [value for value in values[:count] if value is not None]
    return known if len(known) == count else ()


def stepped(configuration: Content, present: int, distance: float) -> int:
    """Return how many there are to be by a step scaling policy.

    Args:
        configuration: Its ``StepScalingPolicyConfiguration``.
        present: How many there are.
        distance: By how much the metric is above the alarm's threshold; negative below.

    >>> steps = [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]
    >>> stepped({"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps}, 2, 0.0)
    3
    """
    for step in configuration.get("StepAdjustments") or ():
        if _covers(step, distance):
            return _adjusted(configuration, present, step["ScalingAdjustment"])
    return present


def _covers(step: Content, distance: float) -> bool:
    lower, upper = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
    least, most = -math.inf if lower is None else lower, math.inf if upper is None else upper
    # "lower bound inclusive, upper exclusive" above the threshold, and the other way below it.
    return least <= distance < most if distance >= 0 else least < distance <= most


def _adjusted(configuration: Content, present: int, adjustment: int) -> int:
    match configuration["AdjustmentType"]:
        case "ExactCapacity":
            return adjustment
        case "PercentChangeInCapacity":
            change = present * adjustment / _PERCENT
            # "values greater than 1 are rounded down, between 0 and 1 to 1", and alike below 0.
            whole = (
                math.trunc(change)
                if abs(change) >= 1
                else math.ceil(abs(change)) * int(math.copysign(1, change))
            )
            least = configuration.get("MinAdjustmentMagnitude", 0)
            return present + (whole if abs(whole) >= least else int(math.copysign(least, adjustment)))
        case _:
            return present + adjustment
