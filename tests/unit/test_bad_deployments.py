"""Deployments that the world is against: what may not be seen, lies elsewhere, or tells a wrong time."""

from dataclasses import dataclass, replace

import pytest

from orchestrator.core import journal
from orchestrator.core.alarms import Alarm
from orchestrator.core.errors import ConflictError, RefusedError, RolledBackError
from orchestrator.core.ports import Clock
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.usecases.change import AS_USUAL, Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from tests.support.denials import Denials
from tests.support.engines import WATCHED, made, planned, started
from tests.support.fakes import FakeJournal, SilentProgress, fake_edge
from tests.support.faults import struck

NAMED = Terms(Rollout(Kind.CANARY, Size(50), bake_seconds=1200, timeout_seconds=4000, alarms=("digits-5xx",)))


def test_alarms_and_names_that_nobody_may_look_at_are_said_to_be_unseen_and_stop_nothing() -> None:
    world = started()
    assert planned(made("b"), world, edge=struck(world.edge(), Denials(only="store.region"))).plan
    edge = struck(world.edge(), Denials(only="alarms.find"))
    found = {finding.rule: finding for finding in planned(made("b"), world, NAMED, edge).findings}
    assert "'digits-5xx'" in found["alarms-unseen"].says
    fresh = fake_edge()
    edge = struck(fresh.edge(), Denials(only="inventory.endpoint_names"))
    assert planned(made("a"), fresh, edge=edge).plan


def test_an_alarm_that_is_in_alarm_already_is_refused_by_the_plan() -> None:
    world = started()
    facts = (("EndpointName", "digits"), ("VariantName", "primary"))
    alarm = Alarm("digits-5xx", "Invocation5XXErrors", facts, "Sum", 0.0, "GreaterThanThreshold", 60, 1)
    world.alarms.alarms["digits-5xx"] = alarm
    assert planned(made("b"), world, NAMED).plan
    world.alarms.alarms["digits-5xx"] = replace(alarm, state="ALARM")
    with pytest.raises(RefusedError) as caught:
        planned(made("b"), world, NAMED)
    assert any(fact.startswith("rollout.alarms: ") and "ALARM" in fact for _, fact in caught.value.details)
    assert world.cloud.calls == []


def test_a_bucket_in_another_region_is_refused_by_the_plan() -> None:
    world = fake_edge()
    world.store.where = "us-east-1"
    with pytest.raises(RefusedError) as caught:
        planned(made("a"), world, region="eu-west-1")
    assert any(fact.startswith("bucket: ") and "'us-east-1'" in fact for _, fact in caught.value.details)
    world.store.where = "eu-west-1"
    assert planned(made("a"), world, region="eu-west-1").plan


def test_the_journal_of_another_endpoint_is_never_taken_for_ours() -> None:
    others = FakeJournal("owls")
    others.append(journal.STARTED, {"endpoint": "owls"}, by="ada", at="2026-11-22")
    world = fake_edge()
    world.journal = FakeJournal.holding("digits", others.shared, others.head())
    with pytest.raises(ConflictError, match="written for another endpoint"):
        planned(made("a"), world)
    with pytest.raises(ConflictError, match="written for another endpoint"):
        prepare_resume("digits", world.edge(), keep_revisions=5)
    with pytest.raises(ConflictError, match="written for another endpoint"):
        prepare_rollback("digits", None, world.edge())
    assert world.cloud.calls == []


@dataclass
class WrongClock:
    """The world's clock, and how far ours is off."""

    right: Clock
    wrong_by: float

    def now(self) -> float:
        return self.right.now() + self.wrong_by

    def sleep(self, seconds: float) -> None:
        self.right.sleep(seconds)


@pytest.mark.parametrize("wrong_by", [-900_000.0, 10_000_000.0])
def test_a_clock_of_ours_that_is_wrong_by_days_changes_no_outcome(wrong_by: float) -> None:
    world = started()
    edge = replace(world.edge(), clock=WrongClock(world.clock, wrong_by))
    assert deploy(planned(made("b"), world, WATCHED, edge), edge, SilentProgress()).answered == 1
    rolled_back = started()
    rolled_back.cloud.outcomes = ["rolled-back"]
    edge = replace(rolled_back.edge(), clock=WrongClock(rolled_back.clock, wrong_by))
    with pytest.raises(RolledBackError):
        deploy(planned(made("b"), rolled_back, AS_USUAL, edge), edge, SilentProgress())
