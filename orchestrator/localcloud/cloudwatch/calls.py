"""CloudWatch's operations on alarms, on a shelf."""

import datetime as dt
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.checks import Request, check_composite_alarm, check_metric_alarm
from orchestrator.localcloud.cloudwatch.reading import metric_of, position, seconds
from orchestrator.localcloud.cloudwatch.rules import name_of
from orchestrator.localcloud.cloudwatch.shelf import (
    ACTIONS,
    METRIC,
    Alarm,
    Entry,
    Shelf,
    State,
    described,
    unchecked,
)

_PAGE = 100
Answer = dict[str, Any]


def put_metric_alarm(shelf: Shelf, request: Request) -> Answer:
    """Make an alarm on metrics, or another one of that name; the state of that is kept.

    Raises:
        ApiError: If it is not right.
    """
    check_metric_alarm(request)
    return _put(shelf, request)


def put_composite_alarm(shelf: Shelf, request: Request) -> Answer:
    """Make a composite alarm, or another one of that name; the state of that is kept.

    Raises:
        ApiError: If it is not right.
    """
    check_composite_alarm(request, tuple(shelf.alarms))
    return _put(shelf, request)


def _put(shelf: Shelf, request: Request) -> Answer:
    name, now = request["AlarmName"], time.time()
    content = {key: value for key, value in request.items() if key not in {"AlarmName", "Tags"}}
    old = shelf.alarms.get(name)
    alarm = Alarm(name, shelf.arn(name), content, now, old.state if old else unchecked(now))
    if old is not None:
        if old.is_composite is not alarm.is_composite:
            raise ApiError("ValidationError", f"An alarm of another type exists already: {name}")
        # What it was to tell, it tells still: a state may have been set just before.
        alarm.untold, alarm.set_at, alarm.acted_at = old.untold, old.set_at, old.acted_at
    shelf.alarms[name] = alarm
    what = "updated" if old else "created"
    detail = {"type": "Update" if old else "Create", f"{what}Alarm": _noted(alarm)}
    shelf.note(alarm, "ConfigurationUpdate", now, f'Alarm "{name}" {what}', detail)
    return {}


def describe_alarms(shelf: Shelf, request: Request) -> Answer:
    """Answer DescribeAlarms.

    Raises:
        ApiError: If the request is not right.
    """
    if request.get("AlarmNames") and request.get("AlarmNamePrefix"):
        raise ApiError("ValidationError", "AlarmNames and AlarmNamePrefix are mutually exclusive")
    types = request.get("AlarmTypes") or [METRIC]
    chosen = [alarm for alarm in _chosen(shelf, request) if alarm.type in types and _matches(alarm, request)]
    page, following = _page(sorted(chosen, key=lambda alarm: alarm.name), request)
    answer: Answer = {
        "MetricAlarms": [described(alarm) for alarm in page if not alarm.is_composite],
        "CompositeAlarms": [described(alarm) for alarm in page if alarm.is_composite],
    }
    return {**answer, **following}


def describe_alarms_for_metric(shelf: Shelf, request: Request) -> Answer:
    """Answer DescribeAlarmsForMetric: alarms on exactly this metric."""
    wanted = metric_of(request)
    members = ("Statistic", "ExtendedStatistic", "Period", "Unit")
    found = [
        described(alarm)
        for alarm in sorted(shelf.alarms.values(), key=lambda alarm: alarm.name)
        if "MetricName" in alarm.content
        and metric_of(alarm.content) == wanted
        and all(alarm.content.get(key) == request[key] for key in members if request.get(key) is not None)
    ]
    return {"MetricAlarms": found}


def describe_alarm_history(shelf: Shelf, request: Request) -> Answer:
    """Answer DescribeAlarmHistory, the newest first unless asked otherwise.

    As by AWS, composite alarms are shown only to those who ask for their type.
    """
    entries = [entry for entry in tuple(shelf.history) if _is_asked(entry, request)]
    if request.get("ScanBy") != "TimestampAscending":
        entries.reverse()
    page, following = _page(entries, request)
    return {"AlarmHistoryItems": [_shown(entry) for entry in page], **following}


