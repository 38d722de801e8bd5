"""Permissions that are lost at any call: exit code 9, a whole journal, and `resume` finishes it."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.target import AlarmSpec
from orchestrator.usecases.change import AS_USUAL, Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from tests.support.denials import Denials
from tests.support.engines import brought, made, planned, started
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.faults import struck
from tests.support.snapshots import restarted

SCALING = Scaling(
    "primary", 2, 8, tracking=(TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600.0),)
)
CANARY = Terms(
    rollout=Rollout(Kind.CANARY, Size(50), bake_seconds=60, final_bake_seconds=60),
    alarms=AlarmSpec(error_percent=5.0),
)


@dataclass(frozen=True)
class Verb:
    """Something to do to an endpoint, and the world before it."""

    before: Callable[[], FakeEdge]
    plan: Callable[[FakeEdge, Edge], Prepared]


def _after_two() -> FakeEdge:
    world = started()
    brought(made("b"), world)
    return world


VERBS = {
    "create": Verb(
        fake_edge, lambda world, edge: planned(made("a", scalings=(SCALING,)), world, AS_USUAL, edge)
    ),
    "canary": Verb(
        lambda: started(scalings=(SCALING,)),
        lambda world, edge: planned(made("b", scalings=(SCALING,)), world, CANARY, edge),
    ),
    "rollback": Verb(_after_two, lambda _, edge: prepare_rollback("digits", made("a").name, edge)),
    "destroy": Verb(lambda: started(scalings=(SCALING,)), lambda _, edge: prepare_destroy("digits", edge)),
}


def attempt(verb: Verb, world: FakeEdge, faults: Denials) -> OrchestratorError | None:
    """Do it once as a process of its own, and return the error that it ends with."""
    edge = struck(world.edge(), faults)
    try:
        deploy(verb.plan(world, edge), edge, SilentProgress())
    except OrchestratorError as error:
        return error
    return None


def finished(verb: Verb, world: FakeEdge) -> dict[str, object]:
    """Resume what is open, do it again if nothing is, and return what there is in the end."""
    world = restarted(world)
    found = prepare_resume("digits", world.edge(), keep_revisions=5)
    if found is not None:
        deploy(found, world.edge(), SilentProgress())
    again = verb.plan(world, world.edge())
    if not again.nothing_to_do:
        deploy(again, world.edge(), SilentProgress())
    endpoint = world.cloud.endpoint("digits")
    return {
        "endpoint": endpoint and (endpoint.config, endpoint.status),
        "configs": sorted(world.cloud.configs),
        "models": sorted(world.cloud.models),
        "alarms": sorted(world.alarms.alarms),
        "scalings": sorted(map(str, world.autoscaling.scalings.values())),
        "outcomes": [one.outcome for one in journal.deployments(world.journal.entries())][-1],
    }


def calm(verb: Verb) -> tuple[list[str], dict[str, object]]:
    """Return every call of an undisturbed run, and what there is in the end."""
    world, faults = verb.before(), Denials()
    assert attempt(verb, world, faults) is None
    return faults.calls, finished(verb, world)


@pytest.mark.parametrize("name", VERBS)
def test_credentials_that_expire_at_any_call_end_with_9_and_resume_finishes_it(name: str) -> None:
    verb = VERBS[name]
    calls, expected = calm(verb)
    for number in range(1, len(calls) + 1):
        world, faults = verb.before(), Denials(since=number)
        error = attempt(verb, world, faults)
        where = (number, calls[number - 1])
        if error is None:
            # What comes after the verdict vouches for it, and is no part of it.
            assert set(faults.refused) <= {"cloud.tag_endpoint", "lock.clear", "lock.read"}, where
        else:
            assert error.exit_code == 9, (where, error)
        world.journal.entries()
        assert finished(verb, world) == expected, where


@pytest.mark.parametrize("name", VERBS)
def test_a_permission_that_is_missing_ends_with_9_or_is_only_for_a_check(name: str) -> None:
    verb = VERBS[name]
    calls, expected = calm(verb)
    checks = set[str]()
    for only in sorted(set(calls)):
        world = verb.before()
        error = attempt(verb, world, Denials(only=only))
        if error is None:
            checks.add(only)
        else:
            assert error.exit_code == 9, (only, error)
        world.journal.entries()
        assert finished(verb, world) == expected, only
    assert checks <= {
        *("account.image_problem", "account.instance_quota", "account.role_problem", "alarms.find"),
        "alarms.values",
        *("cloud.tag_endpoint", "inventory.endpoint_names", "lock.clear", "logs.since", "store.region"),
    }
