"""What a deployment does to the world, on fakes: the outcomes, the journal, and the way back."""

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import (
    CloudError,
    ConflictError,
    DeniedError,
    NotFoundError,
    RefusedError,
    RolledBackError,
    StillMovingError,
    UnhealthyError,
)
from orchestrator.core.golden import Response
from orchestrator.core.resources import EndpointStatus
from orchestrator.core.revision import Revision
from orchestrator.usecases.build import check_golden
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.status import history, status
from orchestrator.usecases.sweep import prepare_sweep
from tests.support.builders import CASE, prepared, revision
from tests.support.fakes import FakeEdge, FakeJournal, SilentProgress, fake_edge


def deployed(world: FakeEdge, *wanted: Revision) -> None:
    for one in wanted:
        deploy(prepared(one, world), world.edge(), SilentProgress())


def serving(world: FakeEdge) -> str:
    found = world.cloud.endpoint("digits")
    assert found is not None
    return found.config


def outcomes(world: FakeEdge) -> list[tuple[str, str]]:
    return [(attempt.verb, attempt.outcome) for attempt in history(world.edge())]


def test_a_first_deployment_creates_everything_and_asks_the_golden_cases() -> None:
    world, progress = fake_edge(), SilentProgress()
    wanted = revision("a")
    deploy(prepared(wanted, world), world.edge(), progress)
    assert serving(world) == wanted.name
    assert progress.asked == [CASE.name]
    assert outcomes(world) == [("deploy", "deployed")]


def test_deploying_the_same_again_has_nothing_to_do() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    assert prepared(revision("a"), world).nothing_to_do


def test_an_update_keeps_as_many_ways_back_as_it_was_told_and_so_does_a_sweep() -> None:
    world = fake_edge()
    for mark in "abcd":
        deploy(prepared(revision(mark), world, keep=2), world.edge(), SilentProgress())
    assert set(world.cloud.configs) == {revision(mark).name for mark in "bcd"}
    assert set(world.cloud.models) == {revision(mark).model.name for mark in "bcd"}
    assert prepare_sweep("digits", 2, world.edge()).prepared.nothing_to_do
    deploy(prepare_sweep("digits", 1, world.edge()).prepared, world.edge(), SilentProgress())
    assert set(world.cloud.configs) == {revision(mark).name for mark in "cd"}


def test_a_silent_rollback_is_told_from_success_and_says_what_the_container_wrote() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.cloud.outcomes = ["rolled-back"]
    change = prepared(revision("b"), world)
    for line in ("Traceback (most recent call last):", "  File ...", "KeyError: 'CALIBRATION'"):
        world.logs.lines.append((world.clock.now() + 1, line))
    with pytest.raises(RolledBackError) as caught:
        deploy(change, world.edge(), SilentProgress())
    details = dict(caught.value.details)
    assert details["log"] == "KeyError: 'CALIBRATION'"
    assert details["AWS"] == "gave no reason"
    assert details["step"].startswith("3 of 3, ~ endpoint digits")
    assert details["state"] == "the previous revision serves all traffic; 2 unused resources remain"
    assert caught.value.exit_code == 4
    assert serving(world) == revision("a").name
    assert outcomes(world)[-1] == ("deploy", "rolled-back")


def test_after_a_rollback_the_old_revision_is_still_there_and_a_good_one_deploys() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.cloud.outcomes = ["rolled-back"]
    with pytest.raises(RolledBackError):
        deployed(world, revision("b"))
    assert revision("a").name in world.cloud.configs
    deployed(world, revision("c"))
    assert serving(world) == revision("c").name


def test_a_log_that_cannot_be_read_does_not_hide_the_rollback() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.cloud.outcomes = ["rolled-back"]
    world.logs.refusal = DeniedError("reading the log of endpoint 'digits' is not permitted")
    with pytest.raises(RolledBackError) as caught:
        deployed(world, revision("b"))
    assert dict(caught.value.details)["log"].startswith("it could not be read: reading the log")


def test_an_endpoint_that_can_no_longer_be_watched_is_said_to_go_on() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    change = prepared(revision("b"), world)
    world.cloud.blind_after_update = True
    with pytest.raises(CloudError) as caught:
        deploy(change, world.edge(), SilentProgress())
    goes_on = f"the change goes on towards '{revision('b').name}' without us"
    assert dict(caught.value.details)["state"] == goes_on
    world.cloud.blind = world.cloud.blind_after_update = False
    deployed(world, revision("b"))
    assert serving(world) == revision("b").name


