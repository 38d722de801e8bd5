"""Application Auto Scaling at work: it looks at targets once a second and changes what is out of place.

Target tracking, scheduled actions and bounds are looked at here; step scaling is set off by alarms. All waits
of AWS are shortened as the local cloud's time is; a sum over a shortened minute counts for a whole one.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.autoscaling import scalables, schedules
from orchestrator.localcloud.autoscaling.activities import Activities
from orchestrator.localcloud.autoscaling.capacities import capacity, order
from orchestrator.localcloud.autoscaling.scalables import Action, Key, Policy, Target
from orchestrator.localcloud.autoscaling.tracking import (
    IN_PERIODS,
    Metric,
    is_high,
    is_low,
    metric_of,
    stepped,
    tracked,
)
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Content, Scope
from orchestrator.localcloud.worlds import Worlds

_LOOK_SECONDS = 1.0
# Datapoints are kept by the second, gauges are read once a second, and what is measured comes a moment late:
# a shorter period would be without a datapoint now and then, and its last second not yet full.
_LEAST_STEP_SECONDS, _LEAST_PERIOD_SECONDS = 1, 2
_LATE_SECONDS = 0.5
# "the default value is 300 for ... SageMaker endpoint variants": API reference, for both kinds of policies.
_COOLDOWN_SECONDS = 300.0

Call = Callable[[Scope, str, Content], Awaitable[object]]
"""Carries out an operation of SageMaker's."""

Measure = Callable[[Scope, Metric, float, float], float | None]
"""Returns a metric's statistic from a moment on and before another; ``None`` if nothing was measured."""


@dataclass(slots=True)
class _Course:
    """What is remembered of one target.

    Attributes:
        cooling_until: By direction, out and in.
        ran: When each scheduled action was last looked at.
    """

    cooling_until: dict[bool, float] = field(default_factory=dict)
    ran: dict[str, float] = field(default_factory=dict)


