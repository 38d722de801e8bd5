"""Whether a new fleet is worse than the old one, judged by what both did at the same time.

Latency is compared by the rule of Kayenta's NetflixACAJudge (github.com/spinnaker/kayenta, a69573b): the
Hodges-Lehmann shift between the two samples with its Mann-Whitney interval of 0.98. The new fleet is worse if
the whole interval lies beyond a quarter of the shift, and its mean is up by the factor that is allowed.
That is deliberately blind to small shifts. Errors are compared by Fisher's exact test, one-sided, p < 0.01.

Both need a minimum of evidence. Below it the opinion is "inconclusive", which is no pass.
"""

import enum
import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestrator.core.rollout import Kind, Rollout
from orchestrator.core.target import JudgeSpec

CONFIDENCE = 0.98
TOLERANCE = 0.25
SIGNIFICANCE = 0.01

_Z = 2.3263478740408408
"""The normal distribution's quantile at (1 + `CONFIDENCE`) / 2."""

_HALVINGS = 48
"""How often an interval is halved when a quantile of differences is sought: to 1e-14 of their range."""


class Opinion(enum.StrEnum):
    """What the judge thinks of the new fleet."""

    NO_WORSE = "no-worse"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one fleet did.

    Attributes:
        latencies: In any unit that both samples share; what is not a number is dropped.
        requests: How many were sent to it.
        errors: How many of them failed.
    """

    latencies: tuple[float, ...] = ()
    requests: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """An opinion, and what it rests on, one line for each thing looked at."""

    opinion: Opinion
    reasons: tuple[str, ...]


def judge(old: Sample, new: Sample, rules: JudgeSpec) -> Judgement:
    """Compare the ``new`` fleet with the ``old`` one, latency and errors each by itself.

    >>> judge(Sample((), 900, 1), Sample((), 900, 30), JudgeSpec()).opinion
    <Opinion.WORSE: 'worse'>
    >>> judge(Sample(), Sample(), JudgeSpec()).opinion
    <Opinion.INCONCLUSIVE: 'inconclusive'>
    """
    return together((_errors(old, new, rules), _latency(old, new, rules)))


def together(judgements: Iterable[Judgement]) -> Judgement:
    """Return the opinion that several lead to: one that is worse decides, then one that is inconclusive."""
    found = tuple(judgements)
    opinions = {judgement.opinion for judgement in found}
    order = (Opinion.WORSE, Opinion.INCONCLUSIVE, Opinion.NO_WORSE)
    worst = next((opinion for opinion in order if opinion in opinions), Opinion.INCONCLUSIVE)
    return Judgement(worst, tuple(reason for judgement in found for reason in judgement.reasons))


def shared_seconds(rollout: Rollout, instances: int) -> int:
    """Return for how long both fleets serve while a rollout bakes.

    The last step of a linear or rolling rollout moves the rest, and then the old fleet gets no requests.

    >>> from orchestrator.core.rollout import Size
    >>> shared_seconds(Rollout(Kind.CANARY, Size(10), bake_seconds=600, final_bake_seconds=60), 4)
    600
    >>> shared_seconds(Rollout(Kind.LINEAR, Size(50), bake_seconds=600), 4)
    600
    """
    steps = rollout.steps(instances)
    shared = steps if rollout.kind is Kind.CANARY else max(steps - 1, 0)
    return shared * rollout.bake_seconds


def _latency(old: Sample, new: Sample, rules: JudgeSpec) -> Judgement:
    before, after = _sorted(old.latencies), _sorted(new.latencies)
    fewest = min(len(before), len(after))
    if fewest < max(rules.min_samples, 1):
        reason = f"latency: {len(before)} values of the old fleet and {len(after)} of the new one; "
        return Judgement(Opinion.INCONCLUSIVE, (f"{reason}each needs {max(rules.min_samples, 1)}",))
    is_worse, shift = _is_higher(before, after, rules.allowed_increase)
    means = _mean(before), _mean(after)
    reason = f"latency: {_change(*means)} on average, {shift:+.4g} in the middle"
    return Judgement(Opinion.WORSE if is_worse else Opinion.NO_WORSE, (reason,))


def _sorted(values: Iterable[float]) -> list[float]:
    return sorted(value for value in values if math.isfinite(value))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _change(before: float, after: float) -> str:
    if before > 0:
        return f"{(after / before - 1) * 100:+.1f} %"
    return f"from {before:g} to {after:g}"


def _is_higher(before: Sequence[float], after: Sequence[float], allowed: float) -> tuple[bool, float]:
    """Tell whether ``after`` is higher for certain, and return the Hodges-Lehmann shift. Both are sorted."""
    pairs = len(before) * len(after)
    spread = _Z * math.sqrt(pairs * (len(before) + len(after) + 1) / 12)
    shift = _difference(before, after, (pairs + 1) // 2)
    # The interval's lower end is the difference of this rank, by the normal approximation of U.
    rank = math.floor(pairs / 2 - spread)
    if shift <= 0 or rank < 1 or _mean(after) < allowed * _mean(before):
        return False, shift
    return _difference(before, after, rank) > TOLERANCE * shift, shift


def _difference(before: Sequence[float], after: Sequence[float], rank: int) -> float:
    """Return the difference ``after - before`` that has this rank among all pairs, from 1 on.

    The pairs are counted, never made: two samples of 2,000 have four million.
    """
    low, high = after[0] - before[-1], after[-1] - before[0]
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        if sum(bisect_right(after, value + middle) for value in before) >= rank:
            high = middle
        else:
            low = middle
    return high


def _errors(old: Sample, new: Sample, rules: JudgeSpec) -> Judgement:
    least = max(rules.min_requests, 1)
    if min(old.requests, new.requests) < least:
        reason = f"errors: {old.requests} requests to the old fleet and {new.requests} to the new one"
        return Judgement(Opinion.INCONCLUSIVE, (f"{reason}; each needs {least}",))
    before, after = (min(max(one.errors, 0), one.requests) for one in (old, new))
    chance = tail((before, old.requests), (after, new.requests))
    rates = before / old.requests, after / new.requests
    reason = f"errors: {rates[0]:.2%} of the old fleet's requests, {rates[1]:.2%} of the new one's"
    is_worse = rates[1] > rates[0] and chance < SIGNIFICANCE
    return Judgement(
        Opinion.WORSE if is_worse else Opinion.NO_WORSE, (f"{reason}; by chance alone p = {chance:.2g}",)
    )


def tail(old: tuple[int, int], new: tuple[int, int]) -> float:
    """Return how probable it is that ``new`` has so many errors or more, if both fail alike.

    Fisher's exact test, one-sided. Each argument is a number of errors, and of requests.

    >>> round(tail((1, 10), (9, 10)), 6)
    0.000547
    """
    errors, total = old[0] + new[0], old[1] + new[1]
    fixed = _log_choices(total, errors)
    likelihood = math.fsum(
        math.exp(_log_choices(new[1], count) + _log_choices(old[1], errors - count) - fixed)
        for count in range(max(new[0], errors - old[1]), min(errors, new[1]) + 1)
    )
    return min(likelihood, 1.0)


def _log_choices(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