def test_an_endpoint_that_cannot_be_asked_is_said_to_serve_unchecked() -> None:
    world = fake_edge()
    world.refusal = DeniedError("invoking endpoint 'digits' is not permitted")
    with pytest.raises(DeniedError) as caught:
        deployed(world, revision("a"))
    assert dict(caught.value.details)["state"].endswith("its answers are not checked")
    assert outcomes(world) == [("deploy", "denied")]


@pytest.mark.parametrize("outcome", ["Failed", "OutOfService"])
def test_an_endpoint_that_ends_unhealthy_has_its_own_exit_code(outcome: str) -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.cloud.outcomes = [outcome]
    with pytest.raises(UnhealthyError) as caught:
        deployed(world, revision("b"))
    assert caught.value.exit_code == 5
    assert outcomes(world)[-1] == ("deploy", "unhealthy")


def test_a_failed_first_deployment_can_be_deployed_over() -> None:
    world = fake_edge()
    world.cloud.outcomes = ["Failed"]
    with pytest.raises(UnhealthyError):
        deployed(world, revision("a"))
    deployed(world, revision("b"))
    assert serving(world) == revision("b").name


def test_a_change_that_outlasts_our_patience_goes_on_and_is_picked_up_again() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.cloud.takes_seconds = 2000
    with pytest.raises(StillMovingError) as caught:
        deployed(world, revision("b"))
    assert caught.value.exit_code == 8
    world.clock.sleep(1500)
    deployed(world, revision("b"))
    assert serving(world) == revision("b").name
    assert [step for step in world.cloud.calls if step.startswith("update")] == [
        f"update-endpoint digits {revision('b').name}"
    ]


def test_a_new_revision_that_answers_wrongly_is_taken_back() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.fingerprints[revision("b").name] = "somebody else's"
    with pytest.raises(RolledBackError) as caught:
        deployed(world, revision("b"))
    assert "answered with the fingerprint" in dict(caught.value.details)["golden"]
    assert serving(world) == revision("a").name
    assert outcomes(world) == [("deploy", "deployed"), ("deploy", "not-verified"), ("rollback", "deployed")]


def test_a_first_revision_that_answers_wrongly_leaves_an_unhealthy_endpoint() -> None:
    world = fake_edge()
    world.body = b'{"label": "1"}'
    with pytest.raises(UnhealthyError) as caught:
        deployed(world, revision("a"))
    assert dict(caught.value.details)["golden"] == "body.label is '1', not '7'"
    assert caught.value.exit_code == 5


def test_where_the_journal_knows_no_way_back_the_wrong_answer_is_what_is_said() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.journal = FakeJournal("digits")
    world.fingerprints[revision("b").name] = "somebody else's"
    with pytest.raises(UnhealthyError, match="fails golden case") as caught:
        deployed(world, revision("b"))
    assert caught.value.__cause__ is None
    assert serving(world) == revision("b").name


def test_a_deployment_that_was_killed_after_its_last_step_gets_its_record_by_deploying_again() -> None:
    world = fake_edge()
    wanted = revision("a")
    change = prepared(wanted, world)
    deploy(change, world.edge(), SilentProgress())
    world.journal = world.journal.before_its_last_entry()  # the process died before it wrote that
    again = prepared(wanted, world)
    assert again.plan == ()
    assert not again.nothing_to_do
    deploy(again, world.edge(), SilentProgress())
    assert outcomes(world) == [("deploy", ""), ("deploy", "deployed")]


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_deployment_that_was_interrupted_at_any_call_is_finished_by_deploying_again(cut: int) -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    before = len(world.cloud.calls)

    def interrupt(_: str) -> None:
        if len(world.cloud.calls) == before + cut:
            raise KeyboardInterrupt

    world.cloud.refuse = interrupt
    with pytest.raises(KeyboardInterrupt):
        deployed(world, revision("b"))
    assert outcomes(world)[-1] == ("deploy", "interrupted")
    deployed(world, revision("b"))
    assert serving(world) == revision("b").name
    assert set(world.cloud.configs) == {revision("a").name, revision("b").name}


def test_of_two_deployers_with_the_same_journal_one_is_refused_before_its_next_step() -> None:
    world = fake_edge()
    first, second = prepared(revision("a"), world), prepared(revision("b"), world)
    other = world.journal.again()
    other.entries()
    deploy(first, world.edge(), SilentProgress())
    calls = len(world.cloud.calls)
    world.journal = other
    with pytest.raises(ConflictError) as caught:
        deploy(second, world.edge(), SilentProgress())
    assert caught.value.exit_code == 7
    assert len(world.cloud.calls) == calls


