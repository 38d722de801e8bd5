"""Alarms while a deployment bakes: their state in CloudWatch, and what the metrics of the traffic say.

moto keeps alarms and never evaluates them, so the local cloud does it while an alarm can roll a deployment
back, and only then: plain alarms on one metric, with any statistic and with percentiles. Of composite alarms,
metric math and anomaly detection only the state counts that somebody has set.
"""

import asyncio
import logging
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.world import Scope

Datapoint = tuple[float, float]
"""A moment, in seconds since 1970, and a value."""

Datapoints = Callable[[Scope, Mapping[str, Any], float], Sequence[Datapoint]]
"""Returns what was measured of an alarm's metric since a moment."""

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "Average": lambda values: math.fsum(values) / len(values),
    "Sum": math.fsum,
    "Minimum": min,
    "Maximum": max,
    "SampleCount": len,
}
_PERCENTILE = re.compile(r"p\d+(\.\d+)?")
_PERCENT = 100
_LOOK_SECONDS = 2.0


class Watcher:
    """Looks after the alarms of deployments.

    Args:
        clients: For the alarms.
        datapoints: For the metrics.
        clock: Seconds since 1970.
    """

    def __init__(self, clients: Clients, datapoints: Datapoints, clock: Callable[[], float]) -> None:
        self._clients = clients
        self._datapoints = datapoints
        self._clock = clock
        self._recovering: dict[tuple[Scope, str], asyncio.Task[None]] = {}

    async def check_exist(self, scope: Scope, names: Sequence[str]) -> None:
        """Check that there are such alarms.

        Raises:
            ApiError: Naming the first that is missing.
        """
        if names:
            found = {alarm["AlarmName"] for alarm in await asyncio.to_thread(self._alarms, scope, names)}
            for name in names:
                if name not in found:
                    raise invalid(f'Could not find alarm "{name}".')

    async def firing(self, scope: Scope, names: Sequence[str]) -> str | None:
        """Return the name of an alarm that is in ALARM, or goes into it now."""
        if not names:
            return None
        try:
            found, is_ours = await asyncio.to_thread(self._firing, scope, names)
        except (ClientError, BotoCoreError):
            # A deployment goes on, as it does while CloudWatch is away.
            logging.getLogger(__name__).exception("the alarms %s cannot be read", ", ".join(names))
            return None
        if found is not None and is_ours:
            self._recovering[scope, found] = asyncio.create_task(self._recover(scope, found))
        return found

    async def close(self) -> None:
        """Look after no alarm any more."""
        for task in self._recovering.values():
            task.cancel()
        await asyncio.gather(*self._recovering.values(), return_exceptions=True)

    async def _recover(self, scope: Scope, name: str) -> None:
        """Set an alarm that we have set off back to OK, once what was measured lets it."""
        while not await asyncio.to_thread(self._calmed, scope, name):  # noqa: ASYNC110 - time is what it waits for
            await asyncio.sleep(_LOOK_SECONDS)

    def _alarms(self, scope: Scope, names: Sequence[str]) -> list[dict[str, Any]]:
        answer = self._clients.client("cloudwatch", scope).describe_alarms(
            AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]

    def _firing(self, scope: Scope, names: Sequence[str]) -> tuple[str | None, bool]:
        """Return which alarm is in ALARM, and whether it has gone into it only now."""
        now = self._clock()
        for alarm in self._alarms(scope, names):
            name = str(alarm["AlarmName"])
            if alarm["StateValue"] == "ALARM":
                return name, False
            if "MetricName" in alarm and breaches(alarm, self._measured(scope, alarm, now), now):
                self._set(scope, name, "ALARM", "Threshold Crossed")
                return name, True
        return None, False

    def _calmed(self, scope: Scope, name: str) -> bool:
        now = self._clock()
        try:
            for alarm in self._alarms(scope, [name]):
                if breaches(alarm, self._measured(scope, alarm, now), now):
                    return False
                self._set(scope, name, "OK", "Threshold no longer crossed")
        except (ClientError, BotoCoreError):
            logging.getLogger(__name__).exception("the alarm %s stays in ALARM", name)
        return True

    def _set(self, scope: Scope, name: str, state: str, reason: str) -> None:
        self._clients.client("cloudwatch", scope).set_alarm_state(
            AlarmName=name,
            StateValue=state,
            StateReason=f"{reason}: evaluated by the local cloud on the metrics of the traffic.",
        )

    def _measured(self, scope: Scope, alarm: Mapping[str, Any], now: float) -> Sequence[Datapoint]:
        return self._datapoints(scope, alarm, now - alarm["Period"] * alarm["EvaluationPeriods"])


def breaches(alarm: Mapping[str, Any], measured: Sequence[Datapoint], now: float) -> bool:
    """Tell whether an alarm fires on what was ``measured``.

    The periods end now: CloudWatch's own end with the minute, which a rehearsal of seconds would never see.

    Args:
        alarm: As DescribeAlarms shows it.
        measured: What there is since the first of its periods began.
        now: In seconds since 1970.
    """
    period, count = float(alarm["Period"]), int(alarm["EvaluationPeriods"])
    crosses = _COMPARISONS.get(alarm.get("ComparisonOperator", ""))
    if crosses is None or not (alarm.get("Statistic") or _PERCENTILE.fullmatch(alarm["ExtendedStatistic"])):
        return False
    breaching = 0
    for number in range(count):
        end = now - number * period
        values = [value for moment, value in measured if end - period < moment <= end]
        if values:
            breaching += crosses(_statistic(alarm, values), float(alarm["Threshold"]))
        else:
            breaching += alarm.get("TreatMissingData") == "breaching"
    return breaching >= int(alarm.get("DatapointsToAlarm") or count)


def _statistic(alarm: Mapping[str, Any], values: Sequence[float]) -> float:
    """Return the alarm's statistic of at least one value; a percentile is the value at its rank."""
    if name := alarm.get("Statistic"):
        return float(_STATISTICS[name](values))
    share = float(alarm["ExtendedStatistic"][1:]) / _PERCENT
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
