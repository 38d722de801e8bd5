"""CloudWatch's alarms and metrics.

Knows the shapes of its requests and answers; hands out `orchestrator.core.alarms` values.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import translated
from orchestrator.core.alarms import Alarm, Query
from orchestrator.core.resources import Pairs

# CloudWatch API reference: DescribeAlarms and DeleteAlarms take 100 names.
_NAMES_IN_A_CALL = 100
_KINDS = ["MetricAlarm", "CompositeAlarm"]
# PutMetricAlarm: what is none of these is an extended statistic, such as p95.
_STATISTICS = {"Average", "Maximum", "Minimum", "SampleCount", "Sum"}
# SetAlarmState, StateReason.
_REASON_LENGTH = 1023


class CloudWatch:
    """The `Alarms` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._api = clients("cloudwatch")

    def find(self, names: Sequence[str]) -> tuple[Alarm, ...]:
        """Return those of the alarms that exist, in the order of ``names``."""
        return self._find(names, lambda _: True)

    def find_acting(self, names: Sequence[str]) -> tuple[Alarm, ...]:
        """Return those of the alarms that exist and set something off, in the order of ``names``."""
        return self._find(names, _acts)

    def _find(self, names: Sequence[str], wanted: Callable[[Mapping[str, Any]], bool]) -> tuple[Alarm, ...]:
        with translated("looking for alarms"):
            found: dict[str, Alarm] = {}
            for some in _in_calls(names):
                for page in self._pages(AlarmNames=some):
                    found |= {one["AlarmName"]: alarm_of(one) for one in _listed(page) if wanted(one)}
        return tuple(found[name] for name in dict.fromkeys(names) if name in found)

    def begin_with(self, prefix: str) -> frozenset[str]:
        """Return the names of all alarms that begin with ``prefix``."""
        with translated(f"looking for the alarms '{prefix}...'"):
            pages = self._pages(AlarmNamePrefix=prefix)
            return frozenset(one["AlarmName"] for page in pages for one in _listed(page))

    def put(self, alarm: Alarm, *, actions: Sequence[str] = ()) -> None:
        """Make an alarm, or make it what ``alarm`` says; ``actions`` are the ARNs of what it sets off."""
        with translated(f"making alarm '{alarm.name}'"):
            self._api.put_metric_alarm(**request(alarm, actions))

    def delete(self, names: Sequence[str]) -> None:
        """Delete alarms; succeed if they are gone."""
        with translated("deleting alarms"):
            # One unknown name, and CloudWatch deletes none of a call's.
            for some in _in_calls([alarm.name for alarm in self.find(names)]):
                self._api.delete_alarms(AlarmNames=some)

    def trip(self, name: str, reason: str) -> None:
        """Set an alarm's state to ALARM, until CloudWatch evaluates it again."""
        with translated(f"tripping alarm '{name}'"):
            self._api.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason=reason[:_REASON_LENGTH])

    def values(self, query: Query) -> tuple[float, ...]:
        """Return a metric's values, oldest first; empty if there are none."""
        metric = {
            "Namespace": query.namespace,
            "MetricName": query.metric,
            "Dimensions": dimensions(query.dimensions),
        }
        with translated(f"reading metric '{query.metric}'"):
            pages = self._api.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[
                    {
                        "Id": "wanted",
                        "MetricStat": {
                            "Metric": metric,
                            "Period": query.period_seconds,
                            "Stat": query.statistic,
                        },
                    }
                ],
                StartTime=datetime.fromtimestamp(query.since, UTC),
                EndTime=datetime.fromtimestamp(query.until, UTC),
                ScanBy="TimestampAscending",
            )
            results = chain.from_iterable(page["MetricDataResults"] for page in pages)
            points = [
                point for one in results for point in zip(one["Timestamps"], one["Values"], strict=True)
            ]
        return tuple(value for _, value in sorted(points, key=lambda point: point[0]))

    def _pages(self, **which: object) -> Iterator[Mapping[str, Any]]:
        # Without AlarmTypes, CloudWatch leaves composite alarms out.
        yield from self._api.get_paginator("describe_alarms").paginate(AlarmTypes=_KINDS, **which)


def request(alarm: Alarm, actions: Sequence[str] = ()) -> dict[str, object]:
    """Return the request of PutMetricAlarm."""
    kind = "Statistic" if alarm.statistic in _STATISTICS else "ExtendedStatistic"
    return {
        "AlarmName": alarm.name,
        "Namespace": alarm.namespace,
        "MetricName": alarm.metric,
        "Dimensions": dimensions(alarm.dimensions),
        kind: alarm.statistic,
        "Period": alarm.period_seconds,
        "EvaluationPeriods": alarm.evaluation_periods,
        **({} if alarm.datapoints is None else {"DatapointsToAlarm": alarm.datapoints}),
        "Threshold": alarm.threshold,
        "ComparisonOperator": alarm.comparison,
        "TreatMissingData": alarm.missing,
        **({"AlarmActions": list(actions)} if actions else {}),
    }


def dimensions(pairs: Pairs) -> list[dict[str, str]]:
    """Return a metric's dimensions as CloudWatch takes them."""
    return [{"Name": name, "Value": value} for name, value in pairs]


def alarm_of(answer: Mapping[str, Any]) -> Alarm:
    """Return an alarm as DescribeAlarms shows it."""
    if "MetricName" not in answer:
        return Alarm(answer["AlarmName"], state=answer["StateValue"], simple=False)
    return Alarm(
        name=answer["AlarmName"],
        metric=answer["MetricName"],
        dimensions=tuple(sorted((pair["Name"], pair["Value"]) for pair in answer.get("Dimensions", ()))),
        statistic=answer.get("Statistic") or answer.get("ExtendedStatistic", ""),
        threshold=answer.get("Threshold", 0.0),
        comparison=answer["ComparisonOperator"],
        period_seconds=answer["Period"],
        evaluation_periods=answer["EvaluationPeriods"],
        datapoints=answer.get("DatapointsToAlarm"),
        missing=answer.get("TreatMissingData", "missing"),
        namespace=answer["Namespace"],
        state=answer["StateValue"],
    )


def _listed(page: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return chain(page.get("MetricAlarms", ()), page.get("CompositeAlarms", ()))


def _acts(answer: Mapping[str, Any]) -> bool:
    # DisableAlarmActions leaves everything else of an alarm as it was.
    return bool(answer.get("ActionsEnabled", True) and answer.get("AlarmActions"))


def _in_calls(names: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), _NAMES_IN_A_CALL):
        yield list(names[start : start + _NAMES_IN_A_CALL])