def test_a_refused_call_is_recorded_with_its_step() -> None:
    world = fake_edge()

    def refuse(call: str) -> None:
        if call.startswith("create-endpoint-config"):
            raise CloudError("no capacity")

    world.cloud.refuse = refuse
    with pytest.raises(CloudError) as caught:
        deployed(world, revision("a"))
    assert caught.value.details[0][1].startswith("2 of 3, + endpoint config")
    kinds = [entry.kind for entry in world.journal.entries()]
    assert kinds == [
        journal.STARTED,
        journal.STEP_STARTED,
        journal.STEP_FINISHED,
        journal.STEP_STARTED,
        journal.STEP_FAILED,
        journal.FINISHED,
    ]


def test_rolling_back_returns_to_the_previous_revision_and_back_again() -> None:
    world = fake_edge()
    deployed(world, revision("a"), revision("b"))
    for expected in (revision("a"), revision("b")):
        change = prepare_rollback("digits", None, world.edge(), reason="wrong labels")
        deploy(change, world.edge(), SilentProgress())
        assert serving(world) == expected.name
    found = status("digits", world.edge())
    assert found.deployment is not None
    assert (found.deployment.verb, found.deployment.reason) == ("rollback", "wrong labels")


def test_rolling_back_to_a_named_revision_makes_again_what_was_swept() -> None:
    world = fake_edge()
    for mark in "abcd":
        deploy(prepared(revision(mark), world, keep=1), world.edge(), SilentProgress())
    wanted = revision("a")
    assert wanted.name not in world.cloud.configs
    digest = wanted.name.rpartition("-")[2]
    deploy(prepare_rollback("digits", digest[:6], world.edge()), world.edge(), SilentProgress())
    assert serving(world) == wanted.name


def test_rolling_back_is_refused_when_the_artifact_is_gone() -> None:
    world = fake_edge()
    deployed(world, revision("a"), revision("b"))
    world.store.objects = {key: v for key, v in world.store.objects.items() if "a" * 64 not in key}
    with pytest.raises(RefusedError, match="its artifact is gone"):
        prepare_rollback("digits", None, world.edge())


def test_rolling_back_to_what_never_was_names_what_there_is() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    with pytest.raises(NotFoundError) as caught:
        prepare_rollback("digits", "ffffff", world.edge())
    assert dict(caught.value.details)["known"] == revision("a").name
    with pytest.raises(NotFoundError, match="an earlier revision"):
        prepare_rollback("digits", None, world.edge())


def test_destroying_leaves_journal_and_artifacts_and_the_way_back() -> None:
    world = fake_edge()
    deployed(world, revision("a"), revision("b"))
    deploy(prepare_destroy("digits", world.edge()), world.edge(), SilentProgress())
    assert world.cloud.endpoint("digits") is None
    assert (world.cloud.models, world.cloud.configs) == ({}, {})
    assert outcomes(world)[-1] == ("destroy", "destroyed")
    deploy(prepare_rollback("digits", None, world.edge()), world.edge(), SilentProgress())
    assert serving(world) == revision("b").name


def test_sweeping_removes_what_a_failed_deployment_left() -> None:
    world = fake_edge()
    deployed(world, revision("a"))
    world.cloud.outcomes = ["rolled-back"]
    with pytest.raises(RolledBackError):
        deployed(world, revision("b"))
    deploy(prepare_sweep("digits", 5, world.edge()).prepared, world.edge(), SilentProgress())
    assert set(world.cloud.configs) == {revision("a").name}
    assert outcomes(world)[-1] == ("sweep", "swept")
    assert prepare_sweep("digits", 5, world.edge()).prepared.nothing_to_do


def test_status_tells_of_an_attempt_that_has_no_end() -> None:
    world = fake_edge()
    deployed(world, revision("a"), revision("b"))
    world.journal = world.journal.before_its_last_entry()
    found = status("digits", world.edge())
    assert found.unfinished is not None
    assert found.unfinished.revision == revision("b")
    assert found.endpoint.status is EndpointStatus.IN_SERVICE


def test_an_archive_that_fails_its_golden_cases_is_refused_before_anything_changes() -> None:
    with pytest.raises(RefusedError) as caught:
        check_golden([CASE], [Response(200, b'{"label": "1"}')], 1e-4)
    assert caught.value.exit_code == 3
    assert caught.value.details[0] == ("golden", "seven: body.label is '1', not '7'")
    check_golden([CASE], [Response(200, b'{"label": "7", "score": 1}')], 1e-4)
