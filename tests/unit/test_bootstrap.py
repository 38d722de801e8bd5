"""Stacks are drafted, carried out and judged; every ending is told for what it is."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestrator.api.bootstrap_wiring import Connected
from orchestrator.api.bootstrapping import Bootstrap
from orchestrator.api.selection import Selection
from orchestrator.cli.bootstrap import Session
from orchestrator.cli.boundary import InterruptedByUserError
from orchestrator.cli.options import Options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import (
    ConflictError,
    DeniedError,
    RefusedError,
    RolledBackError,
    StillMovingError,
    UnhealthyError,
    UnreachableError,
)
from orchestrator.core.stacks import Action, Event, Stack
from orchestrator.usecases import bootstrap
from orchestrator.usecases.bootstrap import Wanted
from orchestrator.usecases.edge import Patience
from orchestrator.usecases.settling import Site
from tests.support.fake_stacks import FakeStacks
from tests.support.fakes import FakeClock

FULL = "Parameters:\n  Days:\n    Type: Number\n  Mail:\n    Type: String\nResources: full\n"
LESS = "Parameters:\n  Days:\n    Type: Number\nResources: less\n"
BUCKET, KEY = "AWS::S3::Bucket", "AWS::KMS::Key"
ACCOUNT = Wanted("acme", "account", FULL, (("Days", "7"),), (("team", "ml"),))
DENIED = "User: ada is not authorized to perform: kms:CreateKey on resource: *"


@dataclass
class Notes:
    """An `Onlooker` who writes down what it sees."""

    events: list[Event] = field(default_factory=list)

    def happened(self, stack: str, event: Event) -> None:
        self.events.append(event)

    def waiting(self, stack: str, status: str, elapsed_seconds: float) -> None:
        pass


@pytest.fixture
def cloud() -> FakeStacks:
    return FakeStacks({FULL: {"Bucket": BUCKET, "Key": KEY}, LESS: {"Key": KEY}}, defaults={"Mail": ""})


@pytest.fixture
def site(cloud: FakeStacks) -> Site:
    return Site(cloud, FakeClock(), Notes(), Patience(1.0, 60.0))


def made(wanted: Wanted, site: Site) -> Stack:
    return bootstrap.carry_out(bootstrap.draft(wanted, site), site)


def test_a_new_stack_is_made_protected_and_tagged(cloud: FakeStacks, site: Site) -> None:
    draft = bootstrap.draft(ACCOUNT, site)
    assert [(change.action, change.name) for change in draft.changes] == [
        (Action.ADD, "Bucket"),
        (Action.ADD, "Key"),
    ]
    stack = bootstrap.carry_out(draft, site)
    assert (stack.status, stack.protected) == ("CREATE_COMPLETE", True)
    assert stack.tags == (("orchestrator:stack", "account"), ("team", "ml"))
    assert cloud.called == ["propose acme", "carry out acme", "protect acme"]


def test_what_happens_to_each_resource_is_shown_once(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    assert isinstance(site.onlooker, Notes)
    shown = [event.name for event in site.onlooker.events if not event.of_stack]
    assert shown == ["Bucket", "Key"]


def test_a_stack_that_is_as_it_is_to_be_has_nothing_to_do(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    draft = bootstrap.draft(ACCOUNT, site)
    assert draft.nothing_to_do
    assert not cloud.proposals


def test_a_stack_that_could_be_deleted_by_mistake_is_protected_again(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    cloud.stacks["acme"] = replace(cloud.stacks["acme"], protected=False)
    draft = bootstrap.draft(ACCOUNT, site)
    assert not draft.nothing_to_do
    assert bootstrap.carry_out(draft, site).protected
    assert cloud.called.count("carry out acme") == 1


def test_a_parameter_that_nobody_names_again_stays(cloud: FakeStacks, site: Site) -> None:
    made(replace(ACCOUNT, parameters=(("Days", "7"), ("Mail", "ml@example.com"))), site)
    stack = made(replace(ACCOUNT, parameters=(("Days", "9"),)), site)
    assert stack.parameters == (("Days", "9"), ("Mail", "ml@example.com"))


def test_a_parameter_that_the_template_no_longer_has_is_not_asked_for(cloud: FakeStacks, site: Site) -> None:
    made(replace(ACCOUNT, parameters=(("Mail", "ml@example.com"),)), site)
    assert bootstrap.draft(replace(ACCOUNT, template=LESS), site).proposal.kept == ()


def test_a_draft_that_is_discarded_leaves_nothing(cloud: FakeStacks, site: Site) -> None:
    bootstrap.discard(bootstrap.draft(ACCOUNT, site), site)
    assert cloud.find("acme") is None
    assert not cloud.proposals


def test_a_draft_that_somebody_else_has_begun_is_not_deleted_with_ours(cloud: FakeStacks, site: Site) -> None:
    others = replace(ACCOUNT, parameters=(("Days", "1"),))
    bootstrap.draft(others, site)
    draft = bootstrap.draft(ACCOUNT, site)
    bootstrap.discard(draft, site)
    assert cloud.find("acme") is not None
    assert len(cloud.proposals) == 1


def test_a_creation_that_fails_names_the_cause_and_the_missing_permission(
    cloud: FakeStacks, site: Site
) -> None:
    cloud.failures["Key"] = DENIED
    with pytest.raises(RolledBackError) as caught:
        made(ACCOUNT, site)
    details = dict(caught.value.details)
    assert details["failed"] == f"Key ({KEY}): {DENIED}"
    assert details["missing"] == "kms:CreateKey"
    assert details["state"].startswith("ROLLBACK_COMPLETE: nothing is there")


def test_what_is_left_of_a_failed_creation_is_cleared_and_made_anew(cloud: FakeStacks, site: Site) -> None:
    cloud.failures["Key"] = DENIED
    with pytest.raises(RolledBackError):
        made(ACCOUNT, site)
    left = bootstrap.remains("acme", site)
    assert left is not None
    assert left.causes == (f"Key ({KEY}): {DENIED}",)
    cloud.failures.clear()
    bootstrap.clear(left, site)
    assert bootstrap.remains("acme", site) is None
    assert made(ACCOUNT, site).status == "CREATE_COMPLETE"


def test_remains_that_cannot_be_deleted_are_told_as_such(cloud: FakeStacks, site: Site) -> None:
    cloud.failures["Key"] = DENIED
    with pytest.raises(RolledBackError):
        made(ACCOUNT, site)
    left = bootstrap.remains("acme", site)
    assert left is not None
    cloud.failures["acme"] = "the bucket is not empty"
    with pytest.raises(UnhealthyError, match="cannot be deleted"):
        bootstrap.clear(left, site)


def test_an_update_that_fails_says_that_the_stack_is_as_it_was(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    cloud.failures["Bucket"] = "the name is taken"
    with pytest.raises(RolledBackError) as caught:
        made(replace(ACCOUNT, parameters=(("Days", "9"),)), site)
    assert ("state", "UPDATE_ROLLBACK_COMPLETE: it is as it was") in caught.value.details
    stack = cloud.find("acme")
    assert stack is not None
    assert stack.parameters == (("Days", "7"), ("Mail", ""))


def test_a_failure_of_an_earlier_change_is_not_told_again(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    nine, ten = (replace(ACCOUNT, parameters=(("Days", days),)) for days in ("9", "10"))
    cloud.failures["Bucket"] = "the name is taken"
    with pytest.raises(RolledBackError):
        made(nine, site)
    cloud.failures = {"Key": "no more keys"}
    with pytest.raises(RolledBackError) as caught:
        made(ten, site)
    assert [fact for label, fact in caught.value.details if label == "failed"] == [
        f"Key ({KEY}): no more keys"
    ]


def test_our_patience_may_end_and_the_same_change_is_gone_on_with(cloud: FakeStacks, site: Site) -> None:
    cloud.looks = 100
    hasty = replace(site, patience=Patience(1.0, 150.0))
    draft = bootstrap.draft(ACCOUNT, hasty)
    with pytest.raises(StillMovingError):
        bootstrap.carry_out(draft, replace(site, patience=Patience(1.0, 5.0)))
    # Whoever comes next waits for what is under way, and finds nothing left but the protection.
    cloud.looks = 2
    again = bootstrap.draft(ACCOUNT, hasty)
    assert (again.changes, again.protects) == ((), True)
    assert bootstrap.carry_out(again, hasty).protected
    assert cloud.called.count("carry out acme") == 1


def test_a_change_that_is_somebody_elses_is_left_alone(cloud: FakeStacks, site: Site) -> None:
    draft = bootstrap.draft(replace(ACCOUNT, parameters=(("Days", "1"),)), site)
    cloud.carry_out(draft.proposal, retains=False)
    with pytest.raises(ConflictError, match="being changed by somebody else"):
        bootstrap.draft(ACCOUNT, site)
    assert cloud.called.count("propose acme") == 1


def test_a_stack_of_somebody_else_loses_nothing(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    cloud.stacks["acme"] = replace(cloud.stacks["acme"], tags=())
    with pytest.raises(ConflictError) as caught:
        bootstrap.draft(replace(ACCOUNT, template=LESS), site)
    assert ("loses", f"Bucket ({BUCKET})") in caught.value.details
    assert not cloud.proposals


def test_a_stack_of_somebody_else_that_loses_nothing_is_taken_over(cloud: FakeStacks, site: Site) -> None:
    made(ACCOUNT, site)
    cloud.stacks["acme"] = replace(cloud.stacks["acme"], tags=())
    assert made(ACCOUNT, site).is_ours


def test_a_change_that_was_withdrawn_meanwhile_is_a_conflict(cloud: FakeStacks, site: Site) -> None:
    draft = bootstrap.draft(ACCOUNT, site)
    cloud.withdraw(draft.proposal)
    with pytest.raises(ConflictError):
        bootstrap.carry_out(draft, site)


def test_an_interrupted_look_at_a_draft_leaves_nothing(cloud: FakeStacks) -> None:
    class Interrupted(FakeClock):
        def sleep(self, seconds: float) -> None:
            raise KeyboardInterrupt

    site = Site(cloud, Interrupted(), Notes(), Patience(1.0, 60.0))
    with pytest.raises(KeyboardInterrupt):
        bootstrap.draft(ACCOUNT, site)
    assert (cloud.find("acme"), cloud.proposals) == (None, {})


def test_aws_may_be_silent_for_a_while(cloud: FakeStacks) -> None:
    class Restoring(FakeClock):
        def sleep(self, seconds: float) -> None:
            self.moment += seconds
            cloud.refusal = None if self.moment % 3 else UnreachableError("no answer")

    site = Site(cloud, Restoring(moment=1.0), Notes(), Patience(1.0, 60.0))
    cloud.looks = 8
    cloud.templates[FULL] = {"Key": KEY}
    proposal = ACCOUNT.proposal(None)
    cloud.propose(proposal)
    draft = bootstrap.Draft(ACCOUNT, None, proposal, cloud._changes(proposal))  # noqa: SLF001 - our own fake
    cloud.refusal = None
    assert bootstrap.carry_out(draft, site).protected


def test_whoever_may_not_look_is_told_so(cloud: FakeStacks, site: Site) -> None:
    cloud.refusal = DeniedError("looking at stack 'acme' is not permitted")
    with pytest.raises(DeniedError):
        bootstrap.draft(ACCOUNT, site)


@pytest.mark.parametrize(
    ("status", "command"),
    [("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("DELETE_FAILED", "delete-stack")],
)
def test_a_stack_that_is_stuck_is_refused_with_the_way_out(
    cloud: FakeStacks, site: Site, status: str, command: str
) -> None:
    made(ACCOUNT, site)
    cloud.stacks["acme"] = replace(cloud.stacks["acme"], status=status)
    with pytest.raises(RefusedError) as caught:
        bootstrap.draft(ACCOUNT, site)
    assert caught.value.hint == f"aws cloudformation {command} --stack-name acme"


def test_a_stack_that_is_gone_meanwhile_is_a_conflict(cloud: FakeStacks, site: Site) -> None:
    draft = bootstrap.draft(ACCOUNT, site)
    cloud.looks = 1
    del cloud.stacks["acme"]
    cloud.proposals.clear()
    with pytest.raises(ConflictError):
        bootstrap.carry_out(draft, site)


def test_of_two_who_ask_for_the_same_one_is_told_and_spoils_nothing_of_the_other(cloud: FakeStacks) -> None:
    class Meanwhile(FakeClock):
        def sleep(self, seconds: float) -> None:
            cloud.withdraw(ACCOUNT.proposal(None))

    cloud.looks = 3
    with pytest.raises(ConflictError):
        bootstrap.draft(ACCOUNT, Site(cloud, Meanwhile(), Notes(), Patience(1.0, 60.0)))
    # The other one has a change set of this name again, in the stack that is there for it.
    assert cloud.stacks["acme"].status == "REVIEW_IN_PROGRESS"
    assert cloud.called == ["propose acme"]


def test_what_was_there_before_outlives_a_failure(cloud: FakeStacks, site: Site) -> None:
    draft = bootstrap.draft(ACCOUNT, site)
    taken = tuple(replace(change, action=Action.TAKE_OVER) for change in draft.changes)
    bootstrap.carry_out(replace(draft, changes=taken), site)
    assert "carry out acme retaining" in cloud.called


def test_what_is_taken_over_is_changed_to_what_the_template_says_after(cloud: FakeStacks, site: Site) -> None:
    bare = FULL.replace("full", "bare")
    cloud.templates[bare] = {"Bucket": BUCKET}
    cloud.there = {"Bucket"}
    draft = bootstrap.draft(replace(ACCOUNT, bare=bare), site)
    assert draft.takes_over
    stack = bootstrap.carry_out(draft, site)
    assert (stack.status, cloud.made["acme"]) == ("UPDATE_COMPLETE", FULL)
    carried = [call for call in cloud.called if call.startswith("carry out")]
    assert carried == ["carry out acme retaining", "carry out acme"]
    assert not cloud.proposals


def test_a_change_that_takes_nothing_over_is_made_at_once(cloud: FakeStacks, site: Site) -> None:
    made(replace(ACCOUNT, bare="not proposed"), site)
    assert cloud.called == ["propose acme", "carry out acme", "protect acme"]


class Leaving(Notes):
    """An `Onlooker` who has seen enough as soon as something has begun."""

    def waiting(self, stack: str, status: str, elapsed_seconds: float) -> None:
        if status == "CREATE_IN_PROGRESS":
            raise KeyboardInterrupt


def test_whoever_stops_waiting_is_told_that_the_stack_goes_on_and_what_finishes_it(
    cloud: FakeStacks, tmp_path: Path
) -> None:
    spec = tmp_path / "orchestrator.toml"
    spec.write_text('version = 1\nname = "pets"\n[model]\npath = "model.safetensors"\n', "utf-8")
    boot, options = Bootstrap(Selection(str(spec), "prod")), Options(env="prod", yes=True)
    site = Site(cloud, FakeClock(), Leaving(), Patience(1.0, 60.0))
    boot.connected = Connected(site, "arn:aws:iam::111111111111:user/ada", "eu-west-1")
    with pytest.raises(InterruptedByUserError) as caught:
        Session(boot, options, Terminal(options)).set_up([ACCOUNT])
    assert dict(caught.value.details)["state"] == "stack acme: what AWS has begun goes on"
    assert (caught.value.hint or "").startswith("orchestrator bootstrap ")
    boot.connected = replace(boot.connected, site=replace(site, onlooker=Notes()))
    Session(boot, options, Terminal(options)).set_up([ACCOUNT])
    assert [made.status for made in cloud.stacks.values()] == ["CREATE_COMPLETE"]
