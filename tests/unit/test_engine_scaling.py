"""What a deployment keeps, on fakes: sizes that an autoscaler owns, autoscaling, alarms."""

from dataclasses import replace

import pytest

from orchestrator.core import journal
from orchestrator.core.alarms import Alarm
from orchestrator.core.errors import (
    ConflictError,
    DeniedError,
    NotVerifiedError,
    RolledBackError,
)
from orchestrator.core.resources import EndpointStatus, Variant, VariantStatus
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.steps import DeleteAlarms, PutAlarm
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.plan import Wish, prepare
from orchestrator.usecases.resume import prepare_resume
from tests.support.builders import CASE, publish
from tests.support.engines import WATCHED, brought, made, planned, serving, started
from tests.support.fakes import FakeEdge, SilentProgress

SCALING = Scaling(
    "primary", 2, 10, tracking=(TargetTracking("t", "SageMakerVariantInvocationsPerInstance", 60),)
)


def scaled(world: FakeEdge) -> Scaling:
    (found,) = world.autoscaling.observe("digits", ["primary"])
    return found


def scale_out(world: FakeEdge, count: int) -> None:
    fleet = (VariantStatus("primary", count, count),)
    world.cloud.endpoints["digits"] = replace(serving(world), variants=fleet)


def test_an_autoscaled_fleet_keeps_its_size_and_loses_nothing_while_it_moves() -> None:
    world = started(scalings=(SCALING,))
    scale_out(world, 7)
    brought(made("b", scalings=(SCALING,)), world)
    assert [status.desired_count for status in serving(world).variants] == [7]
    assert scaled(world) == SCALING
    order = [call.partition(" ")[0] for call in world.cloud.calls]
    assert order.index("suspend-scaling") < order.index("update-endpoint") < order.index("put-scaling")


def test_other_machines_are_put_under_an_autoscaler_by_taking_it_away_for_a_while() -> None:
    world = started(scalings=(SCALING,))
    bigger = EndpointSpec(variants=(Variant("primary", "", "ml.m5.xlarge", 2),))
    brought(made("b", bigger, (SCALING,)), world)
    assert scaled(world) == SCALING
    assert "remove-scaling digits primary" in world.cloud.calls


@pytest.mark.parametrize("instance_type", ["ml.m5.large", "ml.m5.xlarge"])
def test_after_a_rollback_autoscaling_is_what_it_was(instance_type: str) -> None:
    world = started(scalings=(SCALING,))
    world.cloud.outcomes = ["rolled-back"]
    spec = EndpointSpec(variants=(Variant("primary", "", instance_type, 2),))
    with pytest.raises(RolledBackError):
        brought(made("b", spec, (SCALING,)), world)
    assert scaled(world) == SCALING


@pytest.mark.parametrize("instance_type", ["ml.m5.large", "ml.m5.xlarge"])
def test_autoscaling_that_a_killed_attempt_held_is_given_back_when_the_next_one_fails(
    instance_type: str,
) -> None:
    world = started(scalings=(SCALING,))
    spec = EndpointSpec(variants=(Variant("primary", "", instance_type, 2),))
    wanted = made("b", spec, (SCALING,))

    def stop(call: str) -> None:
        if call.startswith("update-endpoint"):
            raise KeyboardInterrupt

    world.cloud.refuse = stop
    with pytest.raises(KeyboardInterrupt):
        brought(wanted, world)
    assert world.autoscaling.observe("digits", ["primary"]) != frozenset({SCALING})
    world.cloud.refuse = lambda _: None
    world.cloud.outcomes = ["rolled-back"]
    rest = prepare_resume("digits", world.edge(), keep_revisions=5)
    assert rest is not None
    with pytest.raises(RolledBackError):
        deploy(rest, world.edge(), SilentProgress())
    assert scaled(world) == SCALING


