"""What is said of latencies: percentiles, histograms, ratios."""

import random
from itertools import pairwise

import pytest

from orchestrator.core.latency import (
    FEWEST_ROUNDS,
    Measured,
    histogram,
    joined,
    percentile,
    ratio,
    summary,
)


def latencies(count: int, seed: int = 1) -> list[float]:
    chance = random.Random(seed)  # noqa: S311 - latencies are no secret
    return [chance.lognormvariate(-6, 1) for _ in range(count)]


def test_a_percentile_is_a_latency_that_was_measured() -> None:
    ascending = [float(number) for number in range(1, 201)]
    assert [percentile(ascending, percent) for percent in (50, 95, 99, 100)] == [100, 190, 198, 200]


def test_a_single_latency_is_every_percentile() -> None:
    found = summary([0.25])
    assert {found.p50, found.p95, found.p99, found.max} == {0.25}


def test_a_summary_does_not_depend_on_the_order() -> None:
    found = latencies(500)
    assert summary(found) == summary(sorted(found, reverse=True))


@pytest.mark.parametrize("bins", [4, 6, 12, 30])
@pytest.mark.parametrize("seed", range(10))
def test_a_histogram_holds_every_latency_in_bins_that_follow_each_other(bins: int, seed: int) -> None:
    given = latencies(1000, seed)
    found = histogram(given, bins=bins)
    assert len(found) <= bins
    assert sum(bin_.count for bin_ in found) == len(given)
    assert all(left.high == right.low for left, right in pairwise(found))
    for bin_ in found:
        assert bin_.count == sum(bin_.low <= latency < bin_.high for latency in given)


def test_a_histogram_has_no_empty_bins_at_its_ends() -> None:
    found = histogram(latencies(1000), bins=12)
    assert found[0].count
    assert found[-1].count


def test_a_histogram_of_equal_latencies_is_one_bin() -> None:
    (only,) = histogram([0.01] * 7, bins=12)
    assert (only.low, only.high, only.count) == (0.01, 0.012, 7)


def test_a_clock_that_did_not_move_has_a_bin_too() -> None:
    assert sum(bin_.count for bin_ in histogram([0.0, 0.001], bins=12)) == 2


def test_a_histograms_bounds_are_numbers_that_people_write() -> None:
    assert [bin_.low for bin_ in histogram([0.0011, 0.0029], bins=12)] == [
        0.001,
        0.0012,
        0.0015,
        0.002,
        0.0025,
    ]


def test_the_interval_is_that_of_the_published_tables() -> None:
    # Wilcoxon's critical value for 8 pairs, two-sided 5 %, is 3: the bounds are the 4th Walsh averages.
    numerators = [2.0**power for power in range(8)]
    found = ratio(numerators, [1.0] * 8)
    assert found.estimate == pytest.approx(2**3.5)
    assert (found.low, found.high) == pytest.approx((2.0**1.0, 2.0**6.0))


def test_the_fewest_rounds_are_bounded_by_their_extremes() -> None:
    found = ratio([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0] * FEWEST_ROUNDS)
    assert (found.low, found.high) == pytest.approx((1.0, 6.0))


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="6 are needed"):
        ratio([1.0] * 5, [2.0] * 5)


def test_a_ratio_turned_around_is_its_inverse() -> None:
    above, below = latencies(9, 1), latencies(9, 2)
    one, other = ratio(above, below), ratio(below, above)
    assert (one.estimate, one.low, one.high) == pytest.approx(
        (1 / other.estimate, 1 / other.high, 1 / other.low)
    )


def test_the_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    chance = random.Random(7)  # noqa: S311 - likewise
    held = 0
    for _ in range(400):
        before = [chance.lognormvariate(0, 0.2) for _ in range(8)]
        after = [1.5 * chance.lognormvariate(0, 0.2) for _ in range(8)]
        found = ratio(after, before)
        held += found.low <= 1.5 <= found.high
    assert 0.93 <= held / 400 <= 1.0


def test_a_difference_is_certain_only_where_the_interval_leaves_one_out() -> None:
    assert ratio([2.0, 2.1, 1.9, 2.2, 2.0, 1.8], [1.0] * 6).is_certain
    assert not ratio([2.0, 0.5, 1.9, 0.4, 1.0, 1.1], [1.0] * 6).is_certain


def test_parts_of_a_measurement_add_up() -> None:
    found = joined(
        [
            Measured(1.0, [0.1, 0.2], {503: 1}, {"refused": 2}),
            Measured(3.0, [0.3, 0.4], {503: 1, 404: 1}, {}),
        ]
    )
    assert found == Measured(4.0, [0.1, 0.2, 0.3, 0.4], {503: 2, 404: 1}, {"refused": 2})
    assert found.errors == 5
    assert found.throughput == 1.0
