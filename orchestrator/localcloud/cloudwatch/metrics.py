"""What SageMaker counts about invocations, handed to CloudWatch.

Namespace ``AWS/SageMaker``, by endpoint and variant, and once more with the endpoint config besides, so that
an alarm can watch the new fleet alone. Names, units and which there are of serverless and asynchronous
endpoints: SageMaker developer guide, monitoring-cloudwatch, serverless-endpoints-monitoring and
async-inference-monitor. Errors are 0 or 1 of each request, so that their average is the error rate.
"""

import asyncio
import enum
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.localcloud.cloudwatch.patches import shelf_at
from orchestrator.localcloud.cloudwatch.series import metric
from orchestrator.localcloud.cloudwatch.statistics import sample_of
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Place, Scope

NAMESPACE = "AWS/SageMaker"
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_SOON_SECONDS = 0.2
# "Metrics are available at a 1-minute frequency"; alarms with shorter periods see something as well.
_GAUGED_SECONDS = 10.0
_NONE, _COUNT, _MICROSECONDS = "None", "Count", "Microseconds"
_PER_COPY = "PerCopy"
CONCURRENT_PER_MODEL, CONCURRENT_PER_COPY = "ConcurrentRequestsPerModel", f"ConcurrentRequests{_PER_COPY}"


class Mode(enum.Enum):
    """How a variant takes requests, which decides what is counted of them."""

    REALTIME = enum.auto()
    SERVERLESS = enum.auto()
    ASYNC = enum.auto()


@dataclass(frozen=True, slots=True)
class Invocation:
    """One request that reached a variant.

    Attributes:
        config: The endpoint config that the fleet belongs to.
        status: The container's own HTTP status; 0 if there was no whole answer.
        latency_us: How long the container took, in microseconds.
        at: When it was answered, in seconds since 1970.
        overhead_us: How long it was in the local cloud besides, in microseconds.
        setup_us: How much of that it waited for a container to start.
        instances: Of the variant, or copies of the inference component.
        concurrent: How many requests the fleet had, this one among them.
        component: The inference component that it was for; empty if for none.
        model: The model of a multi-model endpoint that it was for; empty if for none.
        most: How many requests a serverless variant takes at once, and how many of them by provision.
    """

    place: Place
    variant: str
    config: str
    status: int
    latency_us: int
    at: float
    overhead_us: int = 0
    setup_us: int = 0
    instances: int = 1
    concurrent: int = 0
    mode: Mode = Mode.REALTIME
    component: str = ""
    model: str = ""
    most: tuple[int, int] = (0, 0)

    @property
    def is_refused(self) -> bool:
        """Whether it counts as a 4xx."""
        return _CLIENT_ERROR <= self.status < _SERVER_ERROR

    @property
    def is_broken(self) -> bool:
        """Whether it counts as a 5xx, as does what was not answered as a whole."""
        return self.status == 0 or self.status >= _SERVER_ERROR


@dataclass(frozen=True, slots=True)
class Gauge:
    """Something that is measured from time to time.

    Attributes:
        dimensions: By name.
    """

    scope: Scope
    namespace: str
    name: str
    dimensions: Mapping[str, str]
    value: float
    unit: str = _NONE


@dataclass(frozen=True, slots=True)
class Measurement:
    """What some invocations of one fleet amount to, of one metric.

    Attributes:
        dimensions: By name.
        values: How often each value occurred.
    """

    name: str
    unit: str
    dimensions: Mapping[str, str]
    values: Mapping[float, float]


