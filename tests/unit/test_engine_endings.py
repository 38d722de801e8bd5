"""Ends that are easily told wrong: a way back that fails, an endpoint that is going, a rule that changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from orchestrator.core import journal
from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.errors import (
    ConflictError,
    NotVerifiedError,
    OrchestratorError,
    StillMovingError,
    UnreachableError,
)
from orchestrator.core.golden import Request, Response
from orchestrator.core.live import Pending
from orchestrator.core.lock import TTL_SECONDS
from orchestrator.core.outcome import Moving, Sighting, Superseded, judge
from orchestrator.core.ownership import check_ours
from orchestrator.core.resources import AsyncInference, Endpoint, EndpointStatus
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Rollout
from orchestrator.core.scaling import Scaling
from orchestrator.core.shapes import Violation
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Patience
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from tests.support.builders import endpoint as seen_endpoint
from tests.support.builders import expectation
from tests.support.engines import PAIR, brought, made, planned, serving, started
from tests.support.fakes import FakeEdge, FakeLimits, FakeRuntime, SilentProgress, fake_edge


def wrong(world: FakeEdge, mark: str) -> Revision:
    """Return a revision that will answer with somebody else's fingerprint."""
    found = made(mark)
    world.fingerprints[found.name] = "somebody else's"
    return found


def test_a_way_back_that_sagemaker_rolls_back_leaves_the_wrong_revision_and_says_so() -> None:
    world = started()
    world.cloud.outcomes = ["InService", "rolled-back"]
    bad = wrong(world, "b")
    with pytest.raises(NotVerifiedError) as caught:
        brought(bad, world)
    assert serving(world).config == bad.name
    details = dict(caught.value.details)
    assert details["state"] == "the new revision serves all traffic"
    assert f"InService on '{bad.name}'" in details["way back"]


def test_a_way_back_that_cannot_be_planned_hides_no_wrong_answer_and_is_taken_by_a_resume() -> None:
    world = started()
    change = planned(wrong(world, "b"), world)
    edge, seen = world.edge(), world.journal.entries

    class Deaf:
        """A bucket that nobody reaches any more."""

        def __getattr__(self, _: str) -> Callable[..., object]:
            def fail(*_: object, **__: object) -> object:
                raise UnreachableError("S3 could not be reached")

            return fail

    with pytest.raises(NotVerifiedError) as caught:
        deploy(change, replace(edge, store=Deaf()), SilentProgress())  # type: ignore[arg-type]
    assert "S3 could not be reached" in dict(caught.value.details)["way back"]
    assert journal.deployments(seen())[-1].outcome == "not-verified"
    rest = prepare_resume("digits", world.edge(), keep_revisions=5)
    assert rest is not None
    deploy(rest, world.edge(), SilentProgress())
    assert serving(world).config == made("a").name


def going(world: FakeEdge) -> None:
    """Let the endpoint be on its way out of the world."""
    world.cloud.delete_endpoint("digits")
    assert serving(world).status is EndpointStatus.DELETING


def test_a_destroy_that_was_killed_while_the_endpoint_was_going_is_gone_on_with() -> None:
    world = started()
    going(world)
    deploy(prepare_destroy("digits", world.edge()), world.edge(), SilentProgress())
    assert world.cloud.endpoint("digits") is None
    assert (world.cloud.configs, world.cloud.models) == ({}, {})


def scaled(world: FakeEdge) -> None:
    """Let an autoscaler begin a change of the endpoint's size."""
    world.cloud.set_capacities("digits", [Capacity("primary", 1.0, 3)])
    assert serving(world).status is EndpointStatus.UPDATING


def test_a_destroy_waits_for_a_change_that_an_autoscaler_has_begun_since_it_was_planned() -> None:
    world = started()
    change = prepare_destroy("digits", world.edge())
    scaled(world)
    deploy(change, world.edge(), SilentProgress())
    assert world.cloud.endpoint("digits") is None
    assert journal.deployments(world.journal.entries())[-1].outcome == "destroyed"


def test_a_destroy_that_is_refused_since_a_change_began_just_now_is_tried_again() -> None:
    world = started()
    change = prepare_destroy("digits", world.edge())

    def begin(call: str) -> None:
        if call.startswith("delete-endpoint ") and world.cloud.calls.count(call) == 1:
            scaled(world)

    world.cloud.refuse = begin
    deploy(change, world.edge(), SilentProgress())
    assert world.cloud.endpoint("digits") is None
    assert world.cloud.calls.count("delete-endpoint digits") == 2


def test_a_destroy_whose_patience_ends_names_what_goes_on_with_it() -> None:
    world = started()
    change = prepare_destroy("digits", world.edge())
    scaled(world)
    edge = replace(world.edge(), patience=Patience(interval_seconds=1.0, deadline_seconds=2.0))
    with pytest.raises(StillMovingError) as caught:
        deploy(change, edge, SilentProgress())
    assert "orchestrator resume --endpoint digits" in str(caught.value.hint)
    assert "delete-endpoint digits" not in world.cloud.calls


def test_a_destroy_does_not_delete_what_somebody_else_has_brought_since_it_was_planned() -> None:
    world = started()
    change = prepare_destroy("digits", world.edge())
    theirs = replace(world.cloud.configs[made("a").name], name="theirs")
    world.cloud.create_endpoint_config(theirs)
    world.cloud.update_endpoint(Update("digits", "theirs"))
    with pytest.raises(ConflictError, match="is on 'theirs'"):
        deploy(change, world.edge(), SilentProgress())
    assert serving(world).target == "theirs"


