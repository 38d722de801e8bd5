"""Every port throttles, loses answers and breaks off: what is resumed often enough arrives, recorded once.

The adapters make a call ten times; here it is made four times only, so that many deployments stop on their
way and are gone on with. ``ORCHESTRATOR_FUZZ`` multiplies the deployments.
"""

import os
from collections import Counter

from orchestrator.core import journal
from orchestrator.core.errors import OrchestratorError
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import prepare
from orchestrator.usecases.resume import prepare_resume
from tests.support.builders import publish, revision, wish
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.faults import Faults, seeded, struck
from tests.support.snapshots import restarted

LIVES = 100 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
DIAGNOSES = {"throttled", "unreachable", "still-moving"}
PATIENCE = 60
MARKS = "ab"


def attempt(mark: str, edge: Edge) -> str:
    """Go on with what was begun, deploy the model ``mark``, and return what became of it."""
    try:
        found = prepare_resume("digits", edge, keep_revisions=5)
        if found is not None:
            deploy(found, edge, SilentProgress())
        change = prepare(wish(revision(mark)), edge)
        if not change.nothing_to_do:
            deploy(change, edge, SilentProgress())
    except OrchestratorError as error:
        return error.code
    return journal.DEPLOYED


def one_life(seed: int, outcomes: Counter[str]) -> FakeEdge:
    """Create an endpoint and update it, with as many attempts as it takes."""
    chance = seeded(seed, throttle=0.30, lose=0.05, reset=0.05)
    world = fake_edge()
    for mark in MARKS:
        publish(revision(mark), world)
        for _ in range(PATIENCE):
            world = restarted(world)
            outcome = attempt(mark, struck(world.edge(), Faults(chance=chance, attempts=4)))
            outcomes[outcome] += 1
            if outcome == journal.DEPLOYED:
                break
        else:
            raise AssertionError(f"seed {seed}: '{mark}' does not arrive: {outcomes}")
    return restarted(world)


def test_whatever_stops_on_its_way_in_bad_weather_arrives_when_it_is_resumed_and_is_recorded_once() -> None:
    outcomes: Counter[str] = Counter()
    names = [revision(mark).name for mark in MARKS]
    models = {revision(mark).model.name for mark in MARKS}
    for seed in range(LIVES):
        world = one_life(seed, outcomes)
        attempts = journal.deployments(world.journal.entries())
        recorded = [(one.revision and one.revision.name, one.outcome) for one in attempts]
        assert recorded == [(name, journal.DEPLOYED) for name in names], seed
        serving = world.cloud.endpoint("digits")
        assert serving is not None
        assert serving.config == names[-1], seed
        assert set(world.cloud.configs) == set(names), seed
        assert set(world.cloud.models) == models, seed
    assert set(outcomes) <= {journal.DEPLOYED, *DIAGNOSES}, outcomes
    assert outcomes[journal.DEPLOYED] == len(MARKS) * LIVES
    assert sum(outcomes.values()) > 1.5 * outcomes[journal.DEPLOYED], "the weather was too good to tell"
