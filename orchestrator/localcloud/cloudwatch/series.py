"""The datapoints of one account and region, by the second.

A second of a metric is one sample, however many requests it had. As in CloudWatch, seconds become minutes
after three hours and minutes are dropped after 15 days: API reference, GetMetricStatistics. What steady
traffic costs is bounded by that, and a read looks only at the seconds that it asks for.
"""

import bisect
import operator
import threading
from array import array
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from orchestrator.localcloud.cloudwatch.statistics import Sample, condensed, merged, sample_of

_SECONDS_KEPT = 3 * 3600
_MINUTES_KEPT = 15 * 86400
_MINUTE = 60
_COMPACTED_EVERY_SECONDS = 600
# Not in the store: moto's backends, which it belongs to, are pickled to outlive a restart.
_LOCK = threading.RLock()


class Metric(NamedTuple):
    """What is measured: a name within a namespace, of one thing.

    Attributes:
        dimensions: Name and value of each, in the order of the names.
    """

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


def metric(namespace: str, name: str, dimensions: Mapping[str, str]) -> Metric:
    """Return the metric of these dimensions, in whatever order they come."""
    return Metric(namespace, name, tuple(sorted(dimensions.items())))


def _packed(sample: Sample) -> "array[float]":
    """Return a sample in a sixth of its room: there may be one for each second of three hours."""
    flat = [number for pair in sample.values or () for number in pair]
    return array("d", (sample.count, sample.total, sample.least, sample.most, *flat))


def _unpacked(packed: "array[float]", *, with_values: bool = True) -> Sample:
    values = tuple(zip(packed[4::2], packed[5::2], strict=True)) if with_values else ()
    return Sample(packed[0], packed[1], packed[2], packed[3], values or None)


class Track:
    """The samples of one metric in one unit, in the order of their seconds."""

    def __init__(self) -> None:
        self.moments: list[int] = []
        self.samples: list[array[float]] = []
        # The newest second, as values with how often they occurred: most of what comes belongs there.
        self.newest = 0
        self.values: dict[float, float] = {}
        self._next_compaction = 0

    def add(self, second: int, sample: Sample) -> None:
        """Count a sample in."""
        if sample.values is None or second < self.newest:
            self._insert(second, sample)
            return
        if second > self.newest:
            self._seal()
            self.newest = second
        for value, count in sample.values:
            self.values[value] = self.values.get(value, 0.0) + count

    def between(self, start: float, end: float) -> Iterator[tuple[int, "array[float]"]]:
        """Yield the packed samples from ``start`` on and before ``end``, oldest first."""
        first, last = (bisect.bisect_left(self.moments, border) for border in (start, end))
        yield from zip(self.moments[first:last], self.samples[first:last], strict=True)
        if self.values and start <= self.newest < end:
            yield self.newest, _packed(sample_of(self.values))

    def latest(self) -> int:
        """Return the second of the newest sample."""
        return max(self.newest, self.moments[-1] if self.moments else 0)

    def _seal(self) -> None:
        if self.values:
            self._insert(self.newest, sample_of(self.values))
            self.values = {}
        if self._next_compaction <= self.newest:
            self._compact(self.newest)
            self._next_compaction = self.newest + _COMPACTED_EVERY_SECONDS

    def _insert(self, second: int, sample: Sample) -> None:
        index = bisect.bisect_left(self.moments, second)
        if index < len(self.moments) and self.moments[index] == second:
            self.samples[index] = _packed(merged((_unpacked(self.samples[index]), sample)) or sample)
            return
        self.moments.insert(index, second)
        self.samples.insert(index, _packed(sample))

    def _compact(self, now: int) -> None:
        """Make minutes of old seconds, and nothing of the oldest minutes."""
        minutes: dict[int, list[Sample]] = {}
        border = bisect.bisect_left(self.moments, now - now % _MINUTE - _SECONDS_KEPT)
        for moment, sample in zip(self.moments[:border], self.samples[:border], strict=True):
            if moment >= now - _MINUTES_KEPT:
                minutes.setdefault(moment - moment % _MINUTE, []).append(_unpacked(sample))
        self.moments[:border] = minutes.keys()
        self.samples[:border] = [
            _packed(condensed(whole)) for parts in minutes.values() if (whole := merged(parts))
        ]


class Series:
    """All metrics of one account and region; to be used from any thread."""

    def __init__(self) -> None:
        self._tracks: dict[Metric, dict[str, Track]] = {}

    def put(self, what: Metric, moment: float, sample: Sample, unit: str = "None") -> None:
        """Count what was measured at a moment, in seconds since 1970."""
        with _LOCK:
            self._tracks.setdefault(what, {}).setdefault(unit, Track()).add(int(moment), sample)

    def between(
        self, what: Metric, start: float, end: float, unit: str | None = None, *, with_values: bool = True
    ) -> list[tuple[int, Sample]]:
        """Return what was measured from ``start`` on and before ``end``, by second.

        Args:
            what: The metric.
            start: In seconds since 1970.
            end: Likewise.
            unit: The one that alone counts; ``None`` for all.
            with_values: Whether the values are wanted, which only extended statistics need: they cost most.
        """
        with _LOCK:
            tracks = self._tracks.get(what, {})
            chosen = tracks.values() if unit is None else [tracks[unit]] if unit in tracks else ()
            found = [pair for track in chosen for pair in track.between(start, end)]
        # A packed sample never changes, and requests that are counted must not wait for what is read.
        found.sort(key=operator.itemgetter(0))
        return [(moment, _unpacked(packed, with_values=with_values)) for moment, packed in found]

    def units(self, what: Metric) -> tuple[str, ...]:
        """Return the units that a metric was measured in."""
        with _LOCK:
            return tuple(self._tracks.get(what, ()))

    def metrics(self, since: float = 0.0) -> list[Metric]:
        """Return the metrics of which something was measured ``since`` a moment, the first one first."""
        with _LOCK:
            return [
                what
                for what, tracks in self._tracks.items()
                if any(track.latest() >= since for track in tracks.values())
            ]
