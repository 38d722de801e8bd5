"""Tells of the changes of alarms: to EventBridge always, and by the actions of the alarm.

A composite alarm may have a suppressor: while that is in ALARM, and some time before and after, its actions
wait: CloudWatch API reference, PutCompositeAlarm.
"""

from collections.abc import Callable
from typing import Any

from orchestrator.localcloud.cloudwatch import messages, rules
from orchestrator.localcloud.cloudwatch.evaluation import ALARM
from orchestrator.localcloud.cloudwatch.evaluator import TRACKING, Evaluator, period_of
from orchestrator.localcloud.cloudwatch.events import Event, Outbox
from orchestrator.localcloud.cloudwatch.shelf import Alarm, Shelf, Transition
from orchestrator.localcloud.cloudwatch.targets import publish
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Scope

Scaled = Callable[[Scope, str, float | None, float], None]
"""Carries out a scaling policy: scope, its ARN, the newest datapoint of the alarm and its threshold."""

_BY_ALARM, _WAITING, _EXTENDED = "Alarm", "WaitPeriod", "ExtensionPeriod"
_EVENT = "CloudWatch Alarm State Change"


class Telling:
    """Carries out what follows from changes of alarms.

    Args:
        outbox: What sends messages and events.
        scaled: Carries out scaling policies.
        evaluator: Knows the newest datapoints.
        pace: What suppressors and repeated actions wait by.
    """

    def __init__(self, outbox: Outbox, scaled: Scaled, evaluator: Evaluator, pace: Pace) -> None:
        self._outbox = outbox
        self._scaled = scaled
        self._evaluator = evaluator
        self._pace = pace

    def tell(self, shelf: Shelf) -> None:
        """Tell of all that has happened to a shelf's alarms, and go on with what lasts."""
        for alarm in tuple(shelf.alarms.values()):
            while alarm.untold:
                change = alarm.untold.pop(0)
                detail = messages.event(alarm, change)
                event = Event("aws.cloudwatch", _EVENT, alarm.alarm_arn, change.after.since, detail)
                self._outbox.send(shelf.scope, event)
                alarm.held_back, alarm.suppressed_by = None, ""
                self._begin(shelf, alarm, change)
            self._go_on(shelf, alarm)

    def _begin(self, shelf: Shelf, alarm: Alarm, change: Transition) -> None:
        suppressor = alarm.content.get("ActionsSuppressor")
        if not suppressor or not messages.actions_of(alarm, change.after.value):
            self._act(shelf, alarm, change)
            return
        is_suppressed = shelf.state_of(rules.name_of(suppressor)) == ALARM
        alarm.held_back = (change, self._pace.clock())
        alarm.suppressed_by = _BY_ALARM if is_suppressed else _WAITING

    def _go_on(self, shelf: Shelf, alarm: Alarm) -> None:
        if alarm.held_back is not None:
            self._hold(shelf, alarm, *alarm.held_back)
        elif alarm.state.value == ALARM and not alarm.name.startswith(TRACKING):
            # Scaling goes on in every period that the alarm remains there: user guide, AlarmThatSendsEmail.
            now = self._pace.clock()
            if now - alarm.acted_at >= self._pace.shortened(period_of(alarm.content)):
                self._scale(shelf, alarm)

    def _hold(self, shelf: Shelf, alarm: Alarm, change: Transition, since: float) -> None:
        """Keep actions waiting, or carry them out once nothing suppresses them any more."""
        now, content = self._pace.clock(), alarm.content
        if shelf.state_of(rules.name_of(content.get("ActionsSuppressor", ""))) == ALARM:
            alarm.held_back, alarm.suppressed_by = (change, now), _BY_ALARM
            return
        if alarm.suppressed_by == _BY_ALARM:
            alarm.held_back, alarm.suppressed_by = (change, now), _EXTENDED
            since = now
        waits = float(content.get(f"ActionsSuppressor{alarm.suppressed_by}") or 0)
        if now - since >= self._pace.shortened(waits):
            alarm.held_back, alarm.suppressed_by = None, ""
            self._act(shelf, alarm, change)

    def _act(self, shelf: Shelf, alarm: Alarm, change: Transition) -> None:
        if not alarm.acts:
            return
        for action in messages.actions_of(alarm, change.after.value):
            if ":sns:" in action:
                self._notify(shelf, alarm, change, action)
            elif not _scales(action):
                _note(shelf, alarm, change.after.since, action, "the local cloud has no such action")
        self._scale(shelf, alarm)

    def _notify(self, shelf: Shelf, alarm: Alarm, change: Transition, topic: str) -> None:
        subject = messages.subject(shelf, alarm, change.after.value)
        message = messages.notification(shelf, alarm, change)

        def deliver() -> None:
            failure = publish(shelf.scope, topic, subject, message)
            _note(shelf, alarm, self._pace.clock(), topic, failure)

        self._outbox.put(deliver)

    def _scale(self, shelf: Shelf, alarm: Alarm) -> None:
        """Carry out the scaling policies of the state that an alarm is in."""
        policies = [action for action in messages.actions_of(alarm, alarm.state.value) if _scales(action)]
        alarm.acted_at = self._pace.clock()
        if not policies or not alarm.acts or alarm.is_composite:
            return
        newest = self._evaluator.newest(shelf, alarm)
        for policy in policies:
            self._scaled(shelf.scope, policy, newest, float(alarm.content["Threshold"]))
            _note(shelf, alarm, alarm.acted_at, policy, None)


def _scales(action: str) -> bool:
    return ":autoscaling:" in action


def _note(shelf: Shelf, alarm: Alarm, at: float, action: str, failure: str | None) -> None:
    detail: dict[str, Any] = {
        "actionState": "Failed" if failure else "Succeeded",
        "notificationResource": action,
    }
    if failure:
        detail["error"] = failure
    done = "Failed to execute" if failure else "Successfully executed"
    shelf.note(alarm, "Action", at, f"{done} action {action}", detail)
