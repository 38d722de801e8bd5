"""Metric math that goes along one series: from each value to the next.

A series is its values by the start of the period, in seconds since 1970.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise


def differences(values: Mapping[float, float]) -> dict[float, float]:
    """Return by how much each value is more than the one before it.

    >>> differences({0: 1.0, 60: 5.0, 180: 4.0})
    {60: 4.0, 180: -1.0}
    """
    return {at: values[at] - values[before] for before, at in pairwise(sorted(values))}


def time_differences(values: Mapping[float, float]) -> dict[float, float]:
    """Return how many seconds each value comes after the one before it."""
    return {at: at - before for before, at in pairwise(sorted(values))}


def rates(values: Mapping[float, float]) -> dict[float, float]:
    """Return how fast each value has come from the one before it, by the second."""
    return {at: (values[at] - values[before]) / (at - before) for before, at in pairwise(sorted(values))}


def running_sums(values: Mapping[float, float]) -> dict[float, float]:
    """Return the sum of each value and all before it."""
    made, total = {}, 0.0
    for at in sorted(values):
        total += values[at]
        made[at] = total
    return made


def repeated(values: Mapping[float, float], moments: Sequence[float]) -> dict[float, float]:
    """Return a value for each moment: that of the last one that has any."""
    made: dict[float, float] = {}
    last: float | None = None
    for at in sorted({*moments, *values}):
        last = values.get(at, last)
        if last is not None:
            made[at] = last
    return made


def linear(values: Mapping[float, float], moments: Sequence[float]) -> dict[float, float]:
    """Return a value for each moment between two values: that on the line from one to the other."""
    made = dict(values)
    for before, after in pairwise(sorted(values)):
        slope = (values[after] - values[before]) / (after - before)
        made |= {at: values[before] + slope * (at - before) for at in moments if before < at < after}
    return made
