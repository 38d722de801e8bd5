"""What the traffic was lately, in memory of a fixed size for each endpoint: what the charts show."""

import bisect
import math
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.localcloud.cloudwatch.metrics import Invocation
from orchestrator.localcloud.cloudwatch.statistics import percentile
from orchestrator.localcloud.dataplane.traffic import Traffic
from orchestrator.localcloud.world import Endpoint, Place, World

SECONDS = 180
"""How far back it remembers."""

Fleets = tuple[str, str]
"""An endpoint config and one of its variants."""

# Latencies are kept as counts in steps of 5 %, which is how wrong a percentile may be.
_STEP = math.log(1.05)
_MOST_MOVES = 500


@dataclass(slots=True)
class Second:
    """The requests that one fleet answered in one second.

    Attributes:
        latencies: How many took as long as each step, by the number of the step.
    """

    at: int
    count: int = 0
    refused: int = 0
    broken: int = 0
    latencies: dict[int, int] = field(default_factory=dict)

    def add(self, one: Invocation) -> None:
        """Count one request."""
        self.count += 1
        self.refused += one.is_refused
        self.broken += one.is_broken
        step = round(math.log(max(one.latency_us, 1)) / _STEP)
        self.latencies[step] = self.latencies.get(step, 0) + 1


@dataclass(slots=True)
class _Line:
    """What is remembered of one endpoint."""

    seconds: dict[Fleets, deque[Second]] = field(default_factory=dict)
    # When the traffic was to be divided otherwise, and how.
    moves: deque[tuple[float, Mapping[Fleets, float]]] = field(
        default_factory=lambda: deque(maxlen=_MOST_MOVES)
    )


class Recent:
    """Remembers who answered how many requests, and who was to.

    Args:
        traffic: Returns who answers requests for an endpoint now.
        clock: Seconds since 1970.
    """

    def __init__(self, traffic: Callable[[Place], Traffic | None], clock: Callable[[], float]) -> None:
        self._traffic = traffic
        self._clock = clock
        self._lines: dict[Place, _Line] = {}

    def record(self, one: Invocation) -> None:
        """Count one request."""
        name, line = (one.config, one.variant), self._line(one.place)
        if name not in line.seconds:
            # Fleets of long ago go when new ones come.
            oldest = one.at - SECONDS
            line.seconds = {old: kept for old, kept in line.seconds.items() if kept[-1].at >= oldest}
        seconds = line.seconds.setdefault(name, deque())
        if not seconds or seconds[-1].at != int(one.at):
            seconds.append(Second(int(one.at)))
            while seconds[0].at < one.at - SECONDS:
                seconds.popleft()
        seconds[-1].add(one)

    def see(self, before: World, after: World) -> None:
        """Remember how the traffic is to be divided, if a change of the world has divided it otherwise."""
        if before.endpoints is after.endpoints:
            return
        for name, endpoint in after.endpoints.items():
            if before.endpoints.get(name) is not endpoint:
                self._move(Place(after.scope, name), endpoint)
        for name in before.endpoints.keys() - after.endpoints.keys():
            self._lines.pop(Place(after.scope, name), None)

    def _move(self, place: Place, endpoint: Endpoint) -> None:
        portions = asked(self._traffic(place))
        moves = self._line(place).moves
        if not moves or moves[-1][1] != portions:
            moves.append((max(endpoint.modified, self._clock()), portions))

    def shown(self, place: Place) -> dict[str, object]:
        """Return what the charts of one endpoint show: a list for each number, oldest second first.

        The running second is left out: it would look like a drop of the traffic.
        """
        line = self._lines.get(place, _Line())
        last = int(self._clock()) - 1
        seconds = range(last - SECONDS + 1, last + 1)
        moved = list(_held(line.moves, seconds))
        names = sorted(
            {name for portions in moved for name in portions}
            | {name for name, kept in line.seconds.items() if kept and kept[-1].at >= seconds[0]}
        )
        return {
            "until": last,
            "fleets": [
                {
                    "config": name[0],
                    "variant": name[1],
                    "asked": [round(portions.get(name, 0.0), 4) for portions in moved],
                    **_counted(line.seconds.get(name, ()), seconds),
                }
                for name in names
            ],
            **_latencies(line.seconds.values(), seconds),
        }

    def _line(self, place: Place) -> _Line:
        return self._lines.setdefault(place, _Line())


def told(*takers: Callable[[Invocation], None]) -> Callable[[Invocation], None]:
    """Return what tells each of some of every request."""

    def tell(one: Invocation) -> None:
        for take in takers:
            take(one)

    return tell


def asked(traffic: Traffic | None) -> Mapping[Fleets, float]:
    """Return which part of the requests each fleet is to get; they add up to 1."""
    if traffic is None:
        return {}
    totals: dict[int, dict[str, float]] = {}
    for share in traffic.shares:
        totals.setdefault(id(share.deployment), {})[share.variant.name] = share.variant.weight
    parts: dict[Fleets, float] = {}
    for share in traffic.shares:
        total = sum(totals[id(share.deployment)].values())
        name = share.deployment.config, share.variant.name
        part = share.portion * share.variant.weight / total if total else share.portion
        parts[name] = parts.get(name, 0.0) + part
    whole = sum(parts.values())
    return {name: part / whole for name, part in parts.items()} if whole else parts


def _milliseconds(latencies: Mapping[int, int], share: float) -> float | None:
    """Return the latency in milliseconds that so many of the requests did not exceed."""
    if not latencies:
        return None
    step = percentile(sorted(latencies.items()), share, sum(latencies.values()))
    return round(math.exp(step * _STEP) / 1000, 3)


def _held(
    moves: Sequence[tuple[float, Mapping[Fleets, float]]], seconds: range
) -> Iterator[Mapping[Fleets, float]]:
    """Yield the portions of each second: those of the last move before its end."""
    moments = [moment for moment, _ in moves]
    for second in seconds:
        number = bisect.bisect_left(moments, second + 1)
        yield moves[number - 1][1] if number else {}


def _counted(kept: Iterable[Second], seconds: range) -> dict[str, list[int]]:
    by_second = {second.at: second for second in kept}
    found = [by_second.get(at) for at in seconds]
    return {
        "count": [one.count if one else 0 for one in found],
        "refused": [one.refused if one else 0 for one in found],
        "broken": [one.broken if one else 0 for one in found],
    }


def _latencies(fleets: Iterable[Iterable[Second]], seconds: range) -> dict[str, list[float | None]]:
    """Return two percentiles of each second's requests, whoever answered them, in milliseconds."""
    merged: dict[int, Counter[int]] = {}
    for fleet in fleets:
        for second in fleet:
            merged.setdefault(second.at, Counter()).update(second.latencies)
    nothing: Counter[int] = Counter()
    return {
        name: [_milliseconds(merged.get(at, nothing), share) for at in seconds]
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }
