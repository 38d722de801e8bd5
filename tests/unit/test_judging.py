"""The judge's single opinions; how often it is right is in ``tests/property/test_judge_rates.py``."""

import math
import random

import pytest

from orchestrator.core.alarms import Query
from orchestrator.core.judging import Judgement, Opinion, Sample, judge, shared_seconds, tail, together
from orchestrator.core.resources import Endpoint, VariantStatus
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size, Unit
from orchestrator.core.target import JudgeSpec
from orchestrator.usecases.judging import Comparison, consult, has_traffic
from tests.support.fakes import fake_edge

RULES = JudgeSpec(min_requests=100, min_samples=20)
STEADY = tuple(100.0 + number % 7 for number in range(60))
SLOW = tuple(1.5 * value for value in STEADY)


def opinion(old: tuple[float, ...], new: tuple[float, ...], rules: JudgeSpec = RULES) -> Opinion:
    return judge(Sample(old, 1000, 1), Sample(new, 1000, 1), rules).opinion


def test_a_slower_fleet_is_worse_and_a_faster_one_is_not() -> None:
    assert opinion(STEADY, SLOW) is Opinion.WORSE
    assert opinion(SLOW, STEADY) is Opinion.NO_WORSE


def test_identical_fleets_are_no_worse_than_each_other() -> None:
    assert opinion(STEADY, STEADY) is Opinion.NO_WORSE


@pytest.mark.parametrize(
    ("new", "expected"), [(5.0, Opinion.NO_WORSE), (5.1, Opinion.WORSE), (4.9, Opinion.NO_WORSE)]
)
def test_constant_latencies_are_compared_as_they_are(new: float, expected: Opinion) -> None:
    assert opinion((5.0,) * 30, (new,) * 30) is expected


def test_a_latency_of_zero_can_be_compared() -> None:
    assert opinion((0.0,) * 30, (0.0,) * 30) is Opinion.NO_WORSE
    assert opinion((0.0,) * 30, (1.0,) * 30) is Opinion.WORSE


def test_what_is_no_number_is_dropped_and_does_not_count_as_evidence() -> None:
    broken = (math.nan, math.inf, -math.inf)
    assert opinion(STEADY + broken, SLOW + broken) is Opinion.WORSE
    assert opinion(STEADY, STEADY[:19] + broken * 10) is Opinion.INCONCLUSIVE


@pytest.mark.parametrize(("old", "new"), [((), ()), (STEADY, ()), ((), STEADY), (STEADY[:19], STEADY)])
def test_too_few_latencies_are_inconclusive(old: tuple[float, ...], new: tuple[float, ...]) -> None:
    assert opinion(old, new) is Opinion.INCONCLUSIVE


def test_no_minimum_makes_nothing_of_no_evidence() -> None:
    assert judge(Sample(), Sample(), JudgeSpec(0, 0)).opinion is Opinion.INCONCLUSIVE


def test_a_very_small_sample_is_never_worse_by_itself() -> None:
    assert opinion((1.0, 1.0), (9.0, 9.0), JudgeSpec(100, 1)) is Opinion.NO_WORSE


def test_an_increase_that_is_allowed_is_no_worse() -> None:
    assert opinion(STEADY, SLOW, JudgeSpec(100, 20, allowed_increase=1.6)) is Opinion.NO_WORSE


def test_more_errors_are_worse_and_as_many_are_not() -> None:
    def on_errors(before: int, after: int) -> Opinion:
        return judge(Sample(STEADY, 1000, before), Sample(STEADY, 1000, after), RULES).opinion

    assert on_errors(1, 20) is Opinion.WORSE
    assert on_errors(20, 20) is Opinion.NO_WORSE
    assert on_errors(20, 1) is Opinion.NO_WORSE
    assert on_errors(0, 0) is Opinion.NO_WORSE
    assert on_errors(1000, 1000) is Opinion.NO_WORSE


def test_too_few_requests_are_inconclusive_however_bad_they_are() -> None:
    found = judge(Sample(STEADY, 1000, 0), Sample(STEADY, 99, 99), RULES)
    assert found.opinion is Opinion.INCONCLUSIVE
    assert found.reasons[0] == "errors: 1000 requests to the old fleet and 99 to the new one; each needs 100"


def test_errors_that_were_counted_before_their_requests_are_no_more_than_all() -> None:
    assert judge(Sample(STEADY, 1000, 0), Sample(STEADY, 1000, 1001), RULES).opinion is Opinion.WORSE


def test_one_thing_that_is_worse_decides_even_if_another_is_inconclusive() -> None:
    assert judge(Sample((), 1000, 1), Sample((), 1000, 100), RULES).opinion is Opinion.WORSE
    assert together([]).opinion is Opinion.INCONCLUSIVE


def test_the_reasons_say_what_was_compared() -> None:
    found = judge(Sample(STEADY, 1000, 1), Sample(SLOW, 1000, 20), RULES)
    assert found.reasons[0].startswith(
        "errors: 0.10% of the old fleet's requests, 2.00% of the new one's; by"
    )
    assert found.reasons[1].startswith("latency: +50.0 % on average, +51")


