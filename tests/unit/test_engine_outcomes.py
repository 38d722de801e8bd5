"""How a deployment ends, on fakes: every end is told apart, and says what to do."""

import pytest

from orchestrator.core.errors import (
    CapacityError,
    MixedError,
    QuotaError,
    RolledBackError,
    StillMovingError,
    UnhealthyError,
)
from tests.support.engines import WATCHED, brought, made, serving, started, updates
from tests.support.fake_sagemaker import CAPACITY, Ending
from tests.support.fakes import SilentProgress, fake_edge


def test_a_way_back_that_failed_has_its_own_exit_code_and_the_documented_remedy() -> None:
    world = started()
    world.cloud.outcomes = [Ending("UpdateRollbackFailed", "both are gone")]
    with pytest.raises(MixedError) as caught:
        brought(made("b"), world)
    details = dict(caught.value.details)
    assert caught.value.exit_code == 10
    assert details["AWS"] == "both are gone"
    assert made("a").name in details["remedy"]
    assert f"orchestrator rollback {made('a').name} --endpoint" in (caught.value.hint or "")
    assert {made("a").name, made("b").name} <= set(world.cloud.configs)
    brought(made("b"), world)
    assert serving(world).config == made("b").name


@pytest.mark.parametrize(("status", "serves"), [("rolled-back", True), ("Failed", False)])
def test_a_lack_of_machines_is_told_apart_with_what_serves_now(status: str, serves: bool) -> None:  # noqa: FBT001 - a parameter
    world = started()
    world.cloud.outcomes = [Ending(status, CAPACITY)]
    with pytest.raises(CapacityError) as caught:
        brought(made("b"), world)
    assert caught.value.exit_code == 11
    assert dict(caught.value.details)["state"].startswith("the previous revision serves") is serves
    assert "endpoint.pools" in (caught.value.hint or "")


def test_a_quota_that_does_not_suffice_is_told_apart_with_what_serves_now() -> None:
    world = started()
    world.cloud.quota = 3
    with pytest.raises(QuotaError) as caught:
        brought(made("b"), world)
    assert caught.value.exit_code == 12
    assert dict(caught.value.details)["state"] == f"'{made('a').name}' serves, as before"
    assert serving(world).config == made("a").name


def test_an_internal_error_of_aws_is_tried_again_once() -> None:
    world = started()
    internal = Ending("rolled-back", "Request to service failed. Try again.")
    world.cloud.outcomes = [internal]
    assert brought(made("b"), world).recognised
    assert updates(world) == 2
    world.cloud.outcomes = [internal, internal]
    with pytest.raises(RolledBackError):
        brought(made("c"), world)
    assert updates(world) == 4


@pytest.mark.parametrize("reason", ["", "the container did not pass the ping health check"])
def test_any_other_failure_is_never_tried_again(reason: str) -> None:
    world = started()
    world.cloud.outcomes = [Ending("rolled-back", reason)]
    with pytest.raises(RolledBackError):
        brought(made("b"), world)
    assert updates(world) == 1


def test_the_alarm_that_rolled_it_back_is_named() -> None:
    world = started()
    name = f"{made('b').name}-5xx"

    def fire(call: str) -> None:
        if call.startswith("update-endpoint"):
            world.alarms.trip(name, "too many errors")

    world.cloud.refuse = fire
    with pytest.raises(RolledBackError) as caught:
        brought(made("b"), world, WATCHED)
    assert ("alarm", f"'{name}' is in ALARM") in caught.value.details
    assert serving(world).config == made("a").name


def test_a_creation_that_does_not_end_says_what_the_container_says_again_and_again() -> None:
    world, progress = fake_edge(), SilentProgress()
    world.cloud.outcomes = [Ending("stuck")]
    for start in range(3):
        for line in ("Traceback (most recent call last):", "  File ...", "KeyError: 'HOME'"):
            world.logs.lines.append((world.clock.now() + 30 * start, line))
    with pytest.raises(StillMovingError) as caught:
        brought(made("a"), world, progress=progress)
    assert dict(caught.value.details)["log"] == "KeyError: 'HOME'"
    assert caught.value.exit_code == 8
    assert progress.watches[-1].stage == "the container restarts: KeyError: 'HOME'"
    assert progress.watches[-1].left_seconds < 10


def test_an_unhealthy_endpoint_is_explained_by_its_log() -> None:
    world = fake_edge()
    world.cloud.outcomes = [Ending("Failed", "did not pass the ping health check")]
    world.logs.lines = [(world.clock.now() + 1, "ValueError: bad weights")]
    with pytest.raises(UnhealthyError) as caught:
        brought(made("a"), world)
    assert dict(caught.value.details)["log"] == "ValueError: bad weights"
