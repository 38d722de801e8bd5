"""What a sweep and a destruction take away, what they leave, and why."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orchestrator.core.errors import ConflictError
from orchestrator.core.resources import Endpoint, EndpointConfig, EndpointStatus, Model, Variant
from orchestrator.core.scaling import Dimension
from orchestrator.core.steps import DeleteEndpoint, RemoveScaling
from orchestrator.core.target import AlarmSpec
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.sweep import Sweep, prepare_sweep
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.managed import SCALING, Past, put, record, simple

MARKS = "abcd"
WATCHED = Past(alarm_spec=AlarmSpec(error_percent=1.0))


def world_of(marks: str = MARKS, past: Past | None = None) -> FakeEdge:
    world = fake_edge()
    for mark in marks:
        put(world, simple(mark), past)
    return world


def goes(sweep: Sweep) -> set[str]:
    return {one.name for one in sweep.goes}


def resources(*marks: str) -> set[str]:
    found = [simple(mark) for mark in marks]
    return {f"endpoint config {one.name}" for one in found} | {f"model {one.model.name}" for one in found}


def test_a_sweep_keeps_what_serves_and_as_many_ways_back_as_it_is_told() -> None:
    world = world_of()
    assert goes(prepare_sweep("digits", 1, world.edge())) == resources("a", "b")
    assert prepare_sweep("digits", 3, world.edge()).prepared.nothing_to_do


def test_a_sweep_says_of_everything_why_it_goes_or_stays() -> None:
    world = world_of(past=WATCHED)
    sweep = prepare_sweep("digits", 2, world.edge())
    why = {one.name: one.why for one in (*sweep.goes, *sweep.stays)}
    assert len(why) == 3 * len(MARKS)
    assert why[f"endpoint config {simple('d').name}"] == "the endpoint serves it"
    assert "one of the last 2" in why[f"endpoint config {simple('c').name}"]
    assert simple("c").name in why[f"model {simple('c').model.name}"]
    assert "nothing serves it" in why[f"endpoint config {simple('a').name}"]
    assert f"alarm {simple('a').name}-5xx" in goes(sweep)
    assert f"alarm {simple('d').name}-5xx" not in goes(sweep)


def test_planning_a_sweep_changes_nothing_and_carrying_it_out_leaves_what_it_said() -> None:
    world = world_of(past=WATCHED)
    sweep = prepare_sweep("digits", 1, world.edge())
    assert world.cloud.calls == []
    deploy(sweep.prepared, world.edge(), SilentProgress())
    assert set(world.cloud.configs) == {simple(mark).name for mark in "cd"}
    assert set(world.cloud.models) == {simple(mark).model.name for mark in "cd"}
    assert set(world.alarms.alarms) == {f"{simple(mark).name}-5xx" for mark in "cd"}
    assert prepare_sweep("digits", 1, world.edge()).prepared.nothing_to_do
    assert set(world.store.objects), "artifacts are the record, and stay"


def test_what_another_endpoint_serves_stays_whoever_made_that_endpoint() -> None:
    world = world_of()
    world.cloud.endpoints["other"] = Endpoint("other", simple("a").name, owned=False)
    sweep = prepare_sweep("digits", 1, world.edge())
    assert goes(sweep) == resources("b")
    assert {one.why for one in sweep.stays if simple("a").name in one.name} >= {"endpoint 'other' serves it"}


def test_what_another_endpoint_is_moving_to_stays() -> None:
    world = world_of()
    pending = Endpoint("other", "theirs", EndpointStatus.UPDATING, pending=simple("a").name)
    world.cloud.endpoints["other"] = pending
    assert goes(prepare_sweep("digits", 1, world.edge())) == resources("b")


def test_a_model_that_the_config_of_another_endpoint_refers_to_stays() -> None:
    world = world_of()
    model = simple("a").model.name
    world.cloud.configs["theirs"] = EndpointConfig("theirs", (Variant("v", model, "ml.m5.large", 1),))
    world.cloud.endpoints["other"] = Endpoint("other", "theirs", owned=False)
    sweep = prepare_sweep("digits", 1, world.edge())
    assert goes(sweep) == resources("a", "b") - {f"model {model}"}
    assert ("model " + model, "endpoint 'other' serves it") in {(one.name, one.why) for one in sweep.stays}


def test_an_attempt_without_an_end_keeps_what_it_asked_for() -> None:
    world = world_of()
    number = record(world, simple("a"), Past(outcome=""))
    sweep = prepare_sweep("digits", 1, world.edge())
    assert goes(sweep) == resources("b")
    assert f"attempt {number} has no end yet" in {one.why for one in sweep.stays}


def test_attempts_within_so_many_days_keep_what_they_asked_for_even_if_they_failed() -> None:
    world = world_of()
    world.clock.moment = datetime(2026, 8, 10, tzinfo=UTC).timestamp()
    recent = Past(outcome="rolled-back", at="2026-08-08T12:00:00.000+00:00")
    record(world, simple("a"), recent)
    assert goes(prepare_sweep("digits", 1, world.edge())) == resources("a", "b")
    assert goes(prepare_sweep("digits", 1, world.edge(), within_days=3)) == resources("b")
    assert goes(prepare_sweep("digits", 1, world.edge(), within_days=30)) == set()


def test_what_has_not_the_form_of_our_names_is_no_business_of_a_sweep() -> None:
    world = world_of()
    world.cloud.configs["digits-legacy"] = EndpointConfig(
        "digits-legacy", (Variant("v", "digits-old", "ml.m5.large", 1),)
    )
    world.cloud.models["digits-old"] = Model("digits-old", "image:1", "s3://x/y", "role")
    assert not any(
        "legacy" in name or "old" in name for name in goes(prepare_sweep("digits", 1, world.edge()))
    )


def test_other_endpoints_are_only_looked_at_if_there_is_anything_to_lose() -> None:
    world = world_of("ab")
    world.cloud.endpoints["other"] = Endpoint("other", "theirs")
    asked: list[str] = []
    watched = replace(world.edge(), inventory=Asked(world, asked))
    assert prepare_sweep("digits", 5, watched).prepared.nothing_to_do
    assert asked == []
    prepare_sweep("digits", 0, watched)
    assert asked == [""]


class Asked:
    """An inventory that notes which endpoints it was asked for."""

    def __init__(self, world: FakeEdge, asked: list[str]) -> None:
        self._inventory = world.cloud
        self._asked = asked
        self.observe, self.model, self.config = world.cloud.observe, world.cloud.model, world.cloud.config

    def endpoint_names(self, like: str) -> tuple[str, ...]:
        self._asked.append(like)
        return self._inventory.endpoint_names(like)


def test_a_destruction_takes_autoscaling_away_first_and_leaves_nothing_of_ours() -> None:
    world = fake_edge()
    put(world, simple("a", scalings=(SCALING,)), WATCHED)
    prepared = prepare_destroy("digits", world.edge())
    kinds = [type(step) for step in prepared.plan]
    assert kinds.index(RemoveScaling) < kinds.index(DeleteEndpoint)
    deploy(prepared, world.edge(), SilentProgress())
    assert (world.cloud.endpoints, world.cloud.configs, world.cloud.models) == ({}, {}, {})
    assert (world.autoscaling.scalings, world.alarms.alarms) == ({}, {})
    assert world.store.objects


def test_a_destruction_leaves_what_another_endpoint_serves_and_says_so() -> None:
    world = world_of("ab")
    world.cloud.endpoints["other"] = Endpoint("other", simple("a").name, owned=False)
    prepared = prepare_destroy("digits", world.edge())
    deploy(prepared, world.edge(), SilentProgress())
    assert set(world.cloud.configs) == {simple("a").name}
    assert set(world.cloud.models) == {simple("a").model.name}
    assert any("endpoint 'other' serves it" in note.says for note in prepared.notes)


@pytest.mark.parametrize("owned", [True, False])
def test_what_moves_or_is_not_ours_is_neither_swept_nor_destroyed(owned: bool) -> None:  # noqa: FBT001 - a parameter of the test
    world = world_of()
    seen = world.cloud.endpoints["digits"]
    moving = replace(seen, status=EndpointStatus.UPDATING, pending="theirs")
    world.cloud.endpoints["digits"] = moving if owned else replace(seen, owned=False)
    for plan in (
        lambda: prepare_sweep("digits", 1, world.edge()),
        lambda: prepare_destroy("digits", world.edge()),
    ):
        with pytest.raises(ConflictError):
            plan()


def test_autoscaling_of_somebody_else_does_not_outlive_the_endpoint() -> None:
    world = world_of("a")
    world.autoscaling.scalings["digits", "primary", Dimension.INSTANCES] = SCALING
    deploy(prepare_destroy("digits", world.edge()), world.edge(), SilentProgress())
    assert world.autoscaling.scalings == {}
