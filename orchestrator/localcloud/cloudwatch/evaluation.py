"""Whether an alarm on a metric fires: pure, given the datapoints of its last periods.

Rules of the CloudWatch user guide, AlarmThatSendsEmail, "How alarm state is evaluated when data is missing":
an alarm looks at more periods than it evaluates, uses what it knows of them first, and fills up what is still
missing as ``TreatMissingData`` says.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.cloudwatch.statistics import Sample, is_too_few

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
EXTRA_PERIODS = 2
"""How many more periods than it evaluates an alarm looks at: those of the tables in the user guide."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_WORDS = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


@dataclass(frozen=True, slots=True)
class Point:
    """A datapoint of a period.

    Attributes:
        at: When the period began, in seconds since 1970.
        value: The statistic; ``None`` if nothing was measured.
        sample: What it is the statistic of, if it is of one metric.
    """

    at: float
    value: float | None
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluation comes to.

    Attributes:
        state: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        reason: In CloudWatch's words.
        points: What was evaluated, newest first; without the periods that were filled up.
    """

    state: str
    reason: str
    points: tuple[Point, ...] = ()


def evaluate(alarm: Mapping[str, Any], points: Sequence[Point], state: str) -> Verdict | None:
    """Return what an alarm comes to, or ``None`` if its state is to stay as it is.

    Args:
        alarm: As PutMetricAlarm has it.
        points: Of its last periods, newest first: `EXTRA_PERIODS` more than it evaluates.
        state: The one it has.

    >>> alarm = {"EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold"}
    >>> evaluate(alarm, [Point(0.0, 2.0)], "OK").state
    'ALARM'
    """
    count = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or count)
    there = [point for point in points if point.value is not None]
    if _is_ignored(alarm, there):
        return None
    used = tuple(there[:count])
    breaching = sum(_breaches(alarm, point) for point in used)
    if len(used) == count or breaching >= needed:
        return _crossed(alarm, used, is_alarm=breaching >= needed, before=state)
    return _filled_up(alarm, points, used, state)


def _filled_up(
    alarm: Mapping[str, Any], points: Sequence[Point], used: tuple[Point, ...], state: str
) -> Verdict | None:
    """Return what an alarm comes to with fewer datapoints than it evaluates."""
    count = int(alarm["EvaluationPeriods"])
    needed, missing = int(alarm.get("DatapointsToAlarm") or count), count - len(used)
    breaching = sum(_breaches(alarm, point) for point in used)
    match alarm.get("TreatMissingData") or "missing":
        case "breaching":
            return _treated(alarm, used, "Breaching", is_alarm=breaching + missing >= needed)
        case "notBreaching":
            return _treated(alarm, used, "NonBreaching", is_alarm=False)
        case treatment:
            if breaching < len(used):
                return _crossed(alarm, used, is_alarm=False, before=state)
            if treatment == "ignore":
                return None
    oldest = max((age for age, point in enumerate(points, 1) if point.value is not None), default=0)
    if used and oldest >= needed:
        # All that is known breaches, and has for as long as it takes.
        return _crossed(alarm, used, is_alarm=True, before=state)
    unknown = f"{missing} datapoint was" if missing == 1 else f"{missing} datapoints were"
    return Verdict(INSUFFICIENT, f"Insufficient Data: {unknown} unknown.", used)


def _is_ignored(alarm: Mapping[str, Any], points: Sequence[Point]) -> bool:
    """Tell whether there are too few values for a percentile of an alarm that does not want to guess."""
    if alarm.get("EvaluateLowSampleCountPercentile") != "ignore" or not points:
        return False
    sample = points[0].sample
    return sample is not None and is_too_few(str(alarm.get("ExtendedStatistic", "")), sample)


def _breaches(alarm: Mapping[str, Any], point: Point) -> bool:
    crosses = COMPARISONS[alarm["ComparisonOperator"]]
    return point.value is not None and crosses(point.value, float(alarm["Threshold"]))


def _crossed(alarm: Mapping[str, Any], used: tuple[Point, ...], *, is_alarm: bool, before: str) -> Verdict:
    """Return a verdict on datapoints that are there."""
    count = int(alarm["EvaluationPeriods"])
    needed = int(alarm.get("DatapointsToAlarm") or count)
    state = ALARM if is_alarm else OK
    telling = [point for point in used if _breaches(alarm, point) is is_alarm]
    values = ", ".join(f"{point.value} ({_short(point.at)})" for point in telling)
    were = "was" if len(telling) == 1 else "were"
    # As many as it takes to go to ALARM, or to leave it.
    least = needed if is_alarm else count - needed + 1
    plural = "datapoint" if least == 1 else "datapoints"
    other = (OK if is_alarm else ALARM) if before in {state, INSUFFICIENT} else before
    reason = (
        f"Threshold Crossed: {len(telling)} out of the last {count} datapoints [{values}] {were} "
        f"{'' if is_alarm else 'not '}{_WORDS[alarm['ComparisonOperator']]} the threshold "
        f"({float(alarm['Threshold'])}) (minimum {least} {plural} for {other} -> {state} transition)."
    )
    return Verdict(state, reason, used)


def _treated(alarm: Mapping[str, Any], used: tuple[Point, ...], treatment: str, *, is_alarm: bool) -> Verdict:
    """Return a verdict for which missing datapoints were filled up."""
    missing = int(alarm["EvaluationPeriods"]) - len(used)
    received = f"{len(used)} datapoint{'' if len(used) == 1 else 's'}" if used else "no datapoints"
    periods = f"{missing} period" if missing == 1 else f"{missing} periods"
    were = "datapoint was" if missing == 1 else "datapoints were"
    reason = (
        f"Threshold Crossed: {received} were received for {periods} and {missing} missing {were} treated as "
        f"[{treatment}]."
    )
    return Verdict(ALARM if is_alarm else OK, reason, used)


def _short(at: float) -> str:
    return dt.datetime.fromtimestamp(at, dt.UTC).strftime("%d/%m/%y %H:%M:%S")