def test_autoscaling_that_cannot_be_put_back_is_said_to_be_held() -> None:
    world = started(scalings=(SCALING,))
    world.cloud.outcomes = ["rolled-back"]

    def refuse(call: str) -> None:
        if call.startswith("put-scaling"):
            raise DeniedError("scaling is not permitted")

    world.cloud.refuse = refuse
    with pytest.raises(RolledBackError) as caught:
        brought(made("b", scalings=(SCALING,)), world)
    assert "takes nothing away until" in dict(caught.value.details)["autoscaling"]
    world.cloud.refuse = lambda _: None
    brought(made("c", scalings=(SCALING,)), world)
    assert scaled(world) == SCALING


def test_autoscaling_that_the_spec_no_longer_has_is_taken_away_and_somebody_elses_is_not() -> None:
    world = started(scalings=(SCALING,))
    brought(made("a"), world)
    assert world.autoscaling.scalings == {}
    world.autoscaling.put("digits", SCALING)
    brought(made("b"), world)
    assert scaled(world) == SCALING


def test_weights_and_sizes_that_somebody_changed_are_set_right() -> None:
    world = started()
    world.cloud.endpoints["digits"] = replace(
        serving(world), variants=(VariantStatus("primary", 3, 3, 0.5, 0.5),)
    )
    brought(made("a"), world)
    assert serving(world).variants == (VariantStatus("primary", 2, 2, 1.0, 1.0),)


def test_generated_alarms_watch_the_new_fleet_and_go_with_their_endpoint_config() -> None:
    world = started()
    for mark in "bcd":
        publish(made(mark), world)
        wish = Wish(made(mark), journal.DEPLOY, (CASE,), 1, terms=WATCHED)
        deploy(prepare(wish, world.edge()), world.edge(), SilentProgress())
    kept = {made(mark).name for mark in "cd"}
    assert {name.rpartition("-")[0] for name in world.alarms.alarms} == kept


def test_where_a_wrong_answer_leaves_no_way_back_autoscaling_is_what_it_was() -> None:
    world = started(scalings=(SCALING,))
    change = planned(made("b", scalings=(SCALING,)), world)
    world.store.objects = {key: at for key, at in world.store.objects.items() if "a" * 64 not in key}
    world.fingerprints[made("b", scalings=(SCALING,)).name] = "somebody else's"
    with pytest.raises(NotVerifiedError) as caught:
        deploy(change, world.edge(), SilentProgress())
    assert "its artifact is gone" in dict(caught.value.details)["way back"]
    assert scaled(world) == SCALING


def test_alarms_of_others_are_left_alone_whatever_they_are_called() -> None:
    world = started()
    others = {"digits-mine", "digits-eu-0123456789ab-5xx", "digits-0123456789ab-mine"}
    world.alarms.alarms = {name: Alarm(name) for name in (*others, "digits-0123456789ab-5xx")}
    brought(made("b"), world)
    assert set(world.alarms.alarms) == others


def test_an_alarm_that_an_earlier_attempt_left_is_made_anew_before_the_endpoint_moves() -> None:
    world = started()
    first = planned(made("b"), world, WATCHED).plan
    (alarm, *_) = (step.alarm for step in first if isinstance(step, PutAlarm))
    assert not any(isinstance(step, DeleteAlarms) for step in first)
    world.alarms.put(alarm)
    again = planned(made("b"), world, WATCHED).plan
    assert again.index(DeleteAlarms((alarm.name,))) < again.index(PutAlarm(alarm))


@pytest.mark.parametrize("status", [EndpointStatus.IN_SERVICE, EndpointStatus.FAILED])
def test_somebody_elses_autoscaling_forbids_other_machines_where_there_are_any(
    status: EndpointStatus,
) -> None:
    world = started()
    world.autoscaling.put("digits", SCALING)
    world.cloud.endpoints["digits"] = replace(serving(world), status=status)
    bigger = made("b", EndpointSpec(variants=(Variant("primary", "", "ml.m5.xlarge", 2),)))
    if status is EndpointStatus.FAILED:
        assert planned(bigger, world).plan != ()
        return
    with pytest.raises(ConflictError, match="somebody else's autoscaling"):
        planned(bigger, world)
