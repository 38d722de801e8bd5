"""What CloudWatch makes of the values of a period: sums, percentiles and what is trimmed.

The definitions are those of the CloudWatch user guide, Statistics-definitions. Values are kept with how often
each occurred; a statistic set, of which only sum, count and extremes were sent, has no percentiles unless all
of its values must be equal.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

_PERCENT = 100.0
_NUMBER = r"\d+(?:\.\d{1,10})?"
_SHORT = re.compile(rf"(?i:(p|tm|wm|tc|ts))({_NUMBER})")
_RANGE = re.compile(rf"(TM|WM|TC|TS|PR)\(({_NUMBER}%?)?:({_NUMBER}%?)?\)")
# More different values than that are kept to three digits: no percentile is read more finely.
_MOST_VALUES = 400
_DIGITS = 3
# "EvaluateLowSampleCountPercentile": user guide, percentiles-with-low-samples.
_FEW, _HALF = 10, 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured in some time.

    Attributes:
        values: Each value with how often it occurred, ascending; ``None`` if only the rest is known.
    """

    count: float
    total: float
    least: float
    most: float
    values: tuple[tuple[float, float], ...] | None


class Bounds(NamedTuple):
    """The part of the values that a statistic looks at.

    Attributes:
        low: A value, or a share of all values from 0 to 1; ``None`` if there is no such bound.
        high: Likewise.
        shares: Whether they are shares.
    """

    low: float | None
    high: float | None
    shares: bool


def sample_of(values: Mapping[float, float]) -> Sample:
    """Return the sample of at least one value, given how often each occurred."""
    ascending = tuple(sorted(values.items()))
    total = math.fsum(value * count for value, count in ascending)
    return Sample(sum(values.values()), total, ascending[0][0], ascending[-1][0], ascending)


def statistic_set(count: float, total: float, least: float, most: float) -> Sample:
    """Return the sample of which only that is known.

    All its values are known where minimum and maximum are equal: API reference, StatisticSet.
    """
    return Sample(count, total, least, most, ((least, count),) if least == most else None)


def merged(samples: Iterable[Sample], *, with_values: bool = True) -> Sample | None:
    """Return the sample of all that was measured in several times; ``None`` if nothing was.

    Args:
        samples: Of each time.
        with_values: Whether it is to hold the values, which only extended statistics need.
    """
    parts = list(samples)
    if len(parts) <= 1:
        return parts[0] if parts else None
    return Sample(
        sum(part.count for part in parts),
        math.fsum(part.total for part in parts),
        min(part.least for part in parts),
        max(part.most for part in parts),
        _together(parts) if with_values else None,
    )


def condensed(sample: Sample) -> Sample:
    """Return a sample with fewer different values, if it has very many; its sum and extremes stay exact."""
    if sample.values is None or len(sample.values) <= _MOST_VALUES:
        return sample
    counts: dict[float, float] = {}
    for value, count in sample.values:
        short = float(f"{value:.{_DIGITS}g}")
        counts[short] = counts.get(short, 0.0) + count
    return replace(sample, values=tuple(sorted(counts.items())))


def _together(parts: Sequence[Sample]) -> tuple[tuple[float, float], ...] | None:
    counts: dict[float, float] = {}
    for part in parts:
        if part.values is None:
            return None
        for value, count in part.values:
            counts[value] = counts.get(value, 0.0) + count
    return tuple((value, counts[value]) for value in sorted(counts))  # numbers sort faster than pairs


_PLAIN: Mapping[str, Callable[[Sample], float]] = {
    "SampleCount": lambda sample: sample.count,
    "Sum": lambda sample: sample.total,
    "Average": lambda sample: sample.total / sample.count,
    "Minimum": lambda sample: sample.least,
    "Maximum": lambda sample: sample.most,
}
PLAIN = frozenset(_PLAIN)
"""The statistics that are not extended ones."""


def is_statistic(name: str) -> bool:
    """Tell whether CloudWatch knows a statistic of that name.

    >>> [is_statistic(name) for name in ("p99.9", "TM(2%:98%)", "PR(:300)", "IQM", "p101", "median")]
    [True, True, True, True, False, False]
    """
    return name in _PLAIN or _parsed(name) is not None


