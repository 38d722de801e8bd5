"""The way back: what it needs is looked for before anything moves."""

from dataclasses import replace

import pytest

from orchestrator.core.errors import DeniedError, NotFoundError, RefusedError
from orchestrator.core.resources import Serverless, Variant
from orchestrator.core.rollout import Kind, Rollout
from orchestrator.core.scaling import Scaling
from orchestrator.core.steps import CreateEndpointConfig, CreateModel, UpdateEndpoint
from orchestrator.core.target import AlarmSpec, EndpointSpec
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.status import history
from tests.support.builders import prepared, revision
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.managed import made, put, simple


def deployed_twice() -> FakeEdge:
    world = fake_edge()
    for mark in "ab":
        deploy(prepared(revision(mark), world), world.edge(), SilentProgress())
    return world


def test_the_way_back_goes_through_the_rollout_it_is_told_and_is_recorded() -> None:
    world = deployed_twice()
    terms = Terms(Rollout(Kind.ALL_AT_ONCE, final_bake_seconds=60), AlarmSpec(error_percent=1.0))
    back = prepare_rollback("digits", None, world.edge(), reason="wrong labels", terms=terms)
    moves = [step for step in back.plan if isinstance(step, UpdateEndpoint)]
    assert [(step.config, step.rollout.final_bake_seconds) for step in moves] == [(revision("a").name, 60)]
    deploy(back, world.edge(), SilentProgress())
    assert world.cloud.endpoints["digits"].config == revision("a").name
    attempt = history(world.edge())[-1]
    assert (attempt.verb, attempt.outcome, attempt.reason) == ("rollback", "deployed", "wrong labels")


def test_a_revision_is_named_in_full_or_by_the_beginning_of_its_digest_or_its_name() -> None:
    world = deployed_twice()
    first = revision("a").name
    for wanted in (None, first, first.rpartition("-")[2][:6], first[:-4]):
        back = prepare_rollback("digits", wanted, world.edge())
        assert back.change.revision == revision("a")
    for unknown in ("", "ffffff", "digits-ffffffffffff", "digits-", "dig"):
        with pytest.raises(NotFoundError, match="does not have"):
            prepare_rollback("digits", unknown, world.edge())


def test_an_endpoint_config_and_a_model_that_are_gone_are_made_again() -> None:
    world = deployed_twice()
    first = revision("a")
    del world.cloud.configs[first.name]
    del world.cloud.models[first.model.name]
    back = prepare_rollback("digits", None, world.edge())
    made_again = [step for step in back.plan if isinstance(step, (CreateModel, CreateEndpointConfig))]
    assert len(made_again) == 2
    deploy(back, world.edge(), SilentProgress())
    assert world.cloud.endpoints["digits"].config == first.name


@pytest.mark.parametrize("what", ["artifact", "image", "role"])
def test_a_revision_that_could_not_start_is_refused_before_anything_moves(what: str) -> None:
    world = deployed_twice()
    match what:
        case "artifact":
            key = revision("a").model.artifact.removeprefix(world.store.url(""))
            del world.store.objects[key]
        case "image":
            world.account.image_problems = {"image:1": "no such digest"}
        case _:
            world.account.role_problems = {revision("a").model.role: "it trusts nobody"}
    calls, entries = list(world.cloud.calls), len(world.journal.shared)
    with pytest.raises(RefusedError) as caught:
        prepare_rollback("digits", None, world.edge())
    assert what in str(caught.value)
    assert caught.value.hint
    assert (world.cloud.calls, len(world.journal.shared)) == (calls, entries)


def test_what_may_not_be_looked_at_is_said_and_does_not_keep_us_from_going_back() -> None:
    world = deployed_twice()
    world.account.refusal = DeniedError("looking at 'image:1' is not permitted")
    back = prepare_rollback("digits", None, world.edge())
    said = {note.topic: note.says for note in back.notes}
    assert said["image"] == "it was not looked at: looking at 'image:1' is not permitted"
    assert "role" in said
    deploy(back, world.edge(), SilentProgress())
    assert world.cloud.endpoints["digits"].config == revision("a").name


def test_a_model_of_somebody_else_that_a_variant_needs_has_to_be_there() -> None:
    world = fake_edge()
    variants = (Variant("primary", "", "ml.m5.large", 1), Variant("champion", "theirs", "ml.m5.large", 1))
    put(world, made("a", EndpointSpec(variants=variants)))
    put(world, simple("b"))
    with pytest.raises(RefusedError, match="model 'theirs'"):
        prepare_rollback("digits", None, world.edge())


def test_the_autoscaling_of_the_revision_comes_back_with_it() -> None:
    world = fake_edge()
    first = replace(simple("a"), scalings=(Scaling("primary", 1, 4),))
    put(world, first)
    put(world, simple("b"))
    back = prepare_rollback("digits", None, world.edge())
    assert back.change.revision is not None
    assert back.change.revision.scalings == first.scalings


def test_there_is_no_way_back_from_instances_to_serverless() -> None:
    world = fake_edge()
    capacity = Variant("primary", "", serverless=Serverless(2048, 5))
    put(world, made("a", EndpointSpec(variants=(capacity,))))
    put(world, simple("b"))
    with pytest.raises(RefusedError) as caught:
        prepare_rollback("digits", None, world.edge())
    assert any("serverless" in fact for _, fact in caught.value.details)
