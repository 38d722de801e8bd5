"""Looks at the alarms of a shelf: what their periods hold, what they come to, and whose state changes.

The periods of an alarm end now, and not with the minute, so that an alarm is seen within a second of what
it watches. They are as much shorter as the local cloud's time is faster, and never under two seconds. The
moments of datapoints are real.
"""

import math
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch import messages, rules
from orchestrator.localcloud.cloudwatch.evaluation import (
    ALARM,
    EXTRA_PERIODS,
    INSUFFICIENT,
    OK,
    Point,
    Verdict,
    evaluate,
)
from orchestrator.localcloud.cloudwatch.functions import Points
from orchestrator.localcloud.cloudwatch.queries import Query, Results
from orchestrator.localcloud.cloudwatch.reading import metric_of
from orchestrator.localcloud.cloudwatch.shelf import Alarm, Shelf, State
from orchestrator.localcloud.cloudwatch.statistics import PLAIN, Sample, merged, statistic
from orchestrator.localcloud.pace import Pace

TRACKING = "TargetTracking-"
"""What the names of alarms begin with that autoscaling looks after by itself."""

_LEAST_PERIOD_SECONDS = 2
# A state that was set lasts until the next evaluation: CloudWatch has one each minute, and each ten seconds
# of alarms with shorter periods. Whoever looks once a second must be able to see it.
_EVALUATED_EVERY, _QUICKLY_EVERY = 60, 10
_LEAST_HELD_SECONDS = 3.0
_MINUTE = 60
# How often an alarm is looked at in the time that it looks back, if that is more than a minute.
_LOOKS = 60


class Evaluator:
    """Evaluates alarms.

    Args:
        pace: How much shorter periods are, and what time it is.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def look(self, shelf: Shelf, asked: Iterable[str] = ()) -> None:
        """Let every alarm of a shelf that it is time for have the state that it should have.

        Args:
            shelf: The alarms and what they watch.
            asked: The names of alarms that it is time for in any case, with what they depend on.
        """
        alarms = [alarm for alarm in tuple(shelf.alarms.values()) if not alarm.name.startswith(TRACKING)]
        needed = _with_watched(shelf, asked)
        for alarm in alarms:
            if alarm.is_composite or self._is_held(alarm):
                continue
            if alarm.name in needed or self._is_due(alarm):
                self._look_at_metrics(shelf, alarm)
        self._look_at_rules(shelf, [alarm for alarm in alarms if alarm.is_composite])

    def newest(self, shelf: Shelf, alarm: Alarm) -> float | None:
        """Return the newest datapoint of an alarm on metrics, if there is any."""
        return next((point.value for point in self._points(shelf, alarm) if point.value is not None), None)

    def _is_held(self, alarm: Alarm) -> bool:
        """Tell whether somebody has set the state of an alarm, and it was not time to evaluate it since."""
        if alarm.set_at is None:
            return False
        every = _EVALUATED_EVERY if period_of(alarm.content) >= _MINUTE else _QUICKLY_EVERY
        if self._pace.clock() < alarm.set_at + max(self._pace.shortened(every), _LEAST_HELD_SECONDS):
            return True
        alarm.set_at = None
        return False

    def _is_due(self, alarm: Alarm) -> bool:
        """Tell whether it is time for an alarm: the further it looks back, the dearer and the less urgent."""
        seconds = self._span(alarm.content) * int(alarm.content["EvaluationPeriods"])
        every = min(seconds / _LOOKS, float(_MINUTE)) if seconds > _MINUTE else 0.0
        now = self._pace.clock()
        if now < alarm.next_look <= now + every:
            return False
        alarm.next_look = now + every
        return True

    def _look_at_metrics(self, shelf: Shelf, alarm: Alarm) -> None:
        try:
            points = self._points(shelf, alarm)
        except ApiError as error:
            # Expressions that only their values show to be wrong, such as arrays of different length.
            verdict: Verdict | None = Verdict(INSUFFICIENT, error.message)
        except Exception as error:  # noqa: BLE001 - one alarm that breaks must not stop all others
            verdict = Verdict(INSUFFICIENT, f"The local cloud cannot evaluate it: {error!r}")
        else:
            verdict = evaluate(alarm.content, points, alarm.state.value)
        if verdict is not None and verdict.state != alarm.state.value:
            now = self._pace.clock()
            shelf.change(alarm, State(verdict.state, verdict.reason, _detail(alarm, verdict, now), now))

    def _points(self, shelf: Shelf, alarm: Alarm) -> Sequence[Point]:
        """Return the datapoints of an alarm's last periods, newest first."""
        content = alarm.content
        span, end = self._span(content), math.floor(self._pace.clock()) + 1
        count = int(content["EvaluationPeriods"]) + EXTRA_PERIODS
        begins = [float(end - (number + 1) * span) for number in range(count)]
        if not content.get("Metrics"):
            name = content.get("Statistic") or content["ExtendedStatistic"]
            samples = _samples(shelf, content, name, (begins[-1 - EXTRA_PERIODS], end, span))
            if len(samples) < int(content["EvaluationPeriods"]):
                samples = _samples(shelf, content, name, (begins[-1], end, span))
            return [_point(at, name, samples.get(number)) for number, at in enumerate(begins)]
        period = period_of(content)
        # Metric math counts in the seconds of AWS: RATE and PERIOD would be wrong in shorter ones.
        moments = [float(end - (number + 1) * period) for number in range(count)]

        def measured(query: Query) -> Points:
            stat = query["MetricStat"]
            members = {**stat["Metric"], "Unit": stat.get("Unit")}
            samples = _samples(shelf, members, stat["Stat"], (begins[-1], end, span))
            values = {moments[number]: statistic(stat["Stat"], one) for number, one in samples.items()}
            return Points({at: value for at, value in values.items() if value is not None}, float(period))

        (query,) = (one for one in content["Metrics"] if one.get("ReturnData", True))
        series = [points for _, points in Results(content["Metrics"], measured, moments[::-1]).series(query)]
        values: Mapping[float, float] = series[0].values if len(series) == 1 else {}
        return [Point(at, values.get(moment)) for at, moment in zip(begins, moments, strict=True)]

    def _span(self, content: Mapping[str, Any]) -> int:
        return max(round(self._pace.shortened(period_of(content))), _LEAST_PERIOD_SECONDS)

    def _look_at_rules(self, shelf: Shelf, alarms: Sequence[Alarm]) -> None:
        """Evaluate composite alarms, the inner ones first; what is part of a cycle is left alone."""
        for alarm in _inner_first(alarms):
            if self._is_held(alarm):
                continue
            holds = rules.holds(rules.parse(alarm.content["AlarmRule"]), shelf.state_of)
            state = ALARM if holds else OK
            if state != alarm.state.value:
                now = self._pace.clock()
                reason = _why(shelf, alarm, state, now)
                shelf.change(alarm, State(state, reason, messages.triggering(shelf, alarm), now))


