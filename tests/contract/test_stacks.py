"""What `bootstrap` relies on of CloudFormation: the same tests for the fake and for the local cloud."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.stacks import CloudFormation
from orchestrator.core.errors import ConflictError
from orchestrator.core.stacks import (
    Action,
    Change,
    Proposal,
    Stack,
    Stacks,
    Standing,
    causes,
    is_under_way,
    standing,
)
from tests.support.clouds import STANDIN, local_cloud
from tests.support.edges import made_clients
from tests.support.fake_stacks import FakeStacks, Template

pytestmark = pytest.mark.slow

LOG, TOPIC = "AWS::Logs::LogGroup", "AWS::SNS::Topic"
ONE = f"""
Parameters:
  Days:
    Type: Number
    Default: 7
  Mark:
    Type: String
    Default: none
Resources:
  Log:
    Type: {LOG}
    Properties:
      RetentionInDays: !Ref Days
Outputs:
  Made:
    Value: !Ref AWS::StackName
"""
TWO = ONE.replace("Outputs:", f"  Topic:\n    Type: {TOPIC}\n    DependsOn: Log\nOutputs:")
NAMED = "    Properties:\n      LogGroupName: /contract/twice\n"
BAD = ONE.replace("    Properties:\n", NAMED).replace(
    "Outputs:", f"  Again:\n    Type: {LOG}\n    DependsOn: Log\n{NAMED}Outputs:"
)


@dataclass(frozen=True)
class Outside:
    stacks: Stacks
    wait: Callable[[], None]

    def until(self, name: str) -> Stack | None:
        """Return the stack when nothing moves in it."""
        for _ in range(600):
            found = self.stacks.find(name)
            if standing(found) is not Standing.MOVING:
                return found
            self.wait()
        raise AssertionError(f"stack '{name}' never settles")

    def changes(self, proposal: Proposal) -> tuple[Change, ...]:
        self.stacks.propose(proposal)
        for _ in range(600):
            answer = self.stacks.answer(proposal)
            if answer.changes is not None:
                assert not answer.refusal
                return answer.changes
            self.wait()
        raise AssertionError(f"CloudFormation never answers about '{proposal.stack}'")

    def carry_out(self, proposal: Proposal) -> Stack:
        assert self.changes(proposal)
        self.stacks.carry_out(proposal, retains=False)
        found = self.until(proposal.stack)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    clock = SystemClock()
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN, ["--speed", "100"]) as cloud:
        yield Outside(CloudFormation(made_clients(cloud.url, clock)), lambda: clock.sleep(0.05))


@pytest.fixture(params=["fake", "local cloud"])
def outside(request: pytest.FixtureRequest) -> Outside:
    if request.param == "local cloud":
        found: Outside = request.getfixturevalue("real")
        return found
    one: dict[str, Template] = {ONE: {"Log": LOG}, TWO: {"Log": LOG, "Topic": TOPIC}}
    templates = {**one, BAD: {"Log": LOG, "Again": LOG}}
    fake = FakeStacks(templates, {"Days": "7", "Mark": "none"}, {"Again": "it exists already"})
    return Outside(fake, lambda: None)


def test_a_stack_that_is_not_there_is_none(outside: Outside) -> None:
    assert outside.stacks.find("nowhere") is None


def test_a_change_that_somebody_has_withdrawn_has_no_answer(outside: Outside) -> None:
    proposal = Proposal("withdrawn", TWO, is_new=True)
    outside.changes(proposal)
    outside.stacks.withdraw(proposal)
    with pytest.raises(ConflictError):
        outside.stacks.answer(proposal)


def test_a_draft_makes_nothing_and_can_be_withdrawn_twice(outside: Outside) -> None:
    proposal = Proposal("drafted", TWO, is_new=True)
    assert {(change.action, change.name, change.kind) for change in outside.changes(proposal)} == {
        (Action.ADD, "Log", LOG),
        (Action.ADD, "Topic", TOPIC),
    }
    found = outside.stacks.find("drafted")
    assert found is not None
    assert found.status == "REVIEW_IN_PROGRESS"
    outside.stacks.withdraw(proposal)
    outside.stacks.withdraw(proposal)
    outside.stacks.delete(found)
    assert outside.until("drafted") is None


def test_a_change_set_of_a_stack_that_is_not_there_is_withdrawn(outside: Outside) -> None:
    outside.stacks.withdraw(Proposal("nowhere", ONE, is_new=True))


def test_a_stack_is_made_with_all_that_was_asked_for(outside: Outside) -> None:
    proposal = Proposal("made", ONE, (("Days", "30"),), tags=(("team", "ml"),), is_new=True)
    found = outside.carry_out(proposal)
    assert (found.status, found.protected) == ("CREATE_COMPLETE", False)
    assert (found.parameters, found.tags) == ((("Days", "30"), ("Mark", "none")), (("team", "ml"),))
    assert found.outputs == (("Made", "made"),)
    events = outside.stacks.events(found)
    assert len({event.identity for event in events}) == len(events)
    assert [event.status for event in events if event.of_stack][-1] == "CREATE_COMPLETE"
    assert is_under_way(proposal, events)
    assert not is_under_way(replace(proposal, template=TWO), events)
    assert ("Log", "CREATE_COMPLETE") in {(event.name, event.status) for event in events}


def test_asking_for_what_there_is_changes_nothing(outside: Outside) -> None:
    proposal = Proposal("same", ONE, is_new=True)
    outside.carry_out(proposal)
    assert outside.changes(replace(proposal, is_new=False)) == ()


def test_a_parameter_that_is_kept_stays(outside: Outside) -> None:
    outside.carry_out(Proposal("kept", ONE, (("Days", "30"), ("Mark", "ours")), is_new=True))
    proposal = Proposal("kept", ONE, (("Days", "60"),), kept=("Mark",))
    (change,) = outside.changes(proposal)
    assert (change.action, change.name, change.properties) == (Action.MODIFY, "Log", ("RetentionInDays",))
    assert outside.carry_out(proposal).parameters == (("Days", "60"), ("Mark", "ours"))


def test_a_resource_that_the_template_no_longer_has_is_removed(outside: Outside) -> None:
    outside.carry_out(Proposal("fewer", TWO, is_new=True))
    (change,) = outside.changes(Proposal("fewer", ONE))
    assert (change.action, change.name, bool(change.physical)) == (Action.REMOVE, "Topic", True)


def test_what_was_withdrawn_cannot_be_carried_out(outside: Outside) -> None:
    proposal = Proposal("withdrawn", ONE, is_new=True)
    outside.changes(proposal)
    outside.stacks.withdraw(proposal)
    with pytest.raises(ConflictError):
        outside.stacks.carry_out(proposal, retains=False)


def test_what_is_protected_says_so(outside: Outside) -> None:
    outside.carry_out(Proposal("protected", ONE, is_new=True))
    outside.stacks.protect("protected")
    found = outside.stacks.find("protected")
    assert found is not None
    assert found.protected


def test_a_creation_that_fails_leaves_its_cause_and_can_be_deleted(outside: Outside) -> None:
    found = outside.carry_out(Proposal("failed", BAD, is_new=True))
    assert found.status == "ROLLBACK_COMPLETE"
    assert [event.name for event in causes(outside.stacks.events(found))] == ["Again"]
    outside.stacks.delete(found)
    assert outside.until("failed") is None
