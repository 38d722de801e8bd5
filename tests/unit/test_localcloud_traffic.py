"""Who answers: shares of fleets; alarms on what was measured; faults that wait."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from orchestrator.localcloud.alarms import breaches
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.exchange import Answer, Headers, Streamed
from orchestrator.localcloud.faults import Faults, Kind
from orchestrator.localcloud.traffic import Traffic, mixed, whole
from orchestrator.localcloud.world import Deployment, Variant


@dataclass(eq=False)
class Named:
    """A fleet that is only told apart."""

    variant: Variant
    name: str
    answering: int = 0

    async def ask(self, headers: Headers, body: bytes) -> Answer:
        return Answer(200, headers, body)

    def stream(self, headers: Headers, body: bytes) -> AbstractAsyncContextManager[Streamed]:
        raise NotImplementedError

    async def stop(self, *, drain: bool) -> None:
        self.answering = 0


def traffic(config: str, **weights: float) -> Traffic:
    variants = tuple(Variant(name, {}, "ml.m5.large", 2, weight, 60.0) for name, weight in weights.items())
    fleets = {variant.name: Named(variant, f"{config}/{variant.name}") for variant in variants}
    return whole(Deployment(config, variants, None, 0.0), fleets)


def shares(found: Traffic, target: str | None = None, times: int = 20_000) -> Mapping[str, float]:
    chance = random.Random(7)  # noqa: S311 - the same shares each time
    counted: Counter[str] = Counter()
    for _ in range(times):
        share = found.choose(target, chance)
        assert share is not None
        assert isinstance(share.fleet, Named)
        counted[share.fleet.name] += 1
    return {name: count / times for name, count in counted.items()}


def test_variants_answer_by_their_weights() -> None:
    assert shares(traffic("c", a=3.0, b=1.0)) == pytest.approx({"c/a": 0.75, "c/b": 0.25}, abs=0.02)
    assert shares(traffic("c", a=1.0, b=0.0)) == {"c/a": 1.0}
    assert shares(traffic("c", a=0.0, b=0.0)) == pytest.approx({"c/a": 0.5, "c/b": 0.5}, abs=0.02)


def test_two_fleets_of_a_variant_have_the_shares_asked_for_whatever_the_weights() -> None:
    between = mixed(traffic("c", a=3.0, b=1.0), traffic("d", a=30.0, b=10.0), {"a": 0.1, "b": 0.1})
    assert shares(between) == pytest.approx(
        {"c/a": 0.675, "c/b": 0.225, "d/a": 0.075, "d/b": 0.025}, abs=0.02
    )


def test_weights_of_one_endpoint_config_that_were_changed_meanwhile_count_apart() -> None:
    between = mixed(traffic("c", a=3.0, b=1.0), traffic("c", a=1.0, b=1.0), {"a": 0.5, "b": 0.5})
    assert shares(between) == pytest.approx({"c/a": 0.625, "c/b": 0.375}, abs=0.02)


def test_a_variant_that_is_named_answers_with_both_its_fleets() -> None:
    between = mixed(traffic("c", a=1.0, b=0.0), traffic("d", a=1.0, b=0.0), {"a": 0.2, "b": 0.2})
    assert shares(between, "b") == pytest.approx({"c/b": 0.8, "d/b": 0.2}, abs=0.02)
    assert between.choose("c") is None


def test_all_or_nothing_leaves_one_fleet() -> None:
    old, new = traffic("c", a=1.0), traffic("d", a=1.0)
    assert shares(mixed(old, new, {"a": 1.0})) == {"d/a": 1.0}
    assert shares(mixed(old, new, {"a": 0.0})) == {"c/a": 1.0}


def test_what_is_mixed_already_is_mixed_with_a_third() -> None:
    both = mixed(traffic("c", a=1.0), traffic("d", a=1.0), {"a": 0.5})
    assert shares(mixed(both, traffic("f", a=1.0), {"a": 0.5})) == pytest.approx(
        {"c/a": 0.25, "d/a": 0.25, "f/a": 0.5}, abs=0.02
    )


ALARM = {
    "Statistic": "Average",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0.5,
    "ComparisonOperator": "GreaterThanThreshold",
}
Measured = Sequence[tuple[float, float]]


@pytest.mark.parametrize(
    ("members", "measured", "fires"),
    [
        ({}, [(90.0, 1.0), (95.0, 1.0), (99.0, 0.0)], True),
        ({}, [(90.0, 1.0), (99.0, 0.0)], False),
        ({"ComparisonOperator": "GreaterThanOrEqualToThreshold"}, [(90.0, 1.0), (99.0, 0.0)], True),
        ({"ComparisonOperator": "LessThanThreshold"}, [(99.0, 0.4)], True),
        ({"ComparisonOperator": "LessThanOrEqualToThreshold"}, [(99.0, 0.5)], True),
        ({"ComparisonOperator": "LessThanLowerThreshold"}, [(99.0, 0.0)], False),
        ({"Statistic": "Sum", "Threshold": 2.0}, [(99.0, 1.0)] * 3, True),
        ({"Statistic": "Maximum"}, [(98.0, 0.0), (99.0, 0.6)], True),
        ({"Statistic": "Minimum"}, [(98.0, 0.0), (99.0, 0.6)], False),
        ({"Statistic": "SampleCount", "Threshold": 1.0}, [(98.0, 0.0), (99.0, 0.0)], True),
        ({}, [(30.0, 1.0)], False),
        ({}, [], False),
        ({"TreatMissingData": "breaching"}, [], True),
        ({"TreatMissingData": "notBreaching"}, [], False),
        ({"EvaluationPeriods": 2}, [(99.0, 1.0)], False),
        ({"EvaluationPeriods": 2}, [(30.0, 1.0), (99.0, 1.0)], True),
        ({"EvaluationPeriods": 3, "DatapointsToAlarm": 2}, [(-30.0, 1.0), (30.0, 0.0), (99.0, 1.0)], True),
        ({"Statistic": None, "ExtendedStatistic": "p90"}, [(99.0, value / 10) for value in range(10)], True),
        ({"Statistic": None, "ExtendedStatistic": "p50"}, [(99.0, value / 10) for value in range(10)], False),
        ({"Statistic": None, "ExtendedStatistic": "tm90"}, [(99.0, 9.0)], False),
    ],
)
def test_an_alarm_fires_as_cloudwatch_says(
    members: dict[str, Any], measured: Measured, *, fires: bool
) -> None:
    assert breaches({**ALARM, **members}, measured, 100.0) is fires


def waiting(**members: object) -> Faults:
    faults = Faults()
    faults.add({"operation": "UpdateEndpoint", "kind": "throttle", **members})
    return faults


def test_a_fault_befalls_so_many_calls_of_its_operation() -> None:
    faults = waiting(times=2)
    asked = ["CreateModel", "UpdateEndpoint", "UpdateEndpoint", "UpdateEndpoint"]
    assert [faults.of_call(operation) for operation in asked] == [None, Kind.THROTTLE, Kind.THROTTLE, None]
    assert faults.shown()[0]["times"] == 0


def test_a_share_of_the_calls_is_the_same_for_the_same_seed() -> None:
    def befallen(seed: int) -> list[bool]:
        faults = waiting(operation="*", share=0.3, seed=seed)
        return [faults.of_call(f"GET /{number}") is not None for number in range(1000)]

    assert befallen(1) == befallen(1)
    assert befallen(1) != befallen(2)
    assert 250 < sum(befallen(1)) < 350


def test_faults_of_changes_wait_for_what_begins_one() -> None:
    faults = Faults()
    faults.add({"operation": "*", "kind": "silent-rollback"})
    assert faults.of_call("UpdateEndpoint") is None
    assert faults.of_change("DeleteEndpoint") is None
    found = faults.of_change("UpdateEndpoint")
    assert found is not None
    assert found.kind is Kind.SILENT_ROLLBACK
    assert faults.of_change("UpdateEndpoint") is None


def test_lifting_ends_all_faults() -> None:
    faults = Faults()
    stuck = faults.add({"operation": "CreateEndpoint", "kind": "stuck"})
    faults.lift()
    assert stuck.lifted.is_set()
    assert faults.shown() == []


@pytest.mark.parametrize(
    "request_",
    [
        None,
        [],
        {"operation": "X"},
        {"kind": "throttle"},
        {"operation": "", "kind": "throttle"},
        {"operation": "X", "kind": "explode"},
        {"operation": "X", "kind": ["throttle"]},
        {"operation": "X", "kind": "throttle", "times": 0},
        {"operation": "X", "kind": "throttle", "times": True},
        {"operation": "X", "kind": "throttle", "share": 0},
        {"operation": "X", "kind": "throttle", "share": 1.1},
        {"operation": "X", "kind": "throttle", "seed": "x"},
        {"operation": "X", "kind": "throttle", "often": 3},
    ],
)
def test_what_is_no_fault_is_refused(request_: object) -> None:
    faults = Faults()
    with pytest.raises(ApiError) as caught:
        faults.add(request_)
    assert caught.value.code == "InvalidFault"
    assert faults.shown() == []
