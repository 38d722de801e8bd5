"""A plan in a file: what it holds, that it is carried out as it was shown, and when it is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core import savedplan
from orchestrator.core.errors import ConflictError, OrchestratorError, RefusedError
from orchestrator.core.resources import State
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.savedplan import SavedPlan, decode, encode, observed_digest
from orchestrator.core.spec import ModelSpec, Spec
from orchestrator.core.target import EndpointSpec, Target
from orchestrator.usecases import saving
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.plan import Prepared
from tests.support.builders import endpoint, prepared, revision
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge

PLAN = SavedPlan(
    endpoint="digits",
    environment="prod",
    account="123456789012",
    region="eu-west-1",
    artifact="a" * 64,
    revision="digits-0123456789ab",
    steps=("+ model digits-1", "+ endpoint digits: digits-0123456789ab"),
    observed="0" * 64,
    terms="1" * 64,
    made_at="2026-11-22T12:00:00+00:00",
    by="arn:aws:iam::123456789012:user/ada",
)
TARGET = Target("prod", "eu-west-1", "bucket", "role", EndpointSpec(), 5, "profile")
SPEC = Spec("digits", str(Path("project")), ModelSpec("model.pt", None), TARGET)


def saved(change: Prepared, world: FakeEdge) -> SavedPlan:
    return decode(encode(saving.save(change, SPEC, world.edge())))


def test_a_plan_reads_back_as_it_was_saved() -> None:
    assert decode(encode(PLAN)) == PLAN


def test_a_plan_is_text_for_people() -> None:
    lines = encode(PLAN).decode().splitlines()
    assert '  "endpoint": "digits",' in lines


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace("digits-0123456789ab", "digits-ba9876543210"),
        lambda text: text.replace("  ", " "),
        lambda text: text.rstrip(),
        lambda text: text + "\n",
        lambda text: text.replace('"version": 1', '"version": true'),
        lambda text: text.replace('"version": 1', '"version": 1.0'),
        lambda text: text[:0],
        lambda text: text[:0] + "[]",
        lambda text: text[:0] + "{}",
        lambda text: text[:0] + '"digest"',
        lambda text: text[:0] + "[" * 100_000,
        lambda text: text.replace("prod", "pr\\u006fd"),
    ],
)
def test_a_plan_that_was_edited_is_refused(edit: object) -> None:
    assert callable(edit)
    with pytest.raises(RefusedError, match="the saved plan cannot be used") as caught:
        decode(edit(encode(PLAN).decode()).encode())
    assert caught.value.exit_code == 3


def test_a_plan_with_a_digest_that_fits_and_fields_that_do_not_is_refused() -> None:
    record = json.loads(encode(PLAN))
    del record["digest"]
    for changed in ({**record, "steps": 1}, {**record, "more": ""}, {**record, "version": 2}):
        text = json.dumps({**changed, "digest": savedplan.digest(changed)}, indent=2, sort_keys=True) + "\n"
        with pytest.raises(RefusedError):
            decode(text.encode())


def test_the_plan_that_was_saved_may_be_carried_out_while_nothing_changes() -> None:
    world = fake_edge()
    plan = saved(prepared(revision("a"), world), world)
    world.clock.sleep(3600)
    again = prepared(revision("a"), world)
    saving.check(plan, again, SPEC, world.edge())
    assert plan.account == "123456789012"
    assert plan.revision == revision("a").name


def test_a_saved_plan_is_refused_once_the_world_has_changed() -> None:
    world = fake_edge()
    plan = saved(prepared(revision("b"), world), world)
    deploy(prepared(revision("a"), world), world.edge(), SilentProgress())
    with pytest.raises(ConflictError, match="is not what would be done now") as caught:
        saving.check(plan, prepared(revision("b"), world), SPEC, world.edge())
    labels = {label for label, _ in caught.value.details}
    assert {"not any more", "new", "world", "state"} <= labels
    assert caught.value.exit_code == 7


def test_a_saved_plan_is_refused_for_another_revision_other_terms_and_another_place() -> None:
    world = fake_edge()
    change = prepared(revision("a"), world)
    plan = saved(change, world)

    def differing(now: Prepared, spec: Spec = SPEC) -> set[str]:
        with pytest.raises(ConflictError) as caught:
            saving.check(plan, now, spec, world.edge())
        return {label for label, _ in caught.value.details} - {"state"}

    canary = Terms(Rollout(Kind.CANARY, Size(10)))
    assert differing(replace(change, change=replace(change.change, terms=canary))) == {"terms"}
    elsewhere = replace(SPEC, target=replace(TARGET, environment="test", region="us-east-1"))
    assert differing(change, elsewhere) == {"environment", "region"}
    assert {"artifact", "revision"} <= differing(prepared(revision("b"), world))


def test_whether_somebody_waits_is_no_other_plan() -> None:
    world = fake_edge()
    change = prepared(revision("a"), world)
    hasty = replace(change, change=replace(change.change, terms=Terms(wait=False)))
    saving.check(saved(change, world), hasty, SPEC, world.edge())


def test_what_changes_by_itself_is_no_other_world() -> None:
    seen = endpoint(last_modified=1.0)
    (variant,) = seen.variants
    scaled = replace(variant, current_count=7, desired_count=7)
    later = replace(seen, last_modified=2.0, failure_reason="?", variants=(scaled,))
    assert observed_digest(State(endpoint=seen)) == observed_digest(State(endpoint=later))


def test_what_somebody_has_changed_is_another_world() -> None:
    seen = endpoint()
    (variant,) = seen.variants
    states = [
        State(),
        State(endpoint=seen),
        State(endpoint=replace(seen, config="digits-other")),
        State(endpoint=replace(seen, pending="digits-other")),
        State(endpoint=replace(seen, variants=(replace(variant, desired_weight=0.5),))),
        State(endpoint=seen, configs=frozenset({revision("a").config})),
        State(endpoint=seen, models=frozenset({revision("a").model})),
        State(endpoint=seen, alarms=frozenset({"digits-5xx"})),
    ]
    assert len({observed_digest(state) for state in states}) == len(states)


def test_an_artifact_that_is_there_need_not_be_built() -> None:
    world = fake_edge()
    plan = saved(prepared(revision("a"), world), world)
    assert saving.artifact_is_there(plan, SPEC, world.edge())
    assert not saving.artifact_is_there(replace(plan, artifact="f" * 64), SPEC, world.edge())


def test_a_saved_plan_holds_no_value_of_the_environment() -> None:
    world = fake_edge()
    change = prepared(revision("a"), world)
    wanted = revision("a")
    secretive = replace(wanted, model=replace(wanted.model, environment=(("TOKEN", "hunter2"),)))
    observed = State(models=frozenset({secretive.model}))
    change = replace(change, change=replace(change.change, revision=secretive, observed=observed))
    assert b"hunter2" not in encode(saving.save(change, SPEC, world.edge()))


def test_only_a_deployment_is_saved() -> None:
    world = fake_edge()
    change = prepared(revision("a"), world)
    with pytest.raises(AssertionError):
        saving.save(replace(change, change=replace(change.change, revision=None)), SPEC, world.edge())
    assert issubclass(RefusedError, OrchestratorError)
