"""The judge in a deployment, on fakes: it looks once a bake, and its lever is an alarm."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from orchestrator.core.alarms import Query, judge_alarm_name
from orchestrator.core.errors import (
    RolledBackError,
)
from orchestrator.core.resources import Variant
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.target import EndpointSpec, JudgeSpec
from orchestrator.usecases.change import Applied, Terms
from tests.support.engines import (
    CANARY,
    brought,
    made,
    serving,
    started,
)
from tests.support.fakes import FakeEdge

JUDGE = JudgeSpec(min_requests=100, min_samples=10)


def latencies(world: FakeEdge, new: Revision, slower: float) -> Callable[[Query], Sequence[float]]:
    def values(query: Query) -> Sequence[float]:
        is_new = dict(query.dimensions)["EndpointConfigName"] == new.name
        minutes = range(int((query.until - query.since) // 60))
        if query.metric == "ModelLatency":
            return [1000.0 * (slower if is_new else 1.0) + at for at in minutes]
        return [100.0 if query.metric == "Invocations" else 0.0 for _ in minutes]

    return values


def judged(world: FakeEdge, slower: float, judge: JudgeSpec = JUDGE) -> Applied:
    world.alarms.metrics = latencies(world, made("b"), slower)
    return brought(made("b"), world, Terms(CANARY, judge=judge))


def test_a_slower_fleet_is_rolled_back_by_the_judges_lever() -> None:
    world = started()
    with pytest.raises(RolledBackError) as caught:
        judged(world, 2.0)
    assert "the judge: worse" in dict(caught.value.details)["noticed"]
    assert world.cloud.calls.count(f"trip-alarm {judge_alarm_name(made('b').name)}") == 1
    assert serving(world).config == made("a").name


def test_a_fleet_that_is_no_worse_is_deployed_and_the_judge_is_heard_once() -> None:
    world = started()
    applied = judged(world, 1.0)
    assert [remark.partition(",")[0] for remark in applied.remarks] == ["the judge: no-worse"]
    assert not any(call.startswith("trip") for call in world.cloud.calls)


@pytest.mark.parametrize("policy", ["roll-back", "accept"])
def test_what_the_judge_cannot_tell_leads_to_what_the_spec_says(policy: str) -> None:
    world = started()
    picky = replace(JUDGE, min_requests=10_000_000, inconclusive=policy)
    if policy == "accept":
        assert judged(world, 1.0, picky).remarks[0].startswith("the judge: inconclusive")
    else:
        with pytest.raises(RolledBackError):
            judged(world, 1.0, picky)


def test_a_bake_in_which_only_the_new_fleet_serves_has_nothing_to_compare() -> None:
    world = started()
    world.alarms.metrics = latencies(world, made("b"), 1.0)
    final = replace(CANARY, final_bake_seconds=600)
    applied = brought(made("b"), world, Terms(final, judge=JUDGE))
    assert len(applied.remarks) == 1


def test_before_the_last_shared_bake_inconclusive_means_not_yet() -> None:
    world = started()
    linear = Rollout(Kind.LINEAR, Size(50), bake_seconds=1200, timeout_seconds=6000)
    thirds = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 3),))
    brought(made("c", thirds), world)
    trips: list[float] = []
    world.cloud.refuse = lambda call: trips.append(world.clock.now()) if call.startswith("trip") else None
    picky = replace(JUDGE, min_requests=10_000_000)
    world.alarms.metrics = latencies(world, made("d", thirds), 1.0)
    begun = world.clock.now()
    steps = replace(linear, size=Size(34))
    with pytest.raises(RolledBackError):
        brought(made("d", thirds), world, Terms(steps, judge=picky))
    assert len(trips) == 1
    assert trips[0] - begun > 1200 + 1000
