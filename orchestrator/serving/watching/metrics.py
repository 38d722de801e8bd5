"""Metrics in Prometheus text form, named like SageMaker's in CloudWatch.

The names are CloudWatch's, the suffixes Prometheus's: a counter ends in ``_total``, and a unit is part of the
name. SageMaker measures latencies in microseconds, and an alarm's threshold is written in them, so they are
microseconds here, too, and say so.

=============================== =======================================================================
``Invocations_total``           requests to a model, whatever the answer
``Invocation4XXErrors_total``   answers 4xx
``Invocation5XXErrors_total``   answers 5xx
``InvocationModelErrors_total`` answers that are not 2xx
``ModelLatency_microseconds``   a histogram: time in the handler functions, where they were called
``OverheadLatency_microseconds`` a histogram: the rest, in this server: reading, waiting, writing
``ConcurrentRequestsPerModel``  requests that a worker has taken, or that wait for one
``QueueDepth``                  those that wait
``Traps_total``                 answers that met a trap, by its slug
``Workers``                     places for workers, by the state of who is in them
``WorkerRestarts_total``        by the place's number
``WorkerMemory_bytes``          resident memory, pages shared between workers included, by the place's number
``WorkerCPU_seconds_total``     processor time; its rate times 100 is SageMaker's CPUUtilization
=============================== =======================================================================

SageMaker itself counts both latencies of this server as ModelLatency: its overhead is its own network.
"""

import contextlib
import os
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from orchestrator.serving.messages import Response
from orchestrator.serving.ports import Answered, Asked, OnPart, Situation
from orchestrator.serving.watching.recent import is_inference

_PATH = "/metrics"
_FIRST_OK, _FIRST_REDIRECT, _FIRST_4XX, _FIRST_5XX = 200, 300, 400, 500
_ERRORS = {"4XX": "Answers 4xx.", "5XX": "Answers 5xx.", "Model": "Answers that are not 2xx."}
_STATES = ("starting", "idle", "busy", "waiting to start")
# Steps of 1, 2, 5 from 100 microseconds to SageMaker's limit of a minute.
_BOUNDS = (*(step * 10**decade for decade in range(2, 8) for step in (1, 2, 5)), 60_000_000)
_USER_TIME, _SYSTEM_TIME = 11, 12


class Metrics(Collector):
    """Counts answers as an `Observer`, and tells the counts as a `Room`.

    Counting is adding to plain integers in the server's only thread, a microsecond or two for each answer;
    prometheus-client spells them when somebody asks.

    Args:
        look: Returns how the workers are now.
    """

    def __init__(self, look: Callable[[], Situation]) -> None:
        self._look = look
        self._invocations = 0
        self._errors = dict.fromkeys(_ERRORS, 0)
        self._traps: dict[str, int] = {}
        self._model = _Histogram()
        self._overhead = _Histogram()

    def answered(self, answer: Answered) -> None:
        """Count one answer."""
        for slug in answer.traps:
            self._traps[slug] = self._traps.get(slug, 0) + 1
        if not is_inference(answer.path):
            return
        self._invocations += 1
        if not _FIRST_OK <= answer.status < _FIRST_REDIRECT:
            self._count_error(answer.status)
        if answer.model_seconds:
            self._model.observe(answer.model_seconds * 1e6)
        self._overhead.observe((answer.seconds - answer.model_seconds) * 1e6)

    def happened(self, event: str, **facts: object) -> None:
        """Let events be: what they change is looked up when somebody asks."""

    def _count_error(self, status: int) -> None:
        self._errors["Model"] += 1
        if status >= _FIRST_5XX:
            self._errors["5XX"] += 1
        elif status >= _FIRST_4XX:
            self._errors["4XX"] += 1

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:  # noqa: ARG002 - a room's signature
        """Return the metrics to who asks with GET for ``/metrics``."""
        if asked.path != _PATH or asked.method != "GET":
            return None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return Response(200, (("content-type", CONTENT_TYPE_LATEST),), generate_latest(registry))

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as prometheus-client asks a collector for them."""
        situation = self._look()
        yield from self._of_answers()
        yield from _of_workers(situation)

    def _of_answers(self) -> Iterator[Metric]:
        yield CounterMetricFamily("Invocations", "Requests to a model.", self._invocations)
        for kind, meaning in _ERRORS.items():
            yield CounterMetricFamily(f"Invocation{kind}Errors", meaning, self._errors[kind])
        for name, meaning, histogram in (
            ("ModelLatency", "Time in the handler functions.", self._model),
            ("OverheadLatency", "Time in this server outside of the handler functions.", self._overhead),
        ):
            family = HistogramMetricFamily(name, meaning, unit="microseconds")
            family.add_metric([], histogram.buckets(), histogram.total)
            yield family
        traps = CounterMetricFamily("Traps", "Answers that met a trap of the container.", labels=["trap"])
        for slug, count in self._traps.items():
            traps.add_metric([slug], count)
        yield traps


class _Histogram:
    """Counts of values by `_BOUNDS`, in microseconds."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def observe(self, microseconds: float) -> None:
        self._counts[bisect_left(_BOUNDS, microseconds)] += 1
        self.total += microseconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound with the number of values that are not above it."""
        bounds = [*(str(bound) for bound in _BOUNDS), "+Inf"]
        return list(zip(bounds, accumulate(self._counts), strict=True))


def _of_workers(situation: Situation) -> Iterator[Metric]:
    states = Counter(worker.state for worker in situation.workers)
    yield GaugeMetricFamily(
        "ConcurrentRequestsPerModel",
        "Requests at a worker or waiting for one.",
        states["busy"] + situation.waiting,
    )
    yield GaugeMetricFamily("QueueDepth", "Requests that wait for a worker.", situation.waiting)
    places = GaugeMetricFamily("Workers", "Places for workers by state.", labels=["state"])
    for state in sorted({*_STATES, *states}):
        places.add_metric([state], states[state])
    yield places
    restarts = CounterMetricFamily("WorkerRestarts", "Workers that were replaced.", labels=["worker"])
    memory = GaugeMetricFamily("WorkerMemory", "Resident memory.", unit="bytes", labels=["worker"])
    processor = CounterMetricFamily("WorkerCPU", "Processor time.", unit="seconds", labels=["worker"])
    for worker in situation.workers:
        place = [str(worker.number)]
        restarts.add_metric(place, worker.restarts)
        memory.add_metric(place, worker.rss_bytes)
        with contextlib.suppress(OSError):
            processor.add_metric(place, _processor_seconds(worker.pid))
    yield from (restarts, memory, processor)


def _processor_seconds(pid: int | None) -> float:
    """Return the time that a process has taken from processors.

    Raises:
        OSError: If there is no such process, or no ``/proc``.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_USER_TIME]) + int(fields[_SYSTEM_TIME])) / os.sysconf("SC_CLK_TCK")
