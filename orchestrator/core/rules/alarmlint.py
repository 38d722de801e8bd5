"""Whether an alarm can do what a rollout relies on it for: fire because of the new fleet, and in time.

What is known of SageMaker's metrics is data, from its page on monitoring with CloudWatch. Of alarms on other
metrics, of composite ones and of those on metric math only the state is looked at.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.alarms import NAMESPACE, Alarm
from orchestrator.core.proposal import Finding, quoted, refuse, warn
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout

_KEY = "rollout.alarms"
_GUARDRAILS = "SageMaker Developer Guide, deployment-guardrails-configuration"
_METRICS = "SageMaker Developer Guide, monitoring-cloudwatch"
_ASYNC_METRICS = "SageMaker Developer Guide, async-inference-monitor"
_MISSING = "CloudWatch User Guide, AlarmThatSendsEmail"

_INSTANCES = "/aws/sagemaker/Endpoints"
_ZERO_OR_ONE = frozenset(
    {
        *("Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors"),
        *("ModelCacheHit", "HasBacklogWithoutCapacity"),
    }
)
_PERCENTAGES = frozenset({"MemoryUtilization", "DiskUtilization"})
_MICROSECONDS = frozenset({"ModelLatency", "OverheadLatency", "ModelSetupTime"})
_PER_ENDPOINT = frozenset(
    {
        *("ApproximateBacklogSize", "ApproximateBacklogSizePerInstance"),
        *("ApproximateAgeOfOldestRequest", "HasBacklogWithoutCapacity"),
    }
)
_NOT_ASYNC = frozenset({"Invocations", "InvocationsPerInstance", "OverheadLatency"})
_OF_LATENCY = ("Average", "Sum", "Minimum", "Maximum", "SampleCount")
_STATISTICS = {
    "Invocations": ("Sum",),
    "InvocationsPerInstance": ("Sum",),
    "Invocation4XXErrors": ("Average", "Sum"),
    "Invocation5XXErrors": ("Average", "Sum"),
    "InvocationModelErrors": ("Average", "Sum"),
    "ModelLatency": _OF_LATENCY,
    "OverheadLatency": _OF_LATENCY,
}
_ABOVE, _FROM, _BELOW, _DOWN_TO = (
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
)
_ONE_MILLISECOND = 1000
_PERCENTILE = re.compile(r"p\d+(\.\d+)?")
_WORDS = {"Average": "average", "Minimum": "minimum", "Maximum": "maximum"}


@dataclass(frozen=True, slots=True)
class Watched:
    """What the alarm is to watch.

    Attributes:
        config: The endpoint config that is to serve; empty for whichever does.
        variants: The names of its production variants.
        asynchronous: Whether it is an endpoint for asynchronous inference.
        has_traffic: Whether it was invoked lately; ``None`` if nobody looked.
    """

    endpoint: str
    config: str
    variants: tuple[str, ...]
    rollout: Rollout = AT_ONCE
    asynchronous: bool = False
    has_traffic: bool | None = None


def absent(names: Sequence[str], found: Sequence[Alarm]) -> tuple[Finding, ...]:
    """Return a finding for each of ``names`` of which no alarm was found."""
    there = {alarm.name for alarm in found}
    return tuple(
        _refuse("alarm-missing", f"there is no alarm {quoted(name)}; SageMaker would watch nothing")
        for name in dict.fromkeys(names)
        if name not in there
    )


def lint(alarm: Alarm, watched: Watched) -> tuple[Finding, ...]:
    """Return what keeps ``alarm`` from guarding a rollout; nothing if it is of use."""
    return (*_state(alarm), *_patience(alarm, watched.rollout), *_metric(alarm, watched))


def lint_made(alarm: Alarm, watched: Watched) -> tuple[Finding, ...]:
    """Return the same of an alarm that is yet to be made, so that it has no state."""
    return (*_patience(alarm, watched.rollout), *_metric(alarm, watched))


def never_fires(metric: str, statistic: str, comparison: str, threshold: float) -> str:
    """Return why a threshold on one of SageMaker's metrics is out of reach; empty if it is not, or unknown.

    >>> never_fires("Invocation5XXErrors", "Average", "GreaterThanThreshold", 1.0)
    'the average of a 0/1 metric never exceeds 1'
    >>> never_fires("Invocation5XXErrors", "Sum", "GreaterThanThreshold", 1.0)
    ''
    """
    highest = _highest(metric, statistic)
    kind = "0/1 metric" if metric in _ZERO_OR_ONE else "percentage"
    word = _WORDS.get(statistic, statistic)
    if comparison == _ABOVE and threshold >= highest:
        return f"the {word} of a {kind} never exceeds {highest:g}"
    if comparison == _FROM and threshold > highest:
        return f"the {word} of a {kind} never reaches {threshold:g}"
    if _is_known(metric) and (
        (comparison == _BELOW and threshold <= 0) or (comparison == _DOWN_TO and threshold < 0)
    ):
        return f"{metric} is never below 0"
    return ""


def _always_fires(alarm: Alarm) -> bool:
    highest = _highest(alarm.metric, alarm.statistic)
    match alarm.comparison:
        case "GreaterThanThreshold":
            return _is_known(alarm.metric) and alarm.threshold < 0
        case "GreaterThanOrEqualToThreshold":
            return _is_known(alarm.metric) and alarm.threshold <= 0
        case "LessThanThreshold":
            return alarm.threshold > highest
        case "LessThanOrEqualToThreshold":
            return alarm.threshold >= highest
    return False


def _highest(metric: str, statistic: str) -> float:
    """Return the highest value that a statistic of a metric can have."""
    if statistic in _WORDS or _PERCENTILE.fullmatch(statistic):
        return 1 if metric in _ZERO_OR_ONE else 100 if metric in _PERCENTAGES else math.inf
    return math.inf


def _is_known(metric: str) -> bool:
    return metric in _ZERO_OR_ONE | _PERCENTAGES | _MICROSECONDS or metric in _STATISTICS


def _state(alarm: Alarm) -> Iterator[Finding]:
    if alarm.state == "ALARM":
        yield _refuse(
            "alarm-in-alarm",
            f"alarm {quoted(alarm.name)} is in ALARM already: SageMaker would roll back at once",
        )


def _patience(alarm: Alarm, rollout: Rollout) -> Iterator[Finding]:
    """Yield that the alarm takes longer to fire than the rollout looks at it."""
    needed = alarm.period_seconds * (alarm.datapoints or alarm.evaluation_periods)
    between = 0 if rollout.kind is Kind.ALL_AT_ONCE else rollout.bake_seconds
    bakes = [seconds for seconds in (between, rollout.final_bake_seconds) if seconds > 0]
    if not alarm.simple or not bakes or needed <= bakes[0]:
        return
    late = "before the rollout has ended" if needed > max(bakes) else f"while it bakes for {bakes[0]} s"
    yield _warn(
        "alarm-too-slow",
        f"alarm {quoted(alarm.name)} needs {needed} s of bad values to fire, and cannot {late}",
        _GUARDRAILS,
    )


def _metric(alarm: Alarm, watched: Watched) -> Iterator[Finding]:
    if not alarm.simple or alarm.namespace not in {NAMESPACE, _INSTANCES}:
        return
    yield from _threshold(alarm)
    yield from _dimensions(alarm, dict(alarm.dimensions), watched)
    yield from _unit(alarm)
    yield from _statistic(alarm)
    if watched.asynchronous and alarm.metric in _NOT_ASYNC:
        yield _refuse(
            "alarm-not-async",
            f"alarm {quoted(alarm.name)} is on {alarm.metric}, which asynchronous endpoints do not publish",
            _ASYNC_METRICS,
        )
    if alarm.missing == "notBreaching" and watched.has_traffic is False:
        yield _warn(
            "alarm-without-traffic",
            f"alarm {quoted(alarm.name)} takes missing data for good, and the endpoint has no requests: "
            "that it stays quiet will prove nothing",
            _MISSING,
        )


def _threshold(alarm: Alarm) -> Iterator[Finding]:
    why = never_fires(alarm.metric, alarm.statistic, alarm.comparison, alarm.threshold)
    # With "breaching" the absence of data fires it all the same.
    if why and alarm.missing != "breaching":
        yield _refuse("alarm-never-fires", f"alarm {quoted(alarm.name)} can never fire: {why}", _METRICS)
    elif _always_fires(alarm):
        yield _refuse(
            "alarm-always-fires",
            f"alarm {quoted(alarm.name)} fires on every value: {alarm.metric} {alarm.comparison} "
            f"{alarm.threshold:g} is always so",
            _METRICS,
        )


def _dimensions(alarm: Alarm, seen: dict[str, str], watched: Watched) -> Iterator[Finding]:
    name = quoted(alarm.name)
    if (endpoint := seen.get("EndpointName")) != watched.endpoint:
        says = f"endpoint {quoted(endpoint)}" if endpoint else "no endpoint"
        yield _refuse("alarm-elsewhere", f"alarm {name} watches {says}, not {quoted(watched.endpoint)}")
        return
    variant, config = seen.get("VariantName"), seen.get("EndpointConfigName")
    if variant is None and alarm.metric not in _PER_ENDPOINT:
        yield _refuse(
            "alarm-without-variant",
            f"alarm {name} names no VariantName, without which SageMaker publishes no {alarm.metric}",
            _METRICS,
        )
    elif variant is not None and variant not in watched.variants:
        trap = "; the name is no wildcard" if variant == "AllTraffic" else ""
        names = ", ".join(quoted(known) for known in watched.variants)
        yield _refuse(
            "alarm-unknown-variant", f"alarm {name} watches variant {quoted(variant)}, not {names}{trap}"
        )
    if config is not None and watched.config and config != watched.config:
        yield _refuse(
            "alarm-other-config",
            f"alarm {name} watches the fleet of {quoted(config)} alone, not that of {quoted(watched.config)}",
        )
    elif config is None and watched.rollout.kind is not Kind.ALL_AT_ONCE:
        yield _warn(
            "alarm-both-fleets",
            f"alarm {name} names no EndpointConfigName: it sees both fleets together, so the old one's "
            "requests hide the new one's faults (rollout.generate_alarms makes alarms of the new one alone)",
            _METRICS,
        )


def _unit(alarm: Alarm) -> Iterator[Finding]:
    is_high = alarm.comparison in {_ABOVE, _FROM} and 0 < alarm.threshold < _ONE_MILLISECOND
    if alarm.metric in _MICROSECONDS and is_high and alarm.statistic not in {"Sum", "SampleCount"}:
        yield _warn(
            "alarm-microseconds",
            f"alarm {quoted(alarm.name)} fires from {alarm.threshold:g} microseconds of {alarm.metric}, "
            "less than a millisecond: that is the metric's unit",
            _METRICS,
        )


def _statistic(alarm: Alarm) -> Iterator[Finding]:
    listed = _STATISTICS.get(alarm.metric)
    if listed is not None and alarm.statistic not in listed:
        yield _warn(
            "alarm-statistic",
            f"alarm {quoted(alarm.name)} is on {alarm.statistic} of {alarm.metric}, "
            f"of which SageMaker's documentation lists {', '.join(listed)}",
            _METRICS,
        )


def _refuse(rule: str, says: str, source: str = _GUARDRAILS) -> Finding:
    return refuse(rule, _KEY, says, source)


def _warn(rule: str, says: str, source: str) -> Finding:
    return warn(rule, _KEY, says, source)
