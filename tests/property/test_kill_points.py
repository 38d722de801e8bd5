"""A process killed before or after any call to the outside: `resume` ends where an uninterrupted run does.

Every verb is run once to count its calls; then, for each call, it is killed before it and after it, resumed,
and run once more. Nothing may be left over, doubled or lost, and what served must be whole at every moment.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from orchestrator.core import journal
from orchestrator.core.resources import EndpointStatus
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.target import AlarmSpec
from orchestrator.usecases import holding
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, prepare
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.sweep import prepare_sweep
from tests.support.builders import prepared, revision, wish
from tests.support.fakes import FakeEdge, FakeJournal, SilentProgress, fake_edge
from tests.support.faults import Faults, Killed, kill_points, struck
from tests.support.locks import FakeProcesses

KEEP = 5
CANARY = Terms(
    rollout=Rollout(Kind.CANARY, Size(50), bake_seconds=60, final_bake_seconds=60),
    alarms=AlarmSpec(error_percent=5.0),
)
SCALING = Scaling(
    "primary", 2, 8, tracking=(TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600.0),)
)


@dataclass(frozen=True)
class Scenario:
    """Something that can be killed: what there is before, and the verb."""

    before: Callable[[FakeEdge], None]
    verb: Callable[[FakeEdge, Edge], Prepared]


def begun(*marks: str, count: int = 1) -> Callable[[FakeEdge], None]:
    def before(world: FakeEdge) -> None:
        for mark in marks:
            carried_out(world, prepared(revision(mark, count=count), world), world.edge())

    return before


def carried_out(world: FakeEdge, change: Prepared, edge: Edge) -> None:
    if not change.nothing_to_do:
        deploy(change, edge, SilentProgress())


def wanting(
    mark: str, terms: Terms | None = None, *, count: int = 1, scaled: bool = False
) -> Callable[[FakeEdge, Edge], Prepared]:
    def verb(world: FakeEdge, edge: Edge) -> Prepared:
        wanted = revision(mark, count=count)
        if scaled:
            wanted = replace(wanted, scalings=(SCALING,))
        prepared(wanted, world)  # puts the artifact and the golden cases there
        return prepare(replace(wish(wanted, keep=KEEP), terms=terms or Terms()), edge)

    return verb


def autoscaled(world: FakeEdge) -> None:
    carried_out(world, wanting("a", count=2, scaled=True)(world, world.edge()), world.edge())


SCENARIOS = {
    "create": Scenario(lambda _: None, wanting("a")),
    "create with autoscaling": Scenario(lambda _: None, wanting("a", count=2, scaled=True)),
    "update": Scenario(begun("a"), wanting("b")),
    "canary with alarms": Scenario(begun("a", count=2), wanting("b", CANARY, count=2)),
    "update under autoscaling": Scenario(autoscaled, wanting("b", count=2, scaled=True)),
    "rollback": Scenario(
        begun("a", "b"), lambda _, edge: prepare_rollback("digits", revision("a").name, edge)
    ),
    "sweep": Scenario(begun("a", "b", "c"), lambda _, edge: prepare_sweep("digits", 1, edge).prepared),
    "destroy": Scenario(begun("a", "b"), lambda _, edge: prepare_destroy("digits", edge)),
}


def fresh(scenario: Scenario) -> FakeEdge:
    world = fake_edge()
    scenario.before(world)
    return restarted(world)


def restarted(world: FakeEdge) -> FakeEdge:
    """Return the same world as another process of this machine finds it, when the one before has ended."""
    ended = world.processes.process
    world.journal = FakeJournal("digits", world.journal.shared, world.journal.heads)
    world.processes = FakeProcesses(replace(ended, pid=ended.pid + 1), gone={*world.processes.gone, ended})
    return world


def resume(edge: Edge) -> None:
    found = prepare_resume("digits", edge, keep_revisions=KEEP)
    if found is not None:
        deploy(found, edge, SilentProgress())


def dump(world: FakeEdge) -> dict[str, object]:
    """Return all there is, but for times."""
    endpoint = world.cloud.endpoint("digits")
    attempts = journal.deployments(world.journal.entries())
    return {
        "endpoint": endpoint
        and (endpoint.config, endpoint.status, [t for t in endpoint.tags if "journal" not in t[0]]),
        "counts": endpoint and [(v.name, v.desired_count, v.desired_weight) for v in endpoint.variants],
        "configs": sorted(world.cloud.configs),
        "models": sorted(world.cloud.models),
        "alarms": sorted(world.alarms.alarms),
        "scalings": sorted(map(str, world.autoscaling.scalings.values())),
        "objects": sorted(world.store.objects),
        "attempts": [(one.verb, one.revision and one.revision.name, one.outcome) for one in attempts],
        "lock": held(world),
    }


def held(world: FakeEdge) -> str:
    """Return who holds the endpoint; a claim of a process that is gone keeps nobody out."""
    holder = holding.holder(world.edge())
    return "" if holder is None or world.processes.is_gone(holder.claim.process) else holder.claim.doing


def check_whole(world: FakeEdge) -> None:
    """Check what must hold at every moment: what serves, or is coming, is all there, and the journal, too."""
    world.journal.entries()
    endpoint = world.cloud.endpoints.get("digits")
    if endpoint is not None and endpoint.status is not EndpointStatus.DELETING:
        for name in {endpoint.config, endpoint.target}:
            assert world.cloud.configs[name].models <= set(world.cloud.models)


def killed(scenario: Scenario, number: int, *, after: bool) -> FakeEdge:
    """Return the world after the verb was killed at its call ``number``."""
    world = fresh(scenario)
    edge = struck(world.edge(), Faults(kill_at=number, after=after))
    with pytest.raises(Killed):
        carried_out(world, scenario.verb(world, edge), edge)
    check_whole(world)
    return restarted(world)


def calls_of(scenario: Scenario) -> tuple[int, dict[str, object]]:
    world, faults = fresh(scenario), Faults()
    edge = struck(world.edge(), faults)
    carried_out(world, scenario.verb(world, edge), edge)
    return len(faults.calls), dump(world)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_verb_killed_before_or_after_any_call_ends_where_an_uninterrupted_one_does(name: str) -> None:
    scenario = SCENARIOS[name]
    count, expected = calls_of(scenario)
    for number, after in kill_points(count):
        world = killed(scenario, number, after=after)
        resume(world.edge())
        world = restarted(world)
        carried_out(world, scenario.verb(world, world.edge()), world.edge())
        assert dump(world) == expected, (name, number, after)
        check_whole(world)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_resume_that_is_killed_itself_can_be_resumed(name: str) -> None:
    scenario = SCENARIOS[name]
    count, expected = calls_of(scenario)
    for number in range(1, count + 1, 3):
        for second in range(2, count, 5):
            world = killed(scenario, number, after=True)
            edge = struck(world.edge(), Faults(kill_at=second, after=second % 2 == 0))
            with contextlib.suppress(Killed):
                resume(edge)
            world = restarted(world)
            check_whole(world)
            resume(world.edge())
            world = restarted(world)
            carried_out(world, scenario.verb(world, world.edge()), world.edge())
            assert dump(world) == expected, (name, number, second)