class Metrics:
    """Collects what is measured; CloudWatch has it within a moment.

    Args:
        pace: What gauges are read by.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._gauges: list[Callable[[], Iterable[Gauge]]] = []
        self._waiting: list[Invocation] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def watch(self, gauges: Callable[[], Iterable[Gauge]]) -> None:
        """Let ``gauges`` be asked from time to time what it measures, in the event loop."""
        self._gauges.append(gauges)

    def begin(self) -> None:
        """Read the gauges from now on."""
        # Never more than once a second: what they measure is real, however fast the time goes.
        seconds = max(self._pace.shortened(_GAUGED_SECONDS), 1.0)
        self._task = asyncio.create_task(self._pace.repeat(self._read, seconds))

    def record(self, invocation: Invocation) -> None:
        """Count one invocation, from within the event loop."""
        self._waiting.append(invocation)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON_SECONDS, self._hand_on)

    async def close(self) -> None:
        """Read no gauge any more, and hand on what waits."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
            self._hand_on()

    def _hand_on(self) -> None:
        self._timer = None
        waiting, self._waiting = self._waiting, []
        groups: dict[tuple[object, ...], list[Invocation]] = {}
        for one in waiting:
            key = (one.place, one.variant, one.config, one.component, one.mode, one.most, int(one.at))
            groups.setdefault(key, []).append(one)
        for group in groups.values():
            series = shelf_at(group[0].place.scope).series
            for found in measurements(group):
                what = metric(NAMESPACE, found.name, found.dimensions)
                series.put(what, group[0].at, sample_of(found.values), found.unit)

    async def _read(self) -> None:
        for gauges in self._gauges:
            for gauge in gauges():
                put(gauge)


def put(gauge: Gauge) -> None:
    """Hand one value to CloudWatch, from any thread."""
    what = metric(gauge.namespace, gauge.name, gauge.dimensions)
    shelf_at(gauge.scope).series.put(what, time.time(), sample_of({gauge.value: 1.0}), gauge.unit)


def measurements(group: Sequence[Invocation]) -> Iterator[Measurement]:
    """Yield what some invocations of one fleet amount to."""
    first = group[0]
    narrow = {"EndpointName": first.place.endpoint, "VariantName": first.variant}
    places = [narrow, {**narrow, "EndpointConfigName": first.config}]
    if first.component:
        places.append({"InferenceComponentName": first.component})
    for name, unit, values in _values(group):
        counted = {value: float(count) for value, count in Counter(map(float, values)).items()}
        if counted:
            for dimensions in places[-1:] if name.endswith(_PER_COPY) else places:
                yield Measurement(name, unit, dimensions, counted)


def _values(group: Sequence[Invocation]) -> Iterator[tuple[str, str, Sequence[float]]]:
    """Yield name, unit and values of every metric that the invocations have."""
    mode = group[0].mode
    refused = [one.is_refused for one in group]
    broken = [one.is_broken for one in group]
    yield "Invocation4XXErrors", _NONE, refused
    yield "Invocation5XXErrors", _NONE, broken
    failed = [not_taken or failure for not_taken, failure in zip(refused, broken, strict=True)]
    yield "InvocationModelErrors", _NONE, failed
    yield "ModelLatency", _MICROSECONDS, [one.latency_us for one in group]
    if mode is Mode.ASYNC:
        return
    yield "Invocations", _NONE, [1] * len(group)
    yield "OverheadLatency", _MICROSECONDS, [one.overhead_us for one in group]
    if mode is Mode.SERVERLESS:
        yield "ModelSetupTime", _MICROSECONDS, [one.setup_us for one in group if one.setup_us]
        yield from _of_concurrency(group)
        return
    # A target can only be tracked by what falls as instances are added: both are of one of them.
    parts = [1 / max(one.instances, 1) for one in group]
    concurrent = [one.concurrent * part for one, part in zip(group, parts, strict=True) if one.concurrent]
    yield "InvocationsPerInstance", _NONE, parts
    yield CONCURRENT_PER_MODEL, _NONE, concurrent
    if group[0].component:
        yield f"Invocations{_PER_COPY}", _NONE, parts
        yield CONCURRENT_PER_COPY, _NONE, concurrent


def _of_concurrency(group: Sequence[Invocation]) -> Iterator[tuple[str, str, Sequence[float]]]:
    """Yield what there is of serverless variants besides: how much of what they may do at once they do."""
    most, provisioned = group[0].most
    if most:
        utilization = [one.concurrent / most for one in group]
        yield "ServerlessConcurrentExecutionsUtilization", _NONE, utilization
    if provisioned:
        spilled = sum(one.concurrent > provisioned for one in group)
        yield "ServerlessProvisionedConcurrencyExecutions", _COUNT, [one.concurrent for one in group]
        utilization = [one.concurrent / provisioned for one in group]
        yield "ServerlessProvisionedConcurrencyUtilization", _NONE, utilization
        yield "ServerlessProvisionedConcurrencyInvocations", _COUNT, [1] * (len(group) - spilled)
        yield "ServerlessProvisionedConcurrencySpilloverInvocations", _COUNT, [1] * spilled
