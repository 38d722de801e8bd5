"""Which revision serves which share of the traffic, since when, who brought it, and who is at it."""

from dataclasses import replace

import pytest

from orchestrator.core.errors import NotFoundError
from orchestrator.core.resources import EndpointStatus, Serverless, Stage, Variant, VariantStatus
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.holding import hold
from orchestrator.usecases.status import Share, history, status
from tests.support.fakes import FakeEdge, fake_edge
from tests.support.managed import SCALING, Past, made, put, record, simple

CANARY = Rollout(Kind.CANARY, Size(10), bake_seconds=300)
ROLLING = Rollout(Kind.ROLLING, Size(50), bake_seconds=300)


def moving(world: FakeEdge, to: str, *stages: Stage) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.UPDATING, pending=to, stages=stages)


def shares(world: FakeEdge) -> list[tuple[str, float | None]]:
    return [(each.config, each.share) for each in status("digits", world.edge()).shares]


def test_a_settled_endpoint_has_all_its_traffic_on_what_it_serves() -> None:
    world, wanted = fake_edge(), simple(count=2, scalings=(SCALING,))
    put(world, wanted)
    found = status("digits", world.edge())
    assert found.shares == (Share(wanted.name, "primary", 1.0, 2),)
    assert found.scalings == (SCALING,)
    assert found.deployment is not None
    assert found.deployment.by == world.account.identity()
    assert found.unfinished is None
    assert found.holder is None


def test_weights_say_which_variant_has_which_share() -> None:
    world = fake_edge()
    variants = (Variant("a", "", "ml.m5.large", 1, 3.0), Variant("b", "", "ml.m5.large", 1, 1.0))
    put(world, made("a", EndpointSpec(variants=variants)))
    assert [each.share for each in status("digits", world.edge()).shares] == [0.75, 0.25]
    seen = world.cloud.endpoints["digits"]
    nothing = tuple(replace(each, current_weight=0.0) for each in seen.variants)
    world.cloud.endpoints["digits"] = replace(seen, variants=nothing)
    assert [each.share for each in status("digits", world.edge()).shares] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("rollout", "stage", "old", "new"),
    [
        (CANARY, Stage("primary", "Creating"), 1.0, 0.0),
        (CANARY, Stage("primary", "Baking"), 0.9, 0.1),
        (CANARY, Stage("primary", "ActivatingTraffic"), None, None),
        (CANARY, Stage("primary", "Deleting"), 0.0, 1.0),
        (ROLLING, Stage("primary", "Baking"), None, None),
    ],
)
def test_both_fleets_are_told_as_far_as_it_is_certain(
    rollout: Rollout, stage: Stage, old: float | None, new: float | None
) -> None:
    world, first, second = fake_edge(), simple("a", count=10), simple("b", count=10)
    put(world, first)
    record(world, second, Past(outcome="", rollout=rollout))
    moving(world, second.name, stage)
    assert shares(world) == [(first.name, old), (second.name, new)]


def test_nothing_is_guessed_of_a_change_that_is_not_ours() -> None:
    world, first = fake_edge(), simple()
    put(world, first)
    moving(world, "theirs", Stage("primary", "Baking"))
    assert shares(world) == [(first.name, None), ("theirs", None)]


def test_an_attempt_without_an_end_and_whoever_holds_the_endpoint_are_told() -> None:
    world = fake_edge()
    put(world, simple("a"))
    number = record(world, simple("b"), Past(outcome=""))
    with hold("digits", "deploy digits-b", world.edge()):
        found = status("digits", world.edge())
    assert found.unfinished is not None
    assert found.unfinished.number == number
    assert found.holder is not None
    assert found.holder.claim.doing == "deploy digits-b"
    assert not found.holder.expired


def test_what_serves_though_it_failed_its_golden_cases_has_its_attempt_named() -> None:
    world, first, second = fake_edge(), simple("a"), simple("b")
    put(world, first)
    put(world, second, Past(outcome="not-verified"))
    found = status("digits", world.edge())
    assert found.deployment is not None
    assert found.deployment.revision == second
    assert [attempt.outcome for attempt in history(world.edge())] == ["deployed", "not-verified"]


def test_an_endpoint_that_somebody_else_moved_has_no_attempt_that_brought_it() -> None:
    world = fake_edge()
    put(world, simple("a"))
    seen = world.cloud.endpoints["digits"]
    fleet = (VariantStatus("primary", 1, 1),)
    world.cloud.endpoints["digits"] = replace(seen, config="theirs", variants=fleet)
    assert status("digits", world.edge()).deployment is None


@pytest.mark.parametrize(
    ("variant", "brought_by", "instances"),
    [
        (Variant("primary", "", "ml.m5.large", 1), "us", 0),
        (Variant("primary", "", "ml.m5.large", 1), "others", None),
        (Variant("primary", "", serverless=Serverless(2048, 5)), "us", None),
    ],
)
def test_an_endpoint_that_was_scaled_to_none_is_told_from_one_that_has_none_to_count(
    variant: Variant, brought_by: str, instances: int | None
) -> None:
    world = fake_edge()
    put(world, made("a", EndpointSpec(variants=(variant,))))
    seen = world.cloud.endpoints["digits"]
    asleep = tuple(replace(each, current_count=0, desired_count=0) for each in seen.variants)
    config = seen.config if brought_by == "us" else "theirs"
    world.cloud.endpoints["digits"] = replace(seen, variants=asleep, config=config)
    assert [each.instances for each in status("digits", world.edge()).shares] == [instances]


def test_an_endpoint_that_does_not_exist_has_no_status() -> None:
    with pytest.raises(NotFoundError, match="no endpoint 'digits'"):
        status("digits", fake_edge().edge())


@pytest.mark.parametrize(
    ("state", "share"),
    [
        (EndpointStatus.CREATING, 0.0),
        (EndpointStatus.FAILED, 0.0),
        (EndpointStatus.OUT_OF_SERVICE, 0.0),
        (EndpointStatus.DELETING, 0.0),
        (EndpointStatus.UPDATE_ROLLBACK_FAILED, None),
        (EndpointStatus.SYSTEM_UPDATING, 1.0),
    ],
)
def test_nothing_is_said_to_serve_that_does_not_or_may_not(
    state: EndpointStatus, share: float | None
) -> None:
    world, wanted = fake_edge(), simple()
    put(world, wanted)
    seen = world.cloud.endpoints["digits"]
    pending = wanted.name if state is EndpointStatus.CREATING else None
    world.cloud.endpoints["digits"] = replace(seen, status=state, pending=pending)
    assert shares(world) == [(wanted.name, share)]
