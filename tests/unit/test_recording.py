"""What is written while an endpoint is changed: only by who holds it, whatever goes wrong, and anchored."""

import pytest

from orchestrator.core import heads, journal
from orchestrator.core.errors import ConflictError, DeniedError, OrchestratorError
from orchestrator.core.resources import State
from orchestrator.core.steps import DeleteModel
from orchestrator.usecases.change import Change
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import hold
from orchestrator.usecases.recording import Recorder
from tests.support.builders import prepared, revision
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge


def deployed(world: FakeEdge, *marks: str) -> None:
    for mark in marks:
        deploy(prepared(revision(mark), world), world.edge(), SilentProgress())


def attempts(world: FakeEdge) -> tuple[journal.Deployment, ...]:
    return journal.deployments(world.journal.entries())


def recorded(world: FakeEdge) -> tuple[Change, Edge]:
    return Change("digits", journal.SWEEP, (DeleteModel("old"),), State()), world.edge()


def test_who_has_lost_the_endpoint_writes_nothing_more() -> None:
    world = fake_edge()
    change, edge = recorded(world)
    taken = {}

    def be_overtaken() -> None:
        with hold("digits", "the first", edge) as held:
            recorder = Recorder(change, edge, held)
            with recorder.deployment():
                world.clock.sleep(1000)
                with hold("digits", "the second", edge):
                    taken["entries"] = len(world.journal.shared)
                    with recorder.step(change.plan[0], 1):
                        raise AssertionError("this step was refused")

    with pytest.raises(ConflictError, match="no longer hold"):
        be_overtaken()
    assert len(world.journal.shared) == taken["entries"] == 1


def test_who_was_paused_just_after_renewing_its_claim_is_stopped_by_the_journal() -> None:
    world = fake_edge()
    change, edge = recorded(world)
    other = world.journal.again()

    def be_overtaken() -> None:
        with hold("digits", "sweep", edge) as held:
            recorder = Recorder(change, edge, held)
            with recorder.deployment():
                other.append("other", {}, by="eve", at="")
                with recorder.step(change.plan[0], 1):
                    raise AssertionError("this step was refused")

    with pytest.raises(ConflictError, match="somebody else is changing endpoint 'digits'"):
        be_overtaken()
    assert [entry.kind for entry in world.journal.entries()] == [journal.STARTED, "other"]


def test_a_failure_that_cannot_be_recorded_is_still_the_failure_that_is_told() -> None:
    world = fake_edge()
    change, edge = recorded(world)

    def fail() -> None:
        with hold("digits", "sweep", edge) as held, Recorder(change, edge, held).deployment():
            world.journal.again().append("other", {}, by="eve", at="")
            raise DeniedError("the real one")

    with pytest.raises(OrchestratorError, match="the real one") as caught:
        fail()
    assert dict(caught.value.details)["journal"].startswith("this could not be recorded")


def test_the_end_of_a_deployment_is_anchored_at_the_endpoint_with_the_revisions_tags() -> None:
    world = fake_edge()
    deployed(world, "a")
    found = world.cloud.endpoint("digits")
    assert found is not None
    tags = dict(found.tags)
    last = world.journal.entries()[-1]
    assert tags[heads.ANCHOR_TAG] == heads.anchor_of(last)
    assert tags["team"] == "ml"


def test_an_anchor_that_cannot_be_written_makes_no_deployment_fail() -> None:
    world = fake_edge()

    def refuse(call: str) -> None:
        if call.startswith("tag-endpoint"):
            raise DeniedError("tagging is not permitted")

    world.cloud.refuse = refuse
    deployed(world, "a")
    assert attempts(world)[-1].outcome == "deployed"
