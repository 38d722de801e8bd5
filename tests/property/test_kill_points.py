"""A process killed before or after any call to the outside: `resume` ends where an uninterrupted run does.

Every verb is run once, and the world is copied before and after each of its calls, those of the journal
between an entry and its head among them. Each copy is what a killed process leaves: it is resumed, and the
verb is run once more. Nothing may be left over, doubled or lost, and what served must be whole at every
moment. Of the pairs of kills, a sample; ``ORCHESTRATOR_FUZZ`` multiplies it, and a failure tells the seed.
"""

import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import RolledBackError
from orchestrator.core.journal import ADOPT
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Variant,
    VariantStatus,
)
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.target import AlarmSpec
from orchestrator.usecases import holding
from orchestrator.usecases.adopt import adopt, prepare_adopt
from orchestrator.usecases.change import Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, prepare
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.sweep import prepare_sweep
from tests.support.builders import publish, revision, wish
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.snapshots import Moment, copied, moments, restarted

KEEP = 5
FIRST, SECOND = 8 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1")), 4
CANARY = Terms(
    rollout=Rollout(Kind.CANARY, Size(50), bake_seconds=60, final_bake_seconds=60),
    alarms=AlarmSpec(error_percent=5.0),
)
LINEAR = Terms(rollout=Rollout(Kind.LINEAR, Size(50), bake_seconds=60), alarms=AlarmSpec(error_percent=5.0))
LEAVING = Terms(wait=False)
SCALING = Scaling(
    "primary", 2, 8, tracking=(TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600.0),)
)
LEGACY_MODEL = Model("legacy-model", "image:1", "s3://elsewhere/model.tar.gz", "role")
LEGACY = EndpointConfig("legacy", (Variant("primary", LEGACY_MODEL.name, "ml.m5.large", 1),))

Act = Callable[[FakeEdge, Edge], None]


@dataclass(frozen=True)
class Scenario:
    """Something that can be killed.

    Attributes:
        before: Makes what there is already.
        act: Carries the verb out.
        left: The endpoint configs that there are in the end.
        again: Whether the verb, once it is done, has nothing to do any more.
    """

    before: Callable[[FakeEdge], None]
    act: Act
    left: tuple[str, ...]
    again: bool = True


def carry_out(change: Prepared, edge: Edge) -> None:
    if change.nothing_to_do:
        return
    if change.change.verb == ADOPT:
        adopt(change, edge)
        return
    with contextlib.suppress(RolledBackError):
        deploy(change, edge, SilentProgress())


def resume(edge: Edge) -> None:
    found = prepare_resume("digits", edge, keep_revisions=KEEP)
    if found is not None:
        carry_out(found, edge)


def wanting(mark: str, terms: Terms | None = None, *, count: int = 1, scaled: bool = False) -> Act:
    def act(world: FakeEdge, edge: Edge) -> None:
        wanted = revision(mark, count=count)
        if scaled:
            wanted = replace(wanted, scalings=(SCALING,))
        publish(wanted, world)
        carry_out(prepare(replace(wish(wanted, keep=KEEP), terms=terms or Terms()), edge), edge)

    return act


def begun(*acts: Act) -> Callable[[FakeEdge], None]:
    def before(world: FakeEdge) -> None:
        for act in acts:
            act(world, world.edge())

    return before


def answering_wrongly(world: FakeEdge) -> None:
    wanting("a")(world, world.edge())
    world.fingerprints[revision("b").name] = "of somebody else's model"


def legacy(world: FakeEdge) -> None:
    world.cloud.models[LEGACY_MODEL.name] = LEGACY_MODEL
    world.cloud.configs[LEGACY.name] = LEGACY
    fleet = (VariantStatus("primary", 1, 1),)
    world.cloud.endpoints["digits"] = Endpoint(
        "digits", LEGACY.name, last_modified=1.0, variants=fleet, owned=False
    )


def verb(plan: Callable[[Edge], Prepared]) -> Act:
    return lambda _, edge: carry_out(plan(edge), edge)


def left_to_itself(world: FakeEdge, edge: Edge) -> None:
    wanting("b", LEAVING)(world, edge)
    resume(edge)


def named(marks: str, count: int = 1) -> tuple[str, ...]:
    return tuple(revision(mark, count=count).name for mark in marks)


