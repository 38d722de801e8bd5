"""CloudWatch alarms that roll a deployment back: as plain values, and those that the tool makes itself.

An alarm of ours watches the fleet of one endpoint config alone, so it is made for every new config, before
the endpoint moves there, and goes with it. Whether somebody else's alarm is of use is the business of
`orchestrator.core.rules.alarmlint`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.resources import EndpointConfig, Pairs, Variant
from orchestrator.core.target import AlarmSpec

NAMESPACE = "AWS/SageMaker"

JUDGE_NAMESPACE, JUDGE_METRIC = "Orchestrator", "Judgement"
"""What the judge's alarm is on. Nobody ever writes to it: the alarm's state is set by the judge alone."""

_ERRORS, _LATENCY, _JUDGE = "5xx", "latency", "judge"
_GENERATED = re.compile(rf"(.+-[0-9a-f]{{12}})-(?:{_ERRORS}|{_LATENCY}|{_JUDGE})(?:-.+)?")
_MICROSECONDS = 1000


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm on one metric.

    Attributes:
        dimensions: Sorted by name, such as ``EndpointName`` and ``VariantName``.
        statistic: ``Average``, ``Sum``, ``Minimum``, ``Maximum``, ``SampleCount``, or as ``p95``.
        comparison: In CloudWatch's words, such as ``GreaterThanThreshold``.
        threshold: In the metric's unit: latencies are in microseconds.
        missing: What missing data count as, in CloudWatch's words.
        state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        simple: Whether it is on one metric at all. Of a composite alarm, or one on metric math, the rest is
            not known.
    """

    name: str
    metric: str = ""
    dimensions: Pairs = ()
    statistic: str = "Average"
    threshold: float = 0.0
    comparison: str = "GreaterThanThreshold"
    period_seconds: int = 60
    evaluation_periods: int = 1
    datapoints: int | None = None
    missing: str = "missing"
    namespace: str = NAMESPACE
    state: str = "INSUFFICIENT_DATA"
    simple: bool = True


@dataclass(frozen=True, slots=True)
class Query:
    """The values of a metric over some time.

    Attributes:
        dimensions: Sorted by name.
        statistic: As in `Alarm`.
        since: In seconds since 1970.
        until: In seconds since 1970.
    """

    metric: str
    dimensions: Pairs
    statistic: str
    since: float
    until: float
    period_seconds: int = 60
    namespace: str = NAMESPACE


def judge_alarm_name(config: str) -> str:
    """Return the name of the alarm by which the judge rolls back the deployment of an endpoint config.

    >>> judge_alarm_name("digits-1f0c2b3a4d5e")
    'digits-1f0c2b3a4d5e-judge'
    """
    return f"{config}-{_JUDGE}"


def config_of(alarm: str) -> str | None:
    """Return the endpoint config that a generated alarm is for; ``None`` if its name is not of that form.

    >>> config_of("digits-1f0c2b3a4d5e-latency"), config_of("digits-5xx")
    ('digits-1f0c2b3a4d5e', None)
    """
    found = _GENERATED.fullmatch(alarm)
    return found.group(1) if found else None


def generate(
    config: EndpointConfig, endpoint: str, spec: AlarmSpec | None, *, judge: bool
) -> tuple[Alarm, ...]:
    """Return the alarms that watch the fleet of ``config`` while ``endpoint`` moves to it.

    They watch each production variant by itself, since CloudWatch has no metric of all together. Minutes
    without requests count as good: a new fleet has none until traffic arrives.

    Args:
        config: What the endpoint is to serve.
        endpoint: Its name.
        spec: From which values they fire; ``None`` for no alarm but the judge's.
        judge: Whether to make the judge's lever.
    """
    watching = () if spec is None else _watching(config, endpoint, spec)
    lever = (_lever(config.name),) if judge else ()
    return (*watching, *lever)


def _watching(config: EndpointConfig, endpoint: str, spec: AlarmSpec) -> Iterator[Alarm]:
    several = len(config.variants) > 1
    for variant in config.variants:
        suffix = f"-{variant.name}" if several else ""
        seen = _dimensions(config, endpoint, variant)
        pace = (spec.period_seconds, spec.evaluation_periods)
        if spec.error_percent is not None:
            # The metric is 0 or 1 for each request, so its average is the share that failed.
            share = spec.error_percent / 100
            name = f"{config.name}-{_ERRORS}{suffix}"
            yield _on_average(name, "Invocation5XXErrors", seen, share, pace)
        if spec.latency_ms is not None:
            name = f"{config.name}-{_LATENCY}{suffix}"
            yield _on_average(name, "ModelLatency", seen, spec.latency_ms * _MICROSECONDS, pace)


def _on_average(name: str, metric: str, dimensions: Pairs, threshold: float, pace: tuple[int, int]) -> Alarm:
    return Alarm(
        name=name,
        metric=metric,
        dimensions=dimensions,
        threshold=threshold,
        period_seconds=pace[0],
        evaluation_periods=pace[1],
        missing="notBreaching",
    )


def _dimensions(config: EndpointConfig, endpoint: str, variant: Variant) -> Pairs:
    return (("EndpointConfigName", config.name), ("EndpointName", endpoint), ("VariantName", variant.name))


def _lever(config: str) -> Alarm:
    # "ignore: the current alarm state is maintained" (CloudWatch User Guide, missing data). With anything
    # else CloudWatch would set the alarm back within a minute, perhaps before SageMaker has looked at it.
    return Alarm(
        name=judge_alarm_name(config),
        metric=JUDGE_METRIC,
        dimensions=(("EndpointConfigName", config),),
        namespace=JUDGE_NAMESPACE,
        missing="ignore",
    )