def delete_alarms(shelf: Shelf, request: Request) -> Answer:
    """Delete alarms; none if one of them cannot be.

    Raises:
        ApiError: If a composite alarm depends on one of them, or two of them are composite alarms.
    """
    names = request.get("AlarmNames") or []
    staying = [alarm for alarm in tuple(shelf.alarms.values()) if alarm.name not in names]
    needed = {child for alarm in staying for child in alarm.children()}
    if bound := [name for name in names if name in needed]:
        them = "it" if len(bound) == 1 else "them"
        message = f"Cannot delete {','.join(bound)} as there are composite alarm(s) depending on {them}."
        raise ApiError("ValidationError", message)
    if sum(name in shelf.alarms and shelf.alarms[name].is_composite for name in set(names)) > 1:
        raise ApiError("ValidationError", "No more than one composite alarm can be deleted in one operation.")
    for name in names:
        if alarm := shelf.alarms.pop(name, None):
            detail = {"type": "Delete", "deletedAlarm": _noted(alarm)}
            shelf.note(alarm, "ConfigurationUpdate", time.time(), f'Alarm "{name}" deleted', detail)
    return {}


def enable_alarm_actions(shelf: Shelf, request: Request) -> Answer:
    """Let the actions of alarms be carried out."""
    return _switch(shelf, request, acts=True)


def disable_alarm_actions(shelf: Shelf, request: Request) -> Answer:
    """Let the actions of alarms not be carried out."""
    return _switch(shelf, request, acts=False)


def set_alarm_state(shelf: Shelf, request: Request) -> Answer:
    """Set an alarm's state until it is evaluated again; its actions follow.

    Raises:
        ApiError: If there is no such alarm or state, or the detail is no JSON.
    """
    value, detail = request["StateValue"], request.get("StateReasonData") or "{}"
    if value not in ACTIONS:
        raise ApiError(
            "ValidationError",
            f"1 validation error detected: Value '{value}' at 'stateValue' failed to satisfy constraint: "
            "Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]",
        )
    alarm = shelf.alarms.get(request["AlarmName"])
    if alarm is None:
        raise ApiError("ResourceNotFound", "Unknown")
    try:
        parsed = json.loads(detail)
    except ValueError as error:
        raise ApiError("InvalidFormat", "Unknown") from error
    alarm.set_at = time.time()
    if value != alarm.state.value:
        shelf.change(alarm, State(value, request["StateReason"], parsed, alarm.set_at))
    return {}


def _switch(shelf: Shelf, request: Request, *, acts: bool) -> Answer:
    for name in request.get("AlarmNames") or ():
        if alarm := shelf.alarms.get(name):
            alarm.content = {**alarm.content, "ActionsEnabled": acts}
    return {}


def _chosen(shelf: Shelf, request: Request) -> Iterator[Alarm]:
    alarms = tuple(shelf.alarms.values())
    children, parents = request.get("ChildrenOfAlarmName"), request.get("ParentsOfAlarmName")
    if children:
        parent = shelf.alarms.get(name_of(children))
        below = set(parent.children()) if parent else set()
        yield from (alarm for alarm in alarms if alarm.name in below)
    elif parents:
        yield from (alarm for alarm in alarms if name_of(parents) in alarm.children())
    else:
        yield from alarms


def _matches(alarm: Alarm, request: Request) -> bool:
    names, action = request.get("AlarmNames"), request.get("ActionPrefix")
    if names and alarm.name not in names:
        return False
    if not alarm.name.startswith(request.get("AlarmNamePrefix") or ""):
        return False
    if request.get("StateValue", alarm.state.value) != alarm.state.value:
        return False
    actions = [each for kind in ACTIONS.values() for each in alarm.content.get(kind) or ()]
    return not action or any(each.startswith(action) for each in actions)


def _is_asked(entry: Entry, request: Request) -> bool:
    start, end = request.get("StartDate"), request.get("EndDate")
    return (
        entry.alarm == request.get("AlarmName", entry.alarm)
        and entry.type in (request.get("AlarmTypes") or [METRIC])
        and entry.kind == request.get("HistoryItemType", entry.kind)
        and (start is None or entry.at >= seconds(start))
        and (end is None or entry.at <= seconds(end))
    )


def _page(items: Sequence[Any], request: Request) -> tuple[Sequence[Any], Mapping[str, str]]:
    """Return one page, and how to ask for the next."""
    first = position(request)
    end = first + int(request.get("MaxRecords") or _PAGE)
    return items[first:end], {"NextToken": str(end)} if len(items) > end else {}


def _shown(entry: Entry) -> Answer:
    return {
        "AlarmName": entry.alarm,
        "AlarmType": entry.type,
        "Timestamp": dt.datetime.fromtimestamp(entry.at, dt.UTC),
        "HistoryItemType": entry.kind,
        "HistorySummary": entry.summary,
        "HistoryData": json.dumps(entry.detail),
    }


def _noted(alarm: Alarm) -> Answer:
    members = {key[:1].lower() + key[1:]: value for key, value in alarm.content.items()}
    return {**members, "alarmName": alarm.name, "alarmArn": alarm.alarm_arn}