def statistic(name: str, sample: Sample) -> float | None:
    """Return a statistic; ``None`` if the sample does not hold what it needs.

    >>> nine = sample_of({float(value): 1.0 for value in range(1, 11)})
    >>> [statistic(name, nine) for name in ("p90", "tm90", "TC(:5)", "PR(5:10)", "IQM")]
    [9.0, 5.0, 5.0, 50.0, 5.5]
    """
    if plain := _PLAIN.get(name):
        return plain(sample) if sample.count else None
    parsed = _parsed(name)
    if parsed is None or sample.values is None or not sample.count:
        return None
    kind, bounds = parsed
    if kind == "p":
        return percentile(sample.values, bounds.high or 0.0, sample.count)
    return _EXTENDED[kind](sample.values, bounds)


def percentile(values: Sequence[tuple[float, float]], share: float, everything: float) -> float:
    """Return the value at the rank of a share of ``everything``."""
    rank = share * everything
    before = 0.0
    for value, count in values:
        before += count
        if before >= rank - 1e-9:
            return value
    return values[-1][0]


def is_too_few(name: str, sample: Sample) -> bool:
    """Tell whether a percentile of so few values says little, as alarms have it."""
    parsed = _parsed(name)
    if parsed is None or parsed[0] != "p" or not parsed[1].high:
        return False
    share = parsed[1].high
    return sample.count < _FEW / (1 - share if share > _HALF else share) if share < 1 else False


def _parsed(name: str) -> tuple[str, Bounds] | None:
    if name == "IQM":
        return "tm", Bounds(0.25, 0.75, shares=True)
    if short := _SHORT.fullmatch(name):
        share = float(short[2]) / _PERCENT
        return (short[1].lower(), Bounds(None, share, shares=True)) if share <= 1 else None
    found = _RANGE.fullmatch(name)
    if found is None or not (found[2] or found[3]):
        return None
    given = [bound for bound in found.group(2, 3) if bound]
    shares = {bound.endswith("%") for bound in given}
    if len(shares) > 1 or (found[1] == "PR" and True in shares):
        return None
    low, high = (_bound(bound) for bound in found.group(2, 3))
    return found[1].lower(), Bounds(low, high, shares=True in shares)


def _bound(text: str | None) -> float | None:
    if not text:
        return None
    return float(text[:-1]) / _PERCENT if text.endswith("%") else float(text)


_Values = Sequence[tuple[float, float]]


def _inside(values: _Values, bounds: Bounds) -> Iterator[tuple[float, float]]:
    """Yield the values within the bounds: the lower one is outside, the upper one inside."""
    low = -math.inf if bounds.low is None else bounds.low
    high = math.inf if bounds.high is None else bounds.high
    if not bounds.shares:
        yield from ((value, count) for value, count in values if low < value <= high)
        return
    everything, before = sum(count for _, count in values), 0.0
    for value, count in values:
        within = min(before + count, high * everything) - max(before, low * everything)
        if within > 0:
            yield value, within
        before += count


def _mean(values: Iterable[tuple[float, float]]) -> float | None:
    kept = list(values)
    count = sum(count for _, count in kept)
    return math.fsum(value * count for value, count in kept) / count if count else None


def _winsorized(values: _Values, bounds: Bounds) -> float | None:
    low, high = bounds.low, bounds.high
    if bounds.shares:
        everything = sum(count for _, count in values)
        low = None if low is None else percentile(values, low, everything)
        high = None if high is None else percentile(values, high, everything)
    least, most = -math.inf if low is None else low, math.inf if high is None else high
    return _mean((min(max(value, least), most), count) for value, count in values)


def _count(values: _Values, bounds: Bounds) -> float:
    return sum(count for _, count in _inside(values, bounds))


_EXTENDED: Mapping[str, Callable[[_Values, Bounds], float | None]] = {
    "tm": lambda values, bounds: _mean(_inside(values, bounds)),
    "wm": _winsorized,
    "tc": _count,
    "ts": lambda values, bounds: math.fsum(value * count for value, count in _inside(values, bounds)),
    "pr": lambda values, bounds: _PERCENT * _count(values, bounds) / sum(count for _, count in values),
}