def test_an_endpoint_that_is_going_is_waited_for_and_made_again() -> None:
    world = started()
    going(world)
    brought(made("b"), world)
    assert serving(world).config == made("b").name


@pytest.mark.parametrize(
    ("status", "pending", "words"),
    [
        (EndpointStatus.SYSTEM_UPDATING, None, "AWS is patching its machines"),
        (EndpointStatus.ROLLING_BACK, None, "SageMaker is going back from a change that failed"),
        (EndpointStatus.UPDATING, "digits-theirs", "another change is under way"),
    ],
)
def test_whose_change_is_in_the_way_is_said_as_far_as_it_is_known(
    status: EndpointStatus, pending: str | None, words: str
) -> None:
    endpoint = Endpoint("digits", "digits-old", status, pending)
    with pytest.raises(ConflictError) as caught:
        check_ours("digits", endpoint, wanted="digits-new", may_go=True)
    assert dict(caught.value.details)["state"] == f"{words}; nothing has changed"
    assert ("moving to 'digits-theirs'" in str(caught.value)) is (pending is not None)


@pytest.mark.parametrize(
    "status", [EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK]
)
def test_the_change_that_is_wanted_may_be_under_way_and_no_other(status: EndpointStatus) -> None:
    endpoint = Endpoint("digits", "digits-old", status, "digits-new")
    check_ours("digits", endpoint, wanted="digits-new")
    for wanted in (None, "digits-old"):
        with pytest.raises(ConflictError):
            check_ours("digits", endpoint, wanted=wanted)


def test_an_endpoint_that_is_going_is_in_the_way_of_a_sweep() -> None:
    with pytest.raises(ConflictError) as caught:
        check_ours("digits", Endpoint("digits", "digits-old", EndpointStatus.DELETING), wanted=None)
    assert "it is being deleted" in dict(caught.value.details)["state"]


class Forbidding(FakeLimits):
    """Rules under which nothing is allowed any more."""

    def violations(
        self,
        revision: Revision,
        rollout: Rollout,
        scalings: Sequence[Scaling],
    ) -> tuple[Violation, ...]:
        return (Violation("rollout.bake_seconds", "9999", "at most 3600", "SageMaker's model"),)


def test_a_rollback_that_was_begun_is_gone_on_with_whatever_the_rules_say_now() -> None:
    world = started()
    brought(made("b"), world)

    def stop(call: str) -> None:
        if call.startswith("update-endpoint"):
            raise KeyboardInterrupt

    world.cloud.refuse = stop
    with pytest.raises(KeyboardInterrupt):
        deploy(prepare_rollback("digits", None, world.edge()), world.edge(), SilentProgress())
    world.cloud.refuse = lambda _: None
    edge = replace(world.edge(), limits=Forbidding())
    with pytest.raises(OrchestratorError, match="breaks a rule"):
        prepare_rollback("digits", None, edge)
    rest = prepare_resume("digits", edge, keep_revisions=5)
    assert rest is not None
    deploy(rest, edge, SilentProgress())
    assert serving(world).config == made("a").name
    assert rest.change.cases != ()


@dataclass
class Slow(FakeRuntime):
    """An asynchronous endpoint that takes its time and refuses to be invoked; somebody watches each look."""

    look: Callable[[], None] = lambda: None
    looks: int = 0

    def invoke(self, endpoint: str, request: Request, *, variant: str | None = None) -> Response:
        raise AssertionError("an asynchronous endpoint refuses InvokeEndpoint")

    def invoke_async(self, endpoint: str, request: Request, input_url: str) -> Pending:
        self.answers[input_url] = FakeRuntime.invoke(self, endpoint, request)
        return Pending(endpoint, input_url)

    def collect(self, pending: Pending) -> Response | None:
        self.looks += 1
        self.look()
        return FakeRuntime.collect(self, pending) if self.looks > 200 else None


ASYNC = EndpointSpec(variants=PAIR.variants, async_inference=AsyncInference("s3://bucket/out/"))


def test_golden_cases_of_an_asynchronous_endpoint_go_by_way_of_s3_while_our_claim_is_kept() -> None:
    world = fake_edge()
    ages: list[float] = []

    def look() -> None:
        held = world.lock.read()
        assert held is not None
        ages.append(held.age_seconds)

    edge = replace(world.edge(), runtime=Slow(world.cloud, world.answer, look=look))
    wanted = made("a", ASYNC)
    done = deploy(planned(wanted, world), edge, SilentProgress())
    assert (done.answered, done.recognised) == (1, False)
    assert any("/inputs/" in key for key in world.store.objects)
    assert len(ages) > TTL_SECONDS
    assert max(ages) < TTL_SECONDS


def test_a_third_world_that_is_older_than_our_call_is_no_change_of_somebody_elses() -> None:
    old = seen_endpoint("digits-third", last_modified=100.0)
    stale = Sighting(old, elapsed_seconds=5.0, moved=False)
    assert judge(expectation(), stale) == Moving(EndpointStatus.IN_SERVICE)
    assert judge(expectation(), replace(stale, elapsed_seconds=60.0)) == Superseded("digits-third")
