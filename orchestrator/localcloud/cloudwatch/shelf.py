"""What CloudWatch keeps for one account and region: its alarms, their history and the datapoints."""

import datetime as dt
import json
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.localcloud.cloudwatch import rules
from orchestrator.localcloud.cloudwatch.evaluation import ALARM, INSUFFICIENT, OK
from orchestrator.localcloud.cloudwatch.series import Series
from orchestrator.localcloud.world import Scope

MOST_HISTORY = 10_000
METRIC, COMPOSITE = "MetricAlarm", "CompositeAlarm"
ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT: "InsufficientDataActions"}
"""By the state that an alarm comes into: the member that lists what it does then."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of an alarm.

    Attributes:
        value: ``OK``, ``ALARM`` or ``INSUFFICIENT_DATA``.
        detail: ``StateReasonData``: what led to it, a JSON object.
        since: When it came to be, in seconds since 1970.
    """

    value: str
    reason: str
    detail: Mapping[str, Any]
    since: float


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of an alarm's state, of which somebody is to be told."""

    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history of an alarm.

    Attributes:
        kind: ``ConfigurationUpdate``, ``StateUpdate`` or ``Action``.
        at: In seconds since 1970.
        detail: ``HistoryData``, a JSON object.
    """

    alarm: str
    type: str
    kind: str
    at: float
    summary: str
    detail: Mapping[str, Any]


@dataclass
class Alarm:
    """An alarm; moto keeps it among its own, and reads ``name`` and ``alarm_arn``.

    Attributes:
        content: As it was put, word for word and without its tags.
        configured: When it was put, in seconds since 1970.
        set_at: When somebody set its state, if no evaluation has followed yet.
        next_look: When it is time to evaluate it again.
        untold: Changes of its state that nobody was told of.
        acted_at: When its scaling actions were last carried out.
        held_back: The actions that a suppressor keeps waiting, and since when.
    """

    name: str
    alarm_arn: str
    content: Mapping[str, Any]
    configured: float
    state: State
    set_at: float | None = None
    next_look: float = 0.0
    untold: list[Transition] = field(default_factory=list)
    acted_at: float = 0.0
    held_back: tuple[Transition, float] | None = None
    suppressed_by: str = ""

    @property
    def is_composite(self) -> bool:
        """Whether it looks at other alarms, and not at metrics."""
        return "AlarmRule" in self.content

    @property
    def type(self) -> str:
        """The ``AlarmType`` of the API."""
        return COMPOSITE if self.is_composite else METRIC

    @property
    def state_value(self) -> str:
        """Its state, by the name that moto's alarms have for it."""
        return self.state.value

    @property
    def acts(self) -> bool:
        """Whether its actions are carried out."""
        return bool(self.content.get("ActionsEnabled", True))

    def watched(self) -> Iterator[str]:
        """Yield the names of the alarms that its state follows."""
        if self.is_composite:
            yield from rules.children(rules.parse(self.content["AlarmRule"]))

    def children(self) -> Iterator[str]:
        """Yield the names of the alarms it depends on."""
        if self.is_composite:
            yield from self.watched()
            if suppressor := self.content.get("ActionsSuppressor"):
                yield rules.name_of(suppressor)


@dataclass(frozen=True, slots=True)
class Shelf:
    """What there is in one account and region.

    Attributes:
        alarms: By name.
        history: Of all alarms, also of deleted ones; oldest first.
    """

    scope: Scope
    alarms: MutableMapping[str, Alarm]
    history: deque[Entry]
    series: Series

    def arn(self, name: str) -> str:
        """Return the ARN of an alarm."""
        where = self.scope
        return f"arn:{where.partition}:cloudwatch:{where.region}:{where.account}:alarm:{name}"

    def state_of(self, name: str) -> str | None:
        """Return the state of an alarm, if there is one of that name."""
        alarm = self.alarms.get(name)
        return None if alarm is None else alarm.state.value

    def note(self, alarm: Alarm, kind: str, at: float, summary: str, detail: Mapping[str, Any]) -> None:
        """Write a line of an alarm's history."""
        self.history.append(Entry(alarm.name, alarm.type, kind, at, summary, {"version": "1.0", **detail}))

    def change(self, alarm: Alarm, after: State) -> None:
        """Let an alarm be in another state, and somebody be told of it."""
        before, alarm.state = alarm.state, after
        alarm.untold.append(Transition(before, after))
        alarm.acted_at = 0.0
        detail = {"oldState": _noted(before), "newState": _noted(after)}
        summary = f"Alarm updated from {before.value} to {after.value}"
        self.note(alarm, "StateUpdate", after.since, summary, {"type": "Update", **detail})


def unchecked(at: float) -> State:
    """Return the state of an alarm that was never evaluated."""
    return State(INSUFFICIENT, "Unchecked: Initial alarm creation", {}, at)


def described(alarm: Alarm) -> dict[str, Any]:
    """Return an alarm as DescribeAlarms shows it."""
    state = alarm.state
    shown = {
        "ActionsEnabled": True,
        **{kind: [] for kind in ACTIONS.values()},
        **({} if alarm.is_composite or "Metrics" in alarm.content else {"Dimensions": []}),
        **alarm.content,
        "AlarmName": alarm.name,
        "AlarmArn": alarm.alarm_arn,
        "AlarmConfigurationUpdatedTimestamp": _moment(alarm.configured),
        "StateValue": state.value,
        "StateReason": state.reason,
        "StateUpdatedTimestamp": _moment(state.since),
        "StateTransitionedTimestamp": _moment(state.since),
    }
    if state.detail:
        shown["StateReasonData"] = json.dumps(state.detail)
    if alarm.suppressed_by:
        shown["ActionsSuppressedBy"] = alarm.suppressed_by
        by = alarm.content["ActionsSuppressor"] if alarm.suppressed_by == "Alarm" else alarm.suppressed_by
        shown["ActionsSuppressedReason"] = f"Actions suppressed by {by}"
    return shown


def _moment(at: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(at, dt.UTC)


def _noted(state: State) -> dict[str, Any]:
    noted: dict[str, Any] = {"stateValue": state.value, "stateReason": state.reason}
    return {**noted, "stateReasonData": state.detail} if state.detail else noted