def test_the_exact_test_agrees_with_counting_by_hand() -> None:
    for old, new in [
        ((1, 9), (4, 9)),
        ((0, 5), (5, 5)),
        ((3, 20), (3, 20)),
        ((0, 3), (0, 3)),
        ((2, 2), (1, 4)),
    ]:
        errors, total = old[0] + new[0], old[1] + new[1]
        ways = sum(
            math.comb(new[1], count) * math.comb(old[1], errors - count)
            for count in range(new[0], errors + 1)
        )
        assert tail(old, new) == pytest.approx(ways / math.comb(total, errors))


def test_the_shift_agrees_with_that_of_all_pairs() -> None:
    chance = random.Random(7)  # noqa: S311  a seeded simulation, nothing secret
    old, new = (tuple(chance.gauss(mean, 3) for _ in range(31)) for mean in (100, 104))
    middle = sorted(after - before for before in old for after in new)[(31 * 31 - 1) // 2]
    assert f"{middle:+.4g} in the middle" in judge(Sample(old, 1000), Sample(new, 1000), RULES).reasons[1]


def test_thousands_of_values_are_compared_without_making_all_pairs() -> None:
    chance = random.Random(7)  # noqa: S311  a seeded simulation, nothing secret
    old, new = (tuple(chance.gauss(mean, 10) for _ in range(2000)) for mean in (100, 101.5))
    assert opinion(old, new) is Opinion.WORSE


@pytest.mark.parametrize(
    ("rollout", "seconds"),
    [
        (AT_ONCE, 0),
        (Rollout(final_bake_seconds=600), 0),
        (Rollout(Kind.CANARY, Size(10), 600, 300), 600),
        (Rollout(Kind.LINEAR, Size(25), 60), 180),
        (Rollout(Kind.ROLLING, Size(1, Unit.INSTANCES), 60), 180),
        (Rollout(Kind.CANARY), 0),
    ],
)
def test_both_fleets_serve_until_the_last_step(rollout: Rollout, seconds: int) -> None:
    assert shared_seconds(rollout, 4) == seconds


class Fleets:
    """The metrics of two fleets, as CloudWatch gives them, and what was asked for."""

    def __init__(self, latency: float, errors: float) -> None:
        self.latency = latency
        self.errors = errors
        self.asked: list[Query] = []

    def values(self, query: Query) -> tuple[float, ...]:
        self.asked.append(query)
        is_new = dict(query.dimensions)["EndpointConfigName"] == "digits-new"
        match query.metric, query.statistic:
            case "ModelLatency", "Average":
                return tuple((self.latency if is_new else 1.0) * value for value in STEADY)
            case "Invocations", "Sum":
                return (50.0,) * 20
            case "Invocation5XXErrors", "Sum":
                return (self.errors if is_new else 0.0,) * 20
        return ()


def consulted(fleets: Fleets, *variants: str) -> Judgement:
    world = fake_edge()
    world.alarms.metrics = fleets.values
    return consult(
        Comparison("digits", "digits-old", "digits-new", variants, 60.0, 1260.0), world.edge(), RULES
    )


@pytest.mark.parametrize(
    ("fleets", "expected"),
    [
        (Fleets(1.0, 0.0), Opinion.NO_WORSE),
        (Fleets(1.5, 0.0), Opinion.WORSE),
        (Fleets(1.0, 2.0), Opinion.WORSE),
    ],
)
def test_the_fleets_are_compared_by_what_cloudwatch_has_of_each(fleets: Fleets, expected: Opinion) -> None:
    assert consulted(fleets, "primary").opinion is expected


def test_the_same_time_and_variant_of_both_fleets_are_asked_for() -> None:
    fleets = Fleets(1.0, 0.0)
    consulted(fleets, "primary")
    assert {(query.since, query.until, query.period_seconds) for query in fleets.asked} == {
        (60.0, 1260.0, 60)
    }
    assert {query.dimensions for query in fleets.asked} == {
        (("EndpointConfigName", config), ("EndpointName", "digits"), ("VariantName", "primary"))
        for config in ("digits-old", "digits-new")
    }


def test_no_metrics_are_no_evidence() -> None:
    world = fake_edge()
    comparison = Comparison("digits", "digits-old", "digits-new", ("primary",), 60.0, 1260.0)
    assert consult(comparison, world.edge(), RULES).opinion is Opinion.INCONCLUSIVE


@pytest.mark.parametrize(("values", "expected"), [((), False), ((0.0, 0.0), False), ((0.0, 1.0), True)])
def test_an_endpoint_has_traffic_if_one_of_its_variants_was_invoked_lately(
    *, values: tuple[float, ...], expected: bool
) -> None:
    world = fake_edge()
    asked: list[Query] = []

    def metrics(query: Query) -> tuple[float, ...]:
        asked.append(query)
        return values if dict(query.dimensions)["VariantName"] == "second" else ()

    world.alarms.metrics = metrics
    live = Endpoint(
        "digits", "digits-old", variants=(VariantStatus("primary", 1, 1), VariantStatus("second", 1, 1))
    )
    assert has_traffic(live, world.edge()) is expected
    assert {query.metric for query in asked} == {"Invocations"}
    assert all(query.until - query.since == 3600 for query in asked)


def test_each_of_several_variants_is_judged_by_itself_and_named() -> None:
    found = consulted(Fleets(1.5, 0.0), "primary", "second")
    assert found.opinion is Opinion.WORSE
    assert [reason.partition(":")[0] for reason in found.reasons] == ["primary"] * 2 + ["second"] * 2
