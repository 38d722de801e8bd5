"""Statistics of CloudWatch, the store of datapoints, and what SageMaker counts."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from orchestrator.localcloud import gauges
from orchestrator.localcloud.cloudwatch.metrics import Invocation, Mode, measurements
from orchestrator.localcloud.cloudwatch.series import Series, metric
from orchestrator.localcloud.cloudwatch.statistics import (
    condensed,
    is_statistic,
    is_too_few,
    merged,
    sample_of,
    statistic,
    statistic_set,
)
from orchestrator.localcloud.dataplane.asynchronous import Backlog
from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.gauges import Gauges, Load, used
from orchestrator.localcloud.world import Place, Scope
from orchestrator.localcloud.worlds import Worlds
from tests.support.consoles import Group, MadeUp, Process, deployment

if TYPE_CHECKING:
    from orchestrator.localcloud.fleets.fleet import Fleet

HUNDRED = sample_of({float(value): 1.0 for value in range(1, 101)})
PLACE = Place(Scope("123456789012", "eu-west-1"), "e")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Sum", 5050.0),
        ("Average", 50.5),
        ("Minimum", 1.0),
        ("Maximum", 100.0),
        ("SampleCount", 100.0),
        ("p0", 1.0),
        ("p50", 50.0),
        ("p99.9", 100.0),
        ("p100", 100.0),
        ("tm90", 45.5),
        ("TM(2%:98%)", 50.5),
        ("TM(90:)", 95.5),
        ("tc90", 90.0),
        ("TC(10:20)", 10.0),
        ("ts90", 4095.0),
        ("TS(:3)", 6.0),
        ("PR(:30)", 30.0),
        ("PR(10:20)", 10.0),
        ("IQM", 50.5),
        ("wm98", (sum(range(1, 99)) + 2 * 98) / 100),
        ("WM(10:90)", (10 * 10 + sum(range(11, 91)) + 10 * 90) / 100),
    ],
)
def test_a_statistic_is_what_the_user_guide_defines(name: str, value: float) -> None:
    found = statistic(name, HUNDRED)
    assert found == pytest.approx(value)


@pytest.mark.parametrize("name", ["median", "p101", "p", "PR(1%:2%)", "TM(:)", "TM(1%:2)", "average"])
def test_what_cloudwatch_does_not_know_is_no_statistic(name: str) -> None:
    assert not is_statistic(name)


def test_a_statistic_set_has_no_percentiles_unless_all_its_values_are_equal() -> None:
    assert statistic("p50", statistic_set(3.0, 9.0, 1.0, 5.0)) is None
    assert statistic("Average", statistic_set(3.0, 9.0, 1.0, 5.0)) == 3.0
    assert statistic("p50", statistic_set(3.0, 9.0, 3.0, 3.0)) == 3.0


def test_very_many_different_values_are_rounded_but_neither_lost_nor_summed_wrongly() -> None:
    parts = [sample_of({100_000.0 + part * 100 + value: 1.0 for value in range(100)}) for part in range(50)]
    everything = merged(parts)
    assert everything is not None
    whole = condensed(everything)
    assert whole.values is not None
    assert len(whole.values) < 1000
    assert (whole.count, whole.least, whole.most) == (5000.0, 100_000.0, 104_999.0)
    assert whole.total == sum(part.total for part in parts)
    assert statistic("p50", whole) == pytest.approx(102_500.0, rel=0.01)


@pytest.mark.parametrize(
    ("name", "count", "few"),
    [("p99", 999, True), ("p99", 1000, False), ("p10", 99, True), ("p10", 100, False), ("Sum", 1, False)],
)
def test_percentiles_need_enough_values_to_be_significant(name: str, count: int, *, few: bool) -> None:
    assert is_too_few(name, sample_of({1.0: float(count)})) is few


def test_series_return_what_was_measured_between_two_moments_in_whatever_order_it_came() -> None:
    series, what = Series(), metric("N", "M", {"b": "2", "a": "1"})
    for moment, value in ((10.9, 1.0), (12.0, 2.0), (10.1, 3.0), (14.5, 4.0)):
        series.put(what, moment, sample_of({value: 1.0}))
    found = series.between(metric("N", "M", {"a": "1", "b": "2"}), 10, 14)
    assert [(moment, sample.total) for moment, sample in found] == [(10, 4.0), (12, 2.0)]
    assert series.between(metric("N", "M", {"a": "1"}), 0, math.inf) == []


def test_units_are_kept_apart_and_read_together() -> None:
    series, what = Series(), metric("N", "M", {})
    series.put(what, 1.0, sample_of({1.0: 1.0}), "Seconds")
    series.put(what, 1.0, sample_of({2.0: 1.0}), "Count")
    assert len(series.between(what, 0, 9)) == 2
    assert [sample.total for _, sample in series.between(what, 0, 9, "Count")] == [2.0]
    assert series.between(what, 0, 9, "Bytes") == []


def test_seconds_become_minutes_after_three_hours_and_nothing_is_lost_by_it() -> None:
    series, what, hours = Series(), metric("N", "M", {}), 5
    for second in range(hours * 3600):
        series.put(what, second, sample_of({float(second % 7): 2.0}))
    found = series.between(what, 0, math.inf)
    assert sum(sample.count for _, sample in found) == 2.0 * hours * 3600
    assert len(found) < 3.3 * 3600
    assert statistic("p50", merged(sample for _, sample in found) or HUNDRED) == 3.0


def counted(invocations: list[Invocation]) -> dict[tuple[str, int], Mapping[float, float]]:
    return {(one.name, len(one.dimensions)): one.values for one in measurements(invocations)}


def test_invocations_amount_to_what_sagemaker_counts() -> None:
    found = counted(
        [Invocation(PLACE, "v", "c", status, 7, 5.0, overhead_us=3, instances=4, concurrent=2) for status in
         (200, 200, 404, 503, 0)]
    )  # fmt: skip
    # Once by endpoint and variant, and once by the endpoint config as well.
    for dimensions in (2, 3):
        assert found.pop(("Invocations", dimensions)) == {1.0: 5.0}
        assert found.pop(("InvocationsPerInstance", dimensions)) == {0.25: 5.0}
        assert found.pop(("Invocation4XXErrors", dimensions)) == {0.0: 4.0, 1.0: 1.0}
        assert found.pop(("Invocation5XXErrors", dimensions)) == {0.0: 3.0, 1.0: 2.0}
        assert found.pop(("InvocationModelErrors", dimensions)) == {0.0: 2.0, 1.0: 3.0}
        assert found.pop(("ModelLatency", dimensions)) == {7.0: 5.0}
        assert found.pop(("OverheadLatency", dimensions)) == {3.0: 5.0}
        assert found.pop(("ConcurrentRequestsPerModel", dimensions)) == {0.5: 5.0}
    assert found == {}


def test_only_serverless_endpoints_have_a_setup_time_and_only_of_cold_starts() -> None:
    modes = [(Mode.SERVERLESS, 900), (Mode.SERVERLESS, 0)]
    found = counted([Invocation(PLACE, "v", "c", 200, 7, 5.0, setup_us=us, mode=mode) for mode, us in modes])
    assert found["ModelSetupTime", 2] == {900.0: 1.0}
    assert ("InvocationsPerInstance", 2) not in found


def test_asynchronous_endpoints_have_neither_invocations_nor_overhead() -> None:
    found = counted([Invocation(PLACE, "v", "c", 200, 7, 5.0, mode=Mode.ASYNC)])
    assert {name for name, _ in found} == {
        "Invocation4XXErrors",
        "Invocation5XXErrors",
        "InvocationModelErrors",
        "ModelLatency",
    }


def test_an_inference_component_is_counted_by_its_name_as_well_and_by_each_of_its_copies() -> None:
    found = counted([Invocation(PLACE, "v", "c", 200, 7, 5.0, component="part", instances=4, concurrent=2)])
    assert found["Invocations", 1] == {1.0: 1.0}
    assert found["InvocationsPerCopy", 1] == {0.25: 1.0}
    assert found["ConcurrentRequestsPerCopy", 1] == {0.5: 1.0}
    assert ("InvocationsPerCopy", 2) not in found


def test_a_serverless_variant_says_how_much_of_its_concurrency_is_used() -> None:
    found = counted(
        [
            Invocation(PLACE, "v", "c", 200, 7, 5.0, concurrent=busy, mode=Mode.SERVERLESS, most=(8, 2))
            for busy in (1, 2, 4)
        ]
    )
    assert found["ServerlessConcurrentExecutionsUtilization", 2] == {0.125: 1.0, 0.25: 1.0, 0.5: 1.0}
    assert found["ServerlessProvisionedConcurrencyUtilization", 2] == {0.5: 1.0, 1.0: 1.0, 2.0: 1.0}
    assert found["ServerlessProvisionedConcurrencyExecutions", 2] == {1.0: 1.0, 2.0: 1.0, 4.0: 1.0}
    assert found["ServerlessProvisionedConcurrencyInvocations", 2] == {1.0: 2.0}
    assert found["ServerlessProvisionedConcurrencySpilloverInvocations", 2] == {1.0: 1.0}


def test_the_load_of_an_instance_is_that_of_its_process_and_all_that_it_has_started() -> None:
    loads = {7: Load(1, 1.0, 100), 8: Load(7, 2.0, 10), 9: Load(8, 4.0, 1), 10: Load(1, 8.0, 1000)}
    assert used(7, loads) == (7.0, 111)
    assert used(11, loads) == (0, 0)


def measuring(worlds: Worlds, folder: Path) -> Gauges:
    """Return what measures this process as the one instance of every endpoint."""
    made = deployment("e-1")
    (variant,) = made.variants
    share = Share(cast("Fleet", Group(variant, (Process("i-0", os.getpid()),))), variant, made, 1.0)
    return Gauges(worlds, lambda _: Traffic((share,)), lambda _: Backlog(0, 0.0), folder)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="this machine does not say what processes use")
def test_the_load_of_an_instance_is_measured_by_endpoint_and_variant(tmp_path: Path) -> None:
    made_up = MadeUp()
    made_up.put("e", {"e-1": 1.0})
    measure = measuring(made_up.worlds, tmp_path / "not-made-yet")
    assert {gauge.name for gauge in measure()} == {"MemoryUtilization", "DiskUtilization"}
    found = {gauge.name: gauge for gauge in measure()}
    assert set(found) == {"CPUUtilization", "MemoryUtilization", "DiskUtilization"}
    for gauge in found.values():
        assert (gauge.namespace, gauge.unit) == ("/aws/sagemaker/Endpoints", "Percent")
        assert gauge.dimensions == {"EndpointName": "e", "VariantName": "primary"}
    assert 0 < found["MemoryUtilization"].value < 100


def test_without_endpoints_no_process_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        pytest.fail("processes were looked at for nobody")

    monkeypatch.setattr(gauges, "all_loads", fail)
    made_up = MadeUp()
    made_up.worlds.put(made_up.worlds.at(PLACE.scope))
    assert list(measuring(made_up.worlds, tmp_path)()) == []
