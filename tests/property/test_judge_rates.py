"""How often the canary judge is right, over many seeded runs.

Latencies are lognormal with a spread of 0.25, as single requests have it; the rates that are asked for are
those of the judge's design: at most 1 % false alarms, at least 95 % of these faults found.
"""

import math
import random
from collections.abc import Callable

import pytest

from orchestrator.core.judging import Judgement, Opinion, Sample, judge
from orchestrator.core.target import JudgeSpec

RULES = JudgeSpec(min_requests=500, min_samples=120)
SPREAD = 0.25
SEED = 20_260_801


def latencies(
    chance: random.Random, count: int, factor: float = 1.0, spread: float = SPREAD
) -> tuple[float, ...]:
    return tuple(factor * 40_000 * chance.lognormvariate(0, spread) for _ in range(count))


def errors(chance: random.Random, count: int, rate: float) -> int:
    return sum(chance.random() < rate for _ in range(count))


def share(opinion: Opinion, runs: int, once: Callable[[random.Random], Judgement]) -> float:
    """Return in which share of ``runs`` the judge came to this opinion."""
    chance = random.Random(SEED)  # noqa: S311  a seeded simulation, nothing secret
    return sum(once(chance).opinion is opinion for _ in range(runs)) / runs


def test_two_fleets_that_are_alike_raise_hardly_any_alarm() -> None:
    def alike(chance: random.Random) -> Judgement:
        old = Sample(latencies(chance, 120), 4500, errors(chance, 4500, 0.001))
        new = Sample(latencies(chance, 120), 500, errors(chance, 500, 0.001))
        return judge(old, new, RULES)

    assert share(Opinion.WORSE, 1000, alike) <= 0.01


def test_a_fifth_more_latency_is_found() -> None:
    def slower(chance: random.Random) -> Judgement:
        old = Sample(latencies(chance, 120), 4500, 4)
        return judge(old, Sample(latencies(chance, 120, 1.2), 500, 0), RULES)

    assert share(Opinion.WORSE, 400, slower) >= 0.95


def test_twenty_times_the_errors_are_found() -> None:
    same = tuple(float(value) for value in range(1, 121))

    def failing(chance: random.Random) -> Judgement:
        old = Sample(same, 4500, errors(chance, 4500, 0.001))
        return judge(old, Sample(same, 500, errors(chance, 500, 0.02)), RULES)

    assert share(Opinion.WORSE, 400, failing) >= 0.95


def test_too_few_latencies_are_inconclusive_however_bad_they_are() -> None:
    def starved(chance: random.Random) -> Judgement:
        old = Sample(latencies(chance, 500), 4500, 4)
        return judge(old, Sample(latencies(chance, chance.randrange(120), 3), 500, 0), RULES)

    assert share(Opinion.INCONCLUSIVE, 500, starved) == 1


def test_too_few_requests_are_inconclusive_however_many_fail() -> None:
    same = tuple(float(value) for value in range(1, 121))

    def starved(chance: random.Random) -> Judgement:
        count = chance.randrange(500)
        return judge(Sample(same, 4500, 4), Sample(same, count, errors(chance, count, 0.5)), RULES)

    assert share(Opinion.INCONCLUSIVE, 500, starved) == 1


@pytest.mark.parametrize("requests_a_minute", [1, 20])
def test_averages_of_ten_minutes_raise_hardly_any_alarm(requests_a_minute: int) -> None:
    spread = SPREAD / math.sqrt(requests_a_minute)

    def alike(chance: random.Random) -> Judgement:
        old, new = (Sample(latencies(chance, 10, 1, spread), 4500, 0) for _ in range(2))
        return judge(old, new, JudgeSpec(min_samples=10))

    assert share(Opinion.WORSE, 1000, alike) <= 0.01


def test_averages_of_ten_minutes_with_twenty_requests_each_show_a_fifth_more_latency() -> None:
    spread = SPREAD / math.sqrt(20)

    def slower(chance: random.Random) -> Judgement:
        old = Sample(latencies(chance, 10, 1, spread), 4500, 0)
        return judge(old, Sample(latencies(chance, 10, 1.2, spread), 500, 0), JudgeSpec(min_samples=10))

    assert share(Opinion.WORSE, 400, slower) >= 0.95
