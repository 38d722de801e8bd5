"""What SageMaker counts about invocations, sent to CloudWatch as it does.

Namespace ``AWS/SageMaker``, by endpoint and variant, and once more with the endpoint config besides, so that
an alarm can watch the new fleet alone: ``Invocations``, ``Invocation4XXErrors`` and
``Invocation5XXErrors`` (0 or 1 for each request, so that their average is the error rate) and
``ModelLatency`` in microseconds: SageMaker developer guide, monitoring-cloudwatch.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.batches import Batches
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.fleet import Place

_NAMESPACE = "AWS/SageMaker"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
# PutMetricData takes so many different values of one metric at once.
_MAX_VALUES = 150


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request that reached a variant.

    Attributes:
        config: The endpoint config that the fleet belongs to.
        status: The container's own HTTP status; 0 if there was no whole answer.
        latency_us: How long the container took, in microseconds.
        at: When it was answered, in seconds since 1970.
    """

    place: Place
    variant: str
    config: str
    status: int
    latency_us: int
    at: float


class Metrics:
    """Collects invocations and sends what they amount to, about once a second."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._batches = Batches(self._send)

    def record(self, invocation: Invocation) -> None:
        """Count one invocation, to be sent within a moment."""
        self._batches.add(invocation)

    async def close(self) -> None:
        """Send what waits, at once."""
        await self._batches.close()

    def _send(self, invocations: Sequence[Invocation]) -> None:
        groups: dict[tuple[Place, str, str], list[Invocation]] = {}
        for one in invocations:
            groups.setdefault((one.place, one.variant, one.config), []).append(one)
        for (place, _, _), group in groups.items():
            try:
                cloudwatch = self._clients.client("cloudwatch", place.scope)
                cloudwatch.put_metric_data(Namespace=_NAMESPACE, MetricData=list(measurements(group)))
            except (ClientError, BotoCoreError):
                # Requests are answered whether or not somebody counts them.
                logging.getLogger(__name__).exception("metrics of endpoint %s are lost", place.endpoint)


def measurements(group: Sequence[Invocation]) -> Iterator[dict[str, Any]]:
    """Yield what some invocations of one fleet amount to, in the form of PutMetricData."""
    refused = [_CLIENT_ERROR <= one.status < _SERVER_ERROR for one in group]
    broken = [one.status == 0 or one.status >= _SERVER_ERROR for one in group]
    yield from _measurements(group, "Invocations", "None", [1] * len(group))
    yield from _measurements(group, "Invocation4XXErrors", "None", refused)
    yield from _measurements(group, "Invocation5XXErrors", "None", broken)
    yield from _measurements(group, "ModelLatency", "Microseconds", [one.latency_us for one in group])


def _measurements(
    group: Sequence[Invocation], name: str, unit: str, values: Sequence[float]
) -> Iterator[dict[str, Any]]:
    counted = sorted(Counter(map(float, values)).items())
    narrow = [("EndpointName", group[0].place.endpoint), ("VariantName", group[0].variant)]
    for dimensions in (narrow, [*narrow, ("EndpointConfigName", group[0].config)]):
        for start in range(0, len(counted), _MAX_VALUES):
            part = counted[start : start + _MAX_VALUES]
            yield {
                "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions],
                "Timestamp": group[-1].at,
                "Unit": unit,
                "Values": [value for value, _ in part],
                "Counts": [float(count) for _, count in part],
            }
