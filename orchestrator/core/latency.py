"""How long answers take: what is measured, and what can be said about it.

A latency of an open loop begins when the request was due, not when it was sent: a server that stalls makes
the requests behind it late, and a client that waits for it before it looks at its watch would not notice
("coordinated omission", Gil Tene, "How NOT to Measure Latency", 2013).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, pairwise
from statistics import median

_CONFIDENCE = 0.95
FEWEST_ROUNDS = 6
"""With fewer pairs no interval of signed ranks holds with 95 %."""

_SHORTEST_SECONDS = 1e-6
# Steps within a factor of ten, from fine to coarse: numbers that people read with ease.
_STEPS = ((1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))


@dataclass(frozen=True, slots=True)
class Pace:
    """How requests are sent.

    Attributes:
        connections: How many may be open, each with one request at a time.
        seconds: How long requests are sent.
        rate: Requests per second that become due at even distances, whatever becomes of those before (open
            loop); ``None`` sends the next one when an answer is there (closed loop).
    """

    connections: int
    seconds: float
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one load.

    Attributes:
        seconds: From the first request to the last answer.
        latencies: In seconds, of every answer with the right status, in the order of the answers.
        wrong: How often each status came that was not the right one.
        unanswered: How many requests got no answer, by why.
    """

    seconds: float
    latencies: Sequence[float]
    wrong: Mapping[int, int] = field(default_factory=dict)
    unanswered: Mapping[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """How many requests got no answer, or one with the wrong status."""
        return sum(self.wrong.values()) + sum(self.unanswered.values())

    @property
    def throughput(self) -> float:
        """Right answers per second."""
        return len(self.latencies) / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Latencies in seconds: 50, 95 and 99 % of the requests took no longer, and none longer than ``max``."""

    p50: float
    p95: float
    p99: float
    max: float


def joined(parts: Sequence[Measured]) -> Measured:
    """Return several measurements as one."""
    wrong: dict[int, int] = {}
    unanswered: dict[str, int] = {}
    for part in parts:
        for status, count in part.wrong.items():
            wrong[status] = wrong.get(status, 0) + count
        for why, count in part.unanswered.items():
            unanswered[why] = unanswered.get(why, 0) + count
    latencies = [latency for part in parts for latency in part.latencies]
    return Measured(sum(part.seconds for part in parts), latencies, wrong, unanswered)


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the smallest of the values, at least one, that ``percent`` of them do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 50), percentile([1.0, 2.0, 3.0, 4.0], 99)
    (2.0, 4.0)
    """
    return ascending[max(0, math.ceil(len(ascending) * percent / 100) - 1)]


def summary(latencies: Sequence[float]) -> Summary:
    """Return what is said of ``latencies``, at least one."""
    ascending = sorted(latencies)
    p50, p95, p99 = (percentile(ascending, percent) for percent in (50, 95, 99))
    return Summary(p50, p95, p99, ascending[-1])


@dataclass(frozen=True, slots=True)
class Bin:
    """How many latencies are at least ``low`` and below ``high``, in seconds."""

    low: float
    high: float
    count: int


def histogram(latencies: Sequence[float], *, bins: int) -> tuple[Bin, ...]:
    """Return at most ``bins`` bins, at least four, that follow each other and hold all of ``latencies``.

    Their bounds are round numbers and grow by factors: what matters is the shape of the tail. More than ten
    decades, which no clock can measure, may take more bins.
    """
    floored = sorted(max(latency, _SHORTEST_SECONDS) for latency in latencies)
    edges: list[float] = []
    for steps in _STEPS:
        edges = _edges(floored[0], floored[-1], steps)
        if len(edges) - 1 <= bins:
            break
    counts = [0] * (len(edges) - 1)
    place = 0
    for latency in floored:
        while latency >= edges[place + 1]:
            place += 1
        counts[place] += 1
    return tuple(Bin(low, high, count) for (low, high), count in zip(pairwise(edges), counts, strict=True))


def _edges(lowest: float, highest: float, steps: Sequence[float]) -> list[float]:
    """Return the round numbers from the last one not above ``lowest`` to the first one above ``highest``."""
    decades = range(math.floor(math.log10(lowest)) - 1, math.floor(math.log10(highest)) + 2)
    # Through text: 1.2 * 10 ** -3 is not the number nearest to 0.0012.
    marks = [float(f"{step}e{decade}") for decade in decades for step in steps]
    first = max(index for index, mark in enumerate(marks) if mark <= lowest)
    last = next(index for index, mark in enumerate(marks) if mark > highest)
    return marks[first : last + 1]


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio, and the interval that holds it with a confidence of 95 %."""

    estimate: float
    low: float
    high: float

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves 1 out: that there is a difference at all."""
        return not self.low <= 1 <= self.high


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Return how large the first are as a multiple of the second, measured in pairs, at least six.

    A round is one observation: requests within it share its luck, and taking each for a witness of its own
    would claim a precision that is not there. The logarithms of the pairs' ratios are judged by Wilcoxon's
    signed ranks, the paired form of the Mann-Whitney test, which assumes no distribution: estimate and bounds
    are Walsh averages (Hollander and Wolfe, "Nonparametric Statistical Methods", 3.2 and 3.3).

    >>> ratio([2.0, 2.2, 1.9, 2.0, 2.1, 2.0], [1.0] * 6).estimate
    2.0
    """
    logs = [math.log(above / below) for above, below in zip(numerators, denominators, strict=True)]
    walsh = sorted((one + other) / 2 for one, other in combinations_with_replacement(logs, 2))
    outside = _outside(len(logs))
    bounds = median(walsh), walsh[outside - 1], walsh[-outside]
    return Ratio(*(round(math.exp(bound), 12) for bound in bounds))


def _outside(pairs: int) -> int:
    """Return which Walsh average, from either end, bounds the interval."""
    # How many of the 2 ** pairs ways to sign the ranks 1, 2, ... give each sum of positive ranks.
    ways = [1]
    for rank in range(1, pairs + 1):
        padding = [0] * rank
        ways = [without + with_ for without, with_ in zip([*ways, *padding], [*padding, *ways], strict=True)]
    tail, place = 0, 0
    while (tail := tail + ways[place]) <= (1 - _CONFIDENCE) / 2 * 2**pairs:
        place += 1
    if place == 0:
        raise ValueError(f"{pairs} pairs are too few: {FEWEST_ROUNDS} are needed")
    return place