A, B, C = wanting("a"), wanting("b"), wanting("c")
SCALED = wanting("a", count=2, scaled=True)
SCENARIOS = {
    "create": Scenario(begun(), A, named("a")),
    "create with autoscaling": Scenario(begun(), SCALED, named("a", 2)),
    "update": Scenario(begun(A), B, named("ab")),
    "canary with alarms": Scenario(
        begun(wanting("a", count=2)), wanting("b", CANARY, count=2), named("ab", 2)
    ),
    "linear with alarms": Scenario(
        begun(wanting("a", count=2)), wanting("b", LINEAR, count=2), named("ab", 2)
    ),
    "update under autoscaling": Scenario(begun(SCALED), wanting("b", count=2, scaled=True), named("ab", 2)),
    "no-wait, then resume": Scenario(begun(A), left_to_itself, named("ab")),
    "taken back": Scenario(answering_wrongly, B, named("ab"), again=False),
    "rollback": Scenario(
        begun(A, B), verb(lambda edge: prepare_rollback("digits", named("a")[0], edge)), named("ab")
    ),
    "sweep": Scenario(
        begun(A, B, C), verb(lambda edge: prepare_sweep("digits", 1, edge).prepared), named("bc")
    ),
    "destroy": Scenario(begun(A, B), verb(lambda edge: prepare_destroy("digits", edge)), ()),
    "destroy under autoscaling": Scenario(
        begun(SCALED), verb(lambda edge: prepare_destroy("digits", edge)), ()
    ),
    "adopt": Scenario(legacy, verb(lambda edge: prepare_adopt("digits", edge)), (LEGACY.name,), again=False),
}


def fresh(scenario: Scenario) -> FakeEdge:
    world = fake_edge()
    scenario.before(world)
    return restarted(world)


def attempts(world: FakeEdge) -> tuple[journal.Deployment, ...]:
    return journal.deployments(world.journal.entries())


def dump(world: FakeEdge) -> dict[str, object]:
    """Return all there is, but for times."""
    endpoint = world.cloud.endpoint("digits")
    return {
        "endpoint": endpoint
        and (endpoint.config, endpoint.status, [t for t in endpoint.tags if "journal" not in t[0]]),
        "counts": endpoint and [(v.name, v.desired_count, v.desired_weight) for v in endpoint.variants],
        "configs": sorted(world.cloud.configs),
        "models": sorted(world.cloud.models),
        "alarms": sorted(world.alarms.alarms),
        "scalings": sorted(map(str, world.autoscaling.scalings.values())),
        "objects": sorted(world.store.objects),
        "attempts": [(one.verb, one.revision and one.revision.name, one.outcome) for one in attempts(world)],
        "lock": held(world),
    }


def held(world: FakeEdge) -> str:
    """Return who holds the endpoint; a claim of a process that is gone keeps nobody out."""
    holder = holding.holder(world.edge())
    return "" if holder is None or world.processes.is_gone(holder.claim.process) else holder.claim.doing


def check_whole(world: FakeEdge) -> None:
    """Check what must hold at every moment: what serves, or is coming, is all there, and the journal, too."""
    world.journal.again().entries()
    endpoint = world.cloud.endpoints.get("digits")
    if endpoint is not None and endpoint.status is not EndpointStatus.DELETING:
        for name in {endpoint.config, endpoint.target}:
            assert world.cloud.configs[name].models <= set(world.cloud.models)


def check_nothing_is_left_over(scenario: Scenario, world: FakeEdge) -> None:
    configs = world.cloud.configs
    assert sorted(configs) == sorted(scenario.left)
    assert set(world.cloud.models) == {name for config in configs.values() for name in config.models}
    assert all(name.startswith(scenario.left) for name in world.alarms.alarms)


def finished(scenario: Scenario, moment: Moment, known: int) -> dict[str, object]:
    """Resume what was killed at ``moment``, run the verb once more, and return all there is then.

    Args:
        scenario: What was killed.
        moment: When.
        known: How many attempts the journal knew before it.
    """
    world = restarted(moment.world)
    written = world.journal.shared
    check_whole(world)
    resume(world.edge())
    world = restarted(world)
    if scenario.again or len(attempts(world)) == known:
        scenario.act(world, world.edge())
    check_whole(world)
    assert world.journal.shared[: len(written)] == written
    return dump(world)


def calm(scenario: Scenario) -> tuple[list[Moment], dict[str, object], int]:
    """Return the moments of an uninterrupted run, all there is after it, and the attempts before it."""
    world = fresh(scenario)
    known = len(attempts(world))
    found = moments(world, scenario.act)
    check_nothing_is_left_over(scenario, world)
    return found, dump(world), known


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_verb_killed_before_or_after_any_call_ends_where_an_uninterrupted_one_does(name: str) -> None:
    scenario = SCENARIOS[name]
    found, expected, known = calm(scenario)
    for moment in found:
        assert finished(scenario, moment, known) == expected, moment.label


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_resume_that_is_killed_itself_can_be_resumed(name: str) -> None:
    scenario = SCENARIOS[name]
    seed = random.randrange(2**32)  # noqa: S311 - which pairs, not a secret
    chance = random.Random(seed)  # noqa: S311 - as above
    found, expected, known = calm(scenario)
    for first in chance.sample(found, min(FIRST, len(found))):
        again = moments(restarted(copied(first.world)), lambda _, edge: resume(edge))
        for second in chance.sample(again, min(SECOND, len(again))):
            told = (seed, first.label, second.label)
            assert finished(scenario, second, known) == expected, told
