"""What is looked at, and refused, before anything changes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import (
    DeniedError,
    RefusedError,
)
from orchestrator.core.resources import (
    State,
    Variant,
    VariantStatus,
)
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Rollout
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.shapes import Violation
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.change import Terms
from orchestrator.usecases.plan import Wish, prepare
from tests.support.builders import CASE, ROLE, publish
from tests.support.engines import CANARY, WATCHED, brought, made, planned, serving, started
from tests.support.fake_sagemaker import FakeCloud
from tests.support.fakes import FakeEdge, FakeLimits, fake_edge

SCALING = Scaling(
    "primary", 2, 10, tracking=(TargetTracking("t", "SageMakerVariantInvocationsPerInstance", 60),)
)


@dataclass
class Unlisted(FakeCloud):
    """A cloud in which nobody is to look at everything."""

    def observe(self, endpoint: str) -> State:
        raise AssertionError(f"everything of '{endpoint}' was looked at")


def test_where_nothing_changes_a_few_looks_show_it() -> None:
    world = started(scalings=(SCALING,))
    few = Unlisted(world.clock, models=world.cloud.models, configs=world.cloud.configs)
    few.endpoints = world.cloud.endpoints
    edge = replace(world.edge(), cloud=few, inventory=few)
    assert planned(made("a", scalings=(SCALING,)), world, edge=edge).nothing_to_do


def suspend(world: FakeEdge) -> None:
    world.autoscaling.suspend("digits", SCALING)


def lose_models(world: FakeEdge) -> None:
    world.cloud.models.clear()


def lose_configs(world: FakeEdge) -> None:
    world.cloud.configs.clear()


def shift_weights(world: FakeEdge) -> None:
    fleet = (VariantStatus("primary", 2, 2, 0.5, 0.5),)
    world.cloud.endpoints["digits"] = replace(serving(world), variants=fleet)


@pytest.mark.parametrize("damage", [suspend, lose_models, lose_configs, shift_weights])
def test_a_few_looks_show_what_has_to_change(damage: Callable[[FakeEdge], None]) -> None:
    world = started(scalings=(SCALING,))
    damage(world)
    assert planned(made("a", scalings=(SCALING,)), world).plan != ()


def test_weights_that_come_back_in_single_precision_are_nothing_to_change() -> None:
    spec = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 2, weight=0.109),))
    world = started(spec)
    fleet = (VariantStatus("primary", 2, 2, 0.10899999737739563, 0.10899999737739563),)
    world.cloud.endpoints["digits"] = replace(serving(world), variants=fleet)
    assert planned(made("a", spec), world).nothing_to_do


def test_the_size_of_an_autoscaled_fleet_is_nothing_to_change() -> None:
    world = started(scalings=(SCALING,))
    fleet = (VariantStatus("primary", 9, 9),)
    world.cloud.endpoints["digits"] = replace(serving(world), variants=fleet)
    assert planned(made("a", scalings=(SCALING,)), world).nothing_to_do


class Strict(FakeLimits):
    """A model of the API that takes no rollout of this length."""

    def violations(
        self, revision: Revision, rollout: Rollout, scalings: Sequence[Scaling]
    ) -> tuple[Violation, ...]:
        long = rollout.bake_seconds > 3600
        return (
            (Violation("rollout.bake_seconds", "9999", "at most 3600", "SageMaker's model"),) if long else ()
        )


def test_what_the_api_does_not_take_is_refused_also_where_nothing_would_change() -> None:
    world = started()
    edge = replace(world.edge(), limits=Strict())
    for mark in "ab":
        with pytest.raises(RefusedError) as caught:
            planned(made(mark), world, Terms(replace(CANARY, bake_seconds=9999)), edge)
        assert any("rollout.bake_seconds" in fact for _, fact in caught.value.details)
    assert world.cloud.calls == []


def test_a_role_that_cannot_be_assumed_is_refused_where_we_may_look() -> None:
    world = fake_edge()
    world.account.role_problems[ROLE] = "role 'x' does not exist"
    publish(made("a"), world)
    wish = Wish(made("a"), journal.DEPLOY, (CASE,), 5, asks_role=True)
    with pytest.raises(RefusedError):
        prepare(wish, world.edge())
    assert prepare(replace(wish, asks_role=False), world.edge()).plan
    world.account.refusal = DeniedError("not permitted")
    assert prepare(wish, world.edge()).plan


def test_a_rule_of_sagemakers_is_refused_before_anything_changes() -> None:
    world = fake_edge()
    single = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),))
    brought(made("a", single), world)
    calls = len(world.cloud.calls)
    with pytest.raises(RefusedError):
        planned(made("b", single), world, Terms(CANARY))
    assert len(world.cloud.calls) == calls


def test_alarms_that_no_request_can_set_off_are_told() -> None:
    world = started()

    def warned() -> bool:
        found = planned(made("b"), world, WATCHED).findings
        return "alarm-without-traffic" in {finding.rule for finding in found}

    assert warned()
    world.alarms.metrics = lambda query: (12.0,) if query.metric == "Invocations" else ()
    assert not warned()


def test_a_plan_comes_with_its_difference_and_with_what_it_means() -> None:
    world = started()
    bigger = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 4),))
    change = planned(made("b", bigger), world, WATCHED)
    assert any("instance_count" in difference.path for difference in change.difference)
    assert change.notes