def period_of(content: Mapping[str, Any]) -> int:
    """Return the period of an alarm in seconds of AWS; a composite alarm has that of a minute."""
    if content.get("Metrics"):
        return next(int(one["MetricStat"]["Period"]) for one in content["Metrics"] if "MetricStat" in one)
    return int(content.get("Period") or _MINUTE)


def _samples(
    shelf: Shelf, content: Mapping[str, Any], name: str, window: tuple[float, int, int]
) -> Mapping[int, Sample]:
    """Return what was measured in each period, by how many periods ago it was.

    Args:
        shelf: Where the datapoints are.
        content: Names the metric, and its unit if only that one counts.
        name: The statistic that is wanted.
        window: The first second, the one after the last, and how many a period has.
    """
    start, end, span = window
    what, unit, extended = metric_of(content), content.get("Unit"), name not in PLAIN
    gathered: dict[int, list[Sample]] = {}
    for moment, sample in shelf.series.between(what, start, end, unit, with_values=extended):
        gathered.setdefault((end - 1 - moment) // span, []).append(sample)
    whole = {number: merged(parts, with_values=extended) for number, parts in gathered.items()}
    return {number: sample for number, sample in whole.items() if sample is not None}


def _point(at: float, name: str, sample: Sample | None) -> Point:
    return Point(at, None if sample is None else statistic(name, sample), sample)


def _with_watched(shelf: Shelf, names: Iterable[str]) -> Collection[str]:
    """Return names of alarms, with those of all alarms that these follow."""
    found, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name not in found and (alarm := shelf.alarms.get(name)) is not None:
            found.add(name)
            left.extend(alarm.watched())
    return found


def _inner_first(alarms: Sequence[Alarm]) -> Iterator[Alarm]:
    left = {alarm.name: alarm for alarm in alarms}
    while ready := [alarm for alarm in left.values() if not any(child in left for child in alarm.watched())]:
        for alarm in ready:
            del left[alarm.name]
            yield alarm


def _why(shelf: Shelf, alarm: Alarm, state: str, now: float) -> str:
    """Return the reason for a composite alarm's state: the one of its children that changed last."""
    children = [shelf.alarms[name] for name in alarm.watched() if name in shelf.alarms]
    if not children:
        return f"Alarm rule evaluated to {state}"
    last = max(children, key=lambda child: child.state.since)
    moment = time.strftime("%A %d %B, %Y %H:%M:%S UTC", time.gmtime(now))
    return f"{last.alarm_arn} transitioned to {last.state.value} at {moment}"


def _detail(alarm: Alarm, verdict: Verdict, now: float) -> dict[str, Any]:
    """Return the ``StateReasonData`` of an alarm on metrics."""
    content = alarm.content
    points = [point for point in verdict.points if point.value is not None]
    said: dict[str, Any] = {"version": "1.0", "queryDate": messages.stamp(now)}
    if points:
        said["startDate"] = messages.stamp(points[-1].at)
    if not content.get("Metrics"):
        kind = "statistic" if content.get("Statistic") else "extendedStatistic"
        said[kind] = content.get("Statistic") or content["ExtendedStatistic"]
    said |= {
        "period": period_of(content),
        "recentDatapoints": [point.value for point in reversed(points)],
        "threshold": float(content["Threshold"]),
        "evaluatedDatapoints": [_evaluated(point) for point in points],
    }
    return said


def _evaluated(point: Point) -> dict[str, Any]:
    said: dict[str, Any] = {"timestamp": messages.stamp(point.at), "value": point.value}
    return {**said, "sampleCount": point.sample.count} if point.sample else said
