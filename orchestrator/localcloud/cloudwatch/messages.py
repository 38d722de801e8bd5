"""What is said of an alarm's change of state: to SNS topics and to EventBridge.

Forms: the CloudWatch user guide, cloudwatch-and-eventbridge, and the messages in public that SNS has sent.
"""

import datetime as dt
import functools
import json
from collections.abc import Mapping
from typing import Any

import botocore.session

from orchestrator.localcloud.cloudwatch.shelf import ACTIONS, Alarm, Shelf, State, Transition

_MOST_SUBJECT = 100
# The members of PutMetricAlarm that say when it fires.
_WHEN = ("EvaluationPeriods", "DatapointsToAlarm", "ComparisonOperator", "Threshold")


def actions_of(alarm: Alarm, state: str) -> tuple[str, ...]:
    """Return the ARNs of what an alarm does when it comes into a state."""
    return tuple(alarm.content.get(ACTIONS[state]) or ())


def subject(shelf: Shelf, alarm: Alarm, state: str) -> str:
    """Return the subject of the mail that a topic sends on."""
    return f'{state}: "{alarm.name}" in {_region(shelf.scope.region)}'[:_MOST_SUBJECT]


def notification(shelf: Shelf, alarm: Alarm, change: Transition) -> str:
    """Return the message to a topic, a JSON object."""
    content = alarm.content
    said: dict[str, Any] = {
        "AlarmName": alarm.name,
        "AlarmDescription": content.get("AlarmDescription"),
        "AWSAccountId": shelf.scope.account,
        "AlarmConfigurationUpdatedTimestamp": stamp(alarm.configured),
        "NewStateValue": change.after.value,
        "NewStateReason": change.after.reason,
        "StateChangeTime": stamp(change.after.since),
        "Region": _region(shelf.scope.region),
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": change.before.value,
        **{kind: list(content.get(kind) or ()) for kind in ACTIONS.values()},
    }
    if alarm.is_composite:
        children = change.after.detail.get("triggeringAlarms", [])
        said |= {"AlarmRule": content["AlarmRule"], "TriggeringChildren": [_child(each) for each in children]}
    else:
        said["Trigger"] = _trigger(content)
    return json.dumps(said)


def event(alarm: Alarm, change: Transition) -> dict[str, Any]:
    """Return the detail of the event ``CloudWatch Alarm State Change``."""
    return {
        "alarmName": alarm.name,
        "configuration": _configuration(alarm),
        "previousState": _state(change.before),
        "state": _state(change.after),
    }


def triggering(shelf: Shelf, alarm: Alarm) -> dict[str, Any]:
    """Return the detail of a composite alarm's state: the alarms that its rule looks at."""
    children = (shelf.alarms.get(name) for name in alarm.watched())
    return {
        "triggeringAlarms": [
            {
                "arn": child.alarm_arn,
                "state": {"value": child.state.value, "timestamp": stamp(child.state.since)},
            }
            for child in children
            if child is not None
        ]
    }


def stamp(at: float) -> str:
    """Return a moment as CloudWatch writes it.

    >>> stamp(0.5)
    '1970-01-01T00:00:00.500+0000'
    """
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}+0000"


def _state(state: State) -> dict[str, Any]:
    said: dict[str, Any] = {"value": state.value, "reason": state.reason, "timestamp": stamp(state.since)}
    return {**said, "reasonData": json.dumps(state.detail)} if state.detail else said


def _configuration(alarm: Alarm) -> dict[str, Any]:
    content = alarm.content
    said: dict[str, Any] = {}
    if "AlarmDescription" in content:
        said["description"] = content["AlarmDescription"]
    if alarm.is_composite:
        members = (
            "AlarmRule",
            "ActionsSuppressor",
            "ActionsSuppressorWaitPeriod",
            "ActionsSuppressorExtensionPeriod",
        )
        return {**said, **{_lower(key): content[key] for key in members if key in content}}
    return {**said, "metrics": [_metric(query) for query in _queries(content)]}


def _queries(content: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return what an alarm watches as queries; a plain alarm is one query."""
    if content.get("Metrics"):
        return list(content["Metrics"])
    stat = {
        "Metric": {key: content[key] for key in ("Namespace", "MetricName", "Dimensions") if key in content},
        "Period": content["Period"],
        "Stat": content.get("Statistic") or content["ExtendedStatistic"],
    }
    return [{"Id": "m1", "MetricStat": stat, "ReturnData": True}]


def _metric(query: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"id": query["Id"], "returnData": query.get("ReturnData", True)}
    if stat := query.get("MetricStat"):
        measured = {
            "namespace": stat["Metric"]["Namespace"],
            "name": stat["Metric"]["MetricName"],
            "dimensions": {each["Name"]: each["Value"] for each in stat["Metric"].get("Dimensions") or ()},
        }
        return {**said, "metricStat": {"metric": measured, "period": stat["Period"], "stat": stat["Stat"]}}
    return {**said, "expression": query["Expression"], "label": query.get("Label") or query["Id"]}


def _trigger(content: Mapping[str, Any]) -> dict[str, Any]:
    when = {key: content[key] for key in _WHEN if key in content}
    when["TreatMissingData"] = content.get("TreatMissingData") or "missing"
    when["EvaluateLowSampleCountPercentile"] = content.get("EvaluateLowSampleCountPercentile") or ""
    if content.get("Metrics"):
        return {**when, "Metrics": [_turned(query) for query in content["Metrics"]]}
    kind = "Statistic" if content.get("Statistic") else "ExtendedStatistic"
    statistic = content["Statistic"].upper() if kind == "Statistic" else content[kind]
    return {
        "MetricName": content["MetricName"],
        "Namespace": content["Namespace"],
        "StatisticType": kind,
        kind: statistic,
        "Unit": content.get("Unit"),
        "Dimensions": _dimensions(content),
        "Period": content["Period"],
        **when,
    }


def _turned(query: Mapping[str, Any]) -> dict[str, Any]:
    if "MetricStat" not in query:
        return dict(query)
    stat = query["MetricStat"]
    return {
        **query,
        "MetricStat": {**stat, "Metric": {**stat["Metric"], "Dimensions": _dimensions(stat["Metric"])}},
    }


def _dimensions(content: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"value": each["Value"], "name": each["Name"]} for each in content.get("Dimensions") or ()]


def _child(child: Mapping[str, Any]) -> dict[str, Any]:
    state = child["state"]
    return {"Arn": child["arn"], "State": {"Value": state["value"], "Timestamp": state["timestamp"]}}


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


@functools.cache
def _region(region: str) -> str:
    """Return the name of a region for people, such as ``Europe (Ireland)``."""
    loader = botocore.session.get_session().get_component("data_loader")
    for partition in loader.load_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region
