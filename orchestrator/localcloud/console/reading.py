"""What the console shows of other services, read as by any client: alarms, transform jobs, log lines."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.fleets.containerlog import group_of
from orchestrator.localcloud.world import Place, Scope

_MOST_LINES = 300
_MOST_STREAMS = 12
_MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Reads:
    """What the console asks of other services; each waits for the network.

    Attributes:
        alarms: Returns the alarms of a scope with their states.
        jobs: Returns the newest transform jobs of a scope.
        lines: Returns the last lines of an endpoint's containers, oldest first.
    """

    alarms: Callable[[Scope], list[dict[str, Any]]]
    jobs: Callable[[Scope], list[dict[str, Any]]]
    lines: Callable[[Place], list[dict[str, Any]]]


def reads(clients: Clients) -> Reads:
    """Return what asks with ``clients``."""
    return Reads(partial(alarms, clients), partial(jobs, clients), partial(lines, clients))


def alarms(clients: Clients, scope: Scope) -> list[dict[str, Any]]:
    """Return the alarms of a scope with their states; this waits for the network."""
    answer = _unless_refused(
        lambda: clients.client("cloudwatch", scope).describe_alarms(
            AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=_MOST_SHOWN
        )
    )
    return [
        {
            "name": alarm["AlarmName"],
            "region": scope.region,
            "state": alarm.get("StateValue", ""),
            "reason": alarm.get("StateReason", ""),
            "watches": alarm.get("MetricName") or alarm.get("AlarmRule") or "metric math",
            "endpoint": _endpoint_of(alarm),
        }
        for alarm in [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
    ]


def jobs(clients: Clients, scope: Scope) -> list[dict[str, Any]]:
    """Return the newest transform jobs of a scope; this waits for the network."""
    answer = _unless_refused(lambda: clients.client("sagemaker", scope).list_transform_jobs())
    return [
        {
            "name": job["TransformJobName"],
            "region": scope.region,
            "status": job["TransformJobStatus"],
            "reason": job.get("FailureReason", ""),
            "created": job["CreationTime"].timestamp(),
        }
        for job in answer.get("TransformJobSummaries", ())
    ]


def lines(clients: Clients, place: Place) -> list[dict[str, Any]]:
    """Return the last lines of an endpoint's containers, oldest first; this waits for the network."""
    logs = clients.client("logs", place.scope)
    group = {"logGroupName": group_of(place.endpoint)}
    streams = _unless_refused(
        lambda: logs.describe_log_streams(
            **group, orderBy="LastEventTime", descending=True, limit=_MOST_STREAMS
        )
    )
    found: list[dict[str, Any]] = []
    for stream in streams.get("logStreams", ()):
        name = stream["logStreamName"]
        answer = _unless_refused(partial(_tail, logs, group, name))
        found += [
            {"at": event["timestamp"] / 1000, "stream": name, "message": event["message"]}
            for event in answer.get("events", ())
        ]
    return sorted(found, key=lambda line: line["at"])[-_MOST_LINES:]


def _tail(logs: Any, group: Mapping[str, str], stream: str) -> Mapping[str, Any]:  # noqa: ANN401 - boto3 has no types
    answer: Mapping[str, Any] = logs.get_log_events(
        **group, logStreamName=stream, startFromHead=False, limit=_MOST_LINES
    )
    return answer


def _endpoint_of(alarm: Mapping[str, Any]) -> str:
    """Return the endpoint that an alarm's metrics are about; empty if it is about none."""
    metrics: Sequence[Mapping[str, Any]] = [
        alarm,
        *(each.get("MetricStat", {}).get("Metric", {}) for each in alarm.get("Metrics", ())),
    ]
    dimensions = [each for metric in metrics for each in metric.get("Dimensions", ())]
    return next((str(each["Value"]) for each in dimensions if each["Name"] == "EndpointName"), "")


def _unless_refused(call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what a call answers, or nothing: the rest of the page is worth showing."""
    try:
        return call()
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            logging.getLogger(__name__).warning("the console cannot read everything: %s", error)
    except BotoCoreError as error:
        logging.getLogger(__name__).warning("the console cannot read everything: %s", error)
    return {}
