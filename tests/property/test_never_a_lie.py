"""Whatever SageMaker makes of a change, and whatever it says of it: only what arrived is called deployed."""

import random
from dataclasses import replace

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size
from orchestrator.core.target import AlarmSpec
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.plan import prepare
from tests.support.builders import publish, revision, wish
from tests.support.fake_sagemaker import CAPACITY, PING, Ending
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.snapshots import copied

RUNS = 1000
ALARMS = AlarmSpec(error_percent=5.0)
SEED = 20261122
ENDINGS = {
    Ending("rolled-back"): 4,
    Ending("rolled-back", PING): 4,
    Ending("rolled-back", CAPACITY): 11,
    Ending("Failed", PING): 5,
    Ending("Failed"): 5,
    Ending("OutOfService"): 5,
    Ending("UpdateRollbackFailed"): 10,
    Ending("UpdateRollbackFailed", PING): 10,
    Ending("stuck"): 8,
}
ROLLOUTS = (
    AT_ONCE,
    Rollout(Kind.CANARY, Size(50), bake_seconds=60, final_bake_seconds=30),
    Rollout(Kind.LINEAR, Size(50), bake_seconds=30),
    Rollout(Kind.ROLLING, Size(50), bake_seconds=30),
)


def attempt(world: FakeEdge, mark: str, rollout: Rollout) -> int:
    """Return the exit code of one deployment."""
    wanted = revision(mark, count=2)
    publish(wanted, world)
    terms = Terms(rollout, ALARMS if rollout.bake_seconds else None)
    try:
        change = prepare(replace(wish(wanted), terms=terms), world.edge())
        deploy(change, world.edge(), SilentProgress())
    except OrchestratorError as error:
        return error.exit_code
    return 0


def outcome(world: FakeEdge) -> str:
    return journal.deployments(world.journal.entries())[-1].outcome


def test_a_thousand_changes_that_come_to_nothing_are_never_called_deployed() -> None:
    chance = random.Random(SEED)  # noqa: S311 - a seeded run has to repeat itself
    serving = fake_edge()
    assert attempt(serving, "a", AT_ONCE) == 0
    good = revision("a", count=2)
    for run in range(RUNS):
        world = copied(serving)
        ending, code = chance.choice(tuple(ENDINGS.items()))
        world.cloud.outcomes = [ending]
        world.cloud.stale_seconds = chance.choice((0.0, 5.0, 20.0))
        world.cloud.takes_seconds = chance.choice((1.0, 30.0, 200.0))
        rollout = chance.choice(ROLLOUTS)
        assert attempt(world, "b", rollout) == code, (run, ending, rollout)
        assert outcome(world) != journal.DEPLOYED
        assert good.name in world.cloud.configs, (run, ending, rollout)
        assert good.model.name in world.cloud.models


@pytest.mark.parametrize("ending", [one for one in ENDINGS if one.status != "stuck"], ids=str)
def test_after_every_ending_a_good_revision_can_be_deployed(ending: Ending) -> None:
    world = fake_edge()
    assert attempt(world, "a", AT_ONCE) == 0
    world.cloud.outcomes = [ending]
    assert attempt(world, "b", AT_ONCE) != 0
    assert attempt(world, "c", AT_ONCE) == 0
    found = world.cloud.endpoint("digits")
    assert found is not None
    assert found.config == revision("c", count=2).name


def test_a_creation_that_comes_to_nothing_is_told_apart_as_well() -> None:
    for ending, code in (("Failed", 5), ("stuck", 8)):
        world = fake_edge()
        world.cloud.outcomes = [ending]
        assert attempt(world, "a", AT_ONCE) == code
    world = fake_edge()
    world.cloud.outcomes = [Ending("Failed", CAPACITY)]
    assert attempt(world, "a", AT_ONCE) == 11
