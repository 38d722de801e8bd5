"""What is measured of endpoints from time to time: the load of their instances, and their queues.

Names, units and dimensions: SageMaker developer guide, monitoring-cloudwatch and async-inference-monitor. An
instance is a process with all that it has started; of one that stands for several, the load is its own.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.localcloud.cloudwatch.metrics import (
    CONCURRENT_PER_COPY,
    CONCURRENT_PER_MODEL,
    NAMESPACE,
    Gauge,
)
from orchestrator.localcloud.dataplane.asynchronous import Backlog
from orchestrator.localcloud.dataplane.traffic import Traffic
from orchestrator.localcloud.fleets.fleet import Fleet, pids
from orchestrator.localcloud.rules.deployments import is_async
from orchestrator.localcloud.world import Place, Scope
from orchestrator.localcloud.worlds import Worlds

_LOAD = "/aws/sagemaker/Endpoints"
_PROC = Path("/proc")
_PERCENT = 100.0
# Fields of /proc/PID/stat behind the name, which may have blanks in it: proc(5).
_PARENT, _USER_TICKS, _SYSTEM_TICKS, _PAGES = 1, 11, 12, 21


@dataclass(frozen=True, slots=True)
class Load:
    """What a process has used.

    Attributes:
        seconds: Of processors, since it began.
        bytes: Of memory, now.
    """

    parent: int
    seconds: float
    bytes: int


class Gauges:
    """Measures all endpoints.

    Args:
        worlds: What endpoints there are.
        traffic: Returns the fleets of one.
        backlog: Returns what waits in the queue of one.
        folder: Where models are unpacked.
    """

    def __init__(
        self,
        worlds: Worlds,
        traffic: Callable[[Place], Traffic | None],
        backlog: Callable[[Place], Backlog],
        folder: Path,
    ) -> None:
        self._worlds = worlds
        self._traffic = traffic
        self._backlog = backlog
        self._folder = folder
        # Seconds of processors that an instance had used, and when it was looked at.
        self._used: dict[int, tuple[float, float]] = {}

    def __call__(self) -> Iterator[Gauge]:
        """Yield what there is to measure now."""
        # Thousands of processes may run here: who has no endpoints pays nothing for them.
        loads = all_loads() if any(world.endpoints for world in self._worlds.all()) else {}
        seen: dict[int, tuple[float, float]] = {}
        for world in self._worlds.all():
            for name in world.endpoints:
                place = Place(world.scope, name)
                traffic = self._traffic(place)
                if traffic is not None:
                    yield from self._of_fleets(place, traffic, loads, seen)
                    yield from self._of_queue(place, traffic)
        self._used = seen

    def _of_fleets(
        self,
        place: Place,
        traffic: Traffic,
        loads: Mapping[int, Load],
        seen: dict[int, tuple[float, float]],
    ) -> Iterator[Gauge]:
        for share in (*traffic.shares, *traffic.shadows):
            dimensions = {"EndpointName": place.endpoint, "VariantName": share.variant.name}
            for pid in pids(share.fleet):
                seconds, memory = used(pid, loads)
                now = time.monotonic()
                before, at = self._used.get(pid, (seconds, now))
                seen[pid] = (seconds, now)
                values = {
                    "MemoryUtilization": _PERCENT * memory / _memory_bytes(),
                    "DiskUtilization": self._disk(),
                }
                if now > at:
                    values["CPUUtilization"] = _PERCENT * max(seconds - before, 0.0) / (now - at)
                for name, value in values.items():
                    yield Gauge(place.scope, _LOAD, name, dimensions, value, "Percent")

    def _of_queue(self, place: Place, traffic: Traffic) -> Iterator[Gauge]:
        if not any(is_async(share.deployment) for share in traffic.shares):
            return
        backlog = self._backlog(place)
        instances = sum(share.fleet.count for share in traffic.shares)
        values = {
            "ApproximateBacklogSize": float(backlog.size),
            "HasBacklogWithoutCapacity": float(bool(backlog.size) and not instances),
        }
        if instances:
            values["ApproximateBacklogSizePerInstance"] = backlog.size / instances
        dimensions = {"EndpointName": place.endpoint}
        for name, value in values.items():
            yield Gauge(place.scope, NAMESPACE, name, dimensions, value, "Count")
        age = float(backlog.oldest_seconds)
        yield Gauge(place.scope, NAMESPACE, "ApproximateAgeOfOldestRequest", dimensions, age, "Seconds")

    def _disk(self) -> float:
        # Its folder is made with the first model.
        there = next(folder for folder in (self._folder, *self._folder.parents) if folder.exists())
        usage = shutil.disk_usage(there)
        return _PERCENT * usage.used / usage.total


class Concurrency:
    """Measures how many requests models are answering, also while there are none.

    Target tracking by them scales in what nobody asks any more, inference components to none at all:
    SageMaker developer guide, endpoint-auto-scaling-zero-instances.

    Args:
        worlds: What endpoints and inference components there are.
        traffic: Returns the fleets of an endpoint.
        copies: Returns the fleet of an inference component.
    """

    def __init__(
        self,
        worlds: Worlds,
        traffic: Callable[[Place], Traffic | None],
        copies: Callable[[Scope, str], Fleet | None],
    ) -> None:
        self._worlds = worlds
        self._traffic = traffic
        self._copies = copies

    def __call__(self) -> Iterator[Gauge]:
        """Yield what there is to measure now."""
        for world in self._worlds.all():
            for name in world.endpoints:
                traffic = self._traffic(Place(world.scope, name))
                for share in traffic.shares if traffic else ():
                    variant = share.variant
                    if variant.container and not variant.serverless and not is_async(share.deployment):
                        dimensions = {"EndpointName": name, "VariantName": variant.name}
                        yield from _busy(world.scope, CONCURRENT_PER_MODEL, dimensions, share.fleet)
            for name in world.components:
                fleet, dimensions = self._copies(world.scope, name), {"InferenceComponentName": name}
                if fleet is not None:
                    yield from _busy(world.scope, CONCURRENT_PER_COPY, dimensions, fleet)


def _busy(scope: Scope, name: str, dimensions: Mapping[str, str], fleet: Fleet) -> Iterator[Gauge]:
    if fleet.count:
        yield Gauge(scope, NAMESPACE, name, dimensions, fleet.answering / fleet.count)


def all_loads() -> Mapping[int, Load]:
    """Return what every process of this machine has used; nothing on a machine that does not say."""
    if not _PROC.is_dir():
        return {}
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    found: dict[int, Load] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                # A process may have any bytes for its name.
                fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            seconds = (int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])) / ticks
            found[int(folder.name)] = Load(int(fields[_PARENT]), seconds, int(fields[_PAGES]) * page)
    return found


def used(pid: int, loads: Mapping[int, Load]) -> tuple[float, int]:
    """Return the seconds of processors and the bytes of memory of a process and all that it has started."""
    family, before = {pid}, 0
    while len(family) > before:
        before = len(family)
        family |= {one for one, load in loads.items() if load.parent in family}
    members = [loads[one] for one in family if one in loads]
    return sum(load.seconds for load in members), sum(load.bytes for load in members)


def _memory_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