class Autoscaler:
    """Lets targets scale.

    Args:
        worlds: What there is.
        call: Changes it.
        measure: What was measured.
        pace: How fast time goes.
    """

    def __init__(self, worlds: Worlds, call: Call, measure: Measure, pace: Pace) -> None:
        self.activities = Activities()
        self._worlds = worlds
        self._call = call
        self._measure = measure
        self._pace = pace
        self._courses: dict[tuple[Scope, Key], _Course] = {}
        self._task: asyncio.Task[None] | None = None
        self._acting: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Look at everything from now on, once a second."""
        self._task = asyncio.create_task(self._pace.repeat(self.look, _LOOK_SECONDS))

    async def close(self) -> None:
        """Look at nothing any more."""
        tasks = [*self._acting, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Look once at all targets."""
        found = [(scope, target) for scope in scalables.scopes() for target in scalables.targets(scope)]
        there = {(scope, target.key) for scope, target in found}
        # What is registered again has no cooldown of the one before.
        self._courses = {key: course for key, course in self._courses.items() if key in there}
        for scope, target in found:
            try:
                await self._look_at(scope, target)
            except Exception:
                # Nor do the other targets wait for a policy or a schedule that nobody expected.
                logging.getLogger(__name__).exception("%s does not scale", target.key.resource)

    def alarmed(self, scope: Scope, policy_arn: str, value: float | None, threshold: float) -> None:
        """Begin what a step scaling policy says, since an alarm that it is an action of is in ALARM.

        Args:
            scope: Of the alarm and the policy.
            policy_arn: Of the policy; of one that is gone or another kind, nothing happens.
            value: Of the alarm's metric now; ``None`` if it is not known: then it is at the threshold.
            threshold: Of the alarm.
        """
        task = asyncio.create_task(self._act(scope, policy_arn, 0.0 if value is None else value - threshold))
        self._acting.add(task)
        task.add_done_callback(self._acting.discard)

    async def _act(self, scope: Scope, arn: str, distance: float) -> None:
        try:
            await self._step(scope, arn, distance)
        except Exception:
            logging.getLogger(__name__).exception("%s does not scale", arn)

    async def _step(self, scope: Scope, arn: str, distance: float) -> None:
        for target in scalables.targets(scope):
            for policy in target.policies:
                present = capacity(self._worlds.at(scope), target.key)
                if policy.arn != arn or policy.kind != "StepScaling" or present is None:
                    continue
                wanted = stepped(policy.configuration, present, distance)
                await self._move(scope, target, policy, present, wanted)

    async def _look_at(self, scope: Scope, target: Target) -> None:
        present = capacity(self._worlds.at(scope), target.key)
        if present is None:
            return
        self.activities.settle(scope, target.key, present, self._pace.clock())
        target = self._scheduled(scope, target)
        if not target.least <= present <= target.most:
            side, limit = ("minimum", target.least) if present < target.least else ("maximum", target.most)
            await self._scale(scope, target.key, limit, f"{side} capacity was set to {limit}")
            return
        found = [(self._tracked(scope, target, policy, present), policy) for policy in target.policies]
        known = [(wanted, policy) for wanted, policy in found if wanted is not None]
        if known:
            # "the policy that provides the largest capacity"; in, only if all agree that may scale in at all:
            # Application Auto Scaling user guide, target tracking.
            wanted, policy = max(known, key=lambda each: each[0])
            asked = [each for each in found if _scales_in(each[1])]
            if wanted > present or len(known) == len(asked):
                await self._move(scope, target, policy, present, wanted)

    def _scheduled(self, scope: Scope, target: Target) -> Target:
        """Return the target with the bounds that scheduled actions give it now."""
        now, course = self._pace.clock(), self._course(scope, target.key)
        for action in target.actions:
            last = course.ran.setdefault(action.name, action.since)
            if target.suspended.get("ScheduledScalingSuspended") or not self._is_due(action, last, now):
                continue
            course.ran[action.name] = now
            scalables.bound(scope, target.key, action.change)
        return scalables.find(scope, target.key) or target

    def _is_due(self, action: Action, last: float, now: float) -> bool:
        start, end = action.window
        if (start is not None and now < start) or (end is not None and now > end):
            return False
        return schedules.read(action.schedule, action.zone).is_due(last, now, self._pace.speed)

    def _tracked(self, scope: Scope, target: Target, policy: Policy, present: int) -> int | None:
        """Return how many a target tracking policy wants; ``None`` for as many as there are."""
        metric = metric_of(policy.configuration, target.key.resource)
        if policy.kind != "TargetTrackingScaling" or metric is None:
            return None
        values = [self._value(scope, metric, number) for number in range(IN_PERIODS)]
        goal = float(policy.configuration["TargetValue"])
        scales_in = not policy.configuration.get("DisableScaleIn")
        wanted = tracked(values, goal, present, scales_in=scales_in)
        for alarm in policy.alarms:
            fires = is_low(values, goal) if "AlarmLow" in alarm else is_high(values, goal)
            unknown = "INSUFFICIENT_DATA" if values[0] is None else "OK"
            scalables.show(scope, alarm, "ALARM" if fires else unknown, self._pace.clock())
        return wanted

    def _value(self, scope: Scope, metric: Metric, number: int) -> float | None:
        """Return the metric ``number`` periods ago, as if the period had its whole length."""
        step = max(round(self._pace.shortened(metric.period_seconds)), _LEAST_STEP_SECONDS)
        seconds = max(step, _LEAST_PERIOD_SECONDS)
        end = math.floor(self._pace.clock() - _LATE_SECONDS) - number * step
        value = self._measure(scope, metric, end - seconds, end)
        if value is not None and metric.statistic in {"Sum", "SampleCount"}:
            return value * metric.period_seconds / seconds
        return value

    async def _move(self, scope: Scope, target: Target, policy: Policy, present: int, wanted: int) -> None:
        """Scale to what a policy wants, within the bounds and unless it has just been done."""
        count = min(max(wanted, target.least), target.most)
        out, now, course = count > present, self._pace.clock(), self._course(scope, target.key)
        suspended = "DynamicScalingOutSuspended" if out else "DynamicScalingInSuspended"
        if count == present or target.suspended.get(suspended) or now < course.cooling_until.get(out, 0.0):
            return
        course.cooling_until[out] = now + self._pace.shortened(_cooldown(policy, out=out))
        # "the scale-in cooldown": none within the one after a scale-out either.
        course.cooling_until[False] = max(course.cooling_until.get(False, 0.0), course.cooling_until[out])
        alarm = next((name for name in policy.alarms if f"Alarm{'High' if out else 'Low'}" in name), "")
        cause = f"monitor alarm {alarm} in state ALARM triggered policy {policy.name}".replace("  ", " ")
        await self._scale(scope, target.key, count, cause)

    async def _scale(self, scope: Scope, key: Key, count: int, cause: str) -> None:
        activity = self.activities.begin(scope, key, count, cause, self._pace.clock())
        try:
            await self._call(scope, *order(key, count))
        except ApiError as error:
            self.activities.fail(activity, str(error), self._pace.clock())

    def _course(self, scope: Scope, key: Key) -> _Course:
        return self._courses.setdefault((scope, key), _Course())


def _cooldown(policy: Policy, *, out: bool) -> float:
    member = "Cooldown" if policy.kind == "StepScaling" else "ScaleOutCooldown" if out else "ScaleInCooldown"
    return float(policy.configuration.get(member, _COOLDOWN_SECONDS))


def _scales_in(policy: Policy) -> bool:
    return policy.kind == "TargetTrackingScaling" and not policy.configuration.get("DisableScaleIn")
