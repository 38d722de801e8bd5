"""What becomes of a world when its local cloud begins again."""

from dataclasses import replace

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.deploying.reviving import interrupted, revived, waiting
from orchestrator.localcloud.world import Deployment, Endpoint, Scope, Variant, World

SCOPE = Scope("123456789012", "eu-west-1")
VARIANT = Variant("primary", {}, "ml.m5.large", 1, 1.0, 60.0)
OLD = Deployment("old", (VARIANT,), None, 1.0)
NEW = replace(OLD, config="new")
SERVING = Endpoint("e", EndpointStatus.IN_SERVICE, "old", 1.0, 5.0, serving=OLD)
CREATING = Endpoint("e", EndpointStatus.CREATING, "new", 1.0, 1.0, pending=NEW)


def after(endpoint: Endpoint, now: float = 9.0) -> Endpoint | None:
    world = World(SCOPE, tags={SCOPE.arn("endpoint", "e"): {"k": "v"}}).with_endpoint(endpoint)
    return interrupted(world, now).endpoints.get("e")


@pytest.mark.parametrize(
    "endpoint",
    [
        SERVING,
        replace(SERVING, status=EndpointStatus.SYSTEM_UPDATING),
        replace(SERVING, status=EndpointStatus.UPDATING, pending=NEW),
        replace(SERVING, status=EndpointStatus.UPDATING, asked=(replace(VARIANT, weight=2.0),)),
        replace(SERVING, status=EndpointStatus.ROLLING_BACK, pending=NEW),
        replace(SERVING, status=EndpointStatus.UPDATE_ROLLBACK_FAILED, mixed=True, failure_reason="why"),
    ],
)
def test_what_served_is_on_its_way_back_to_the_endpoint_config_it_served(endpoint: Endpoint) -> None:
    assert after(endpoint) == replace(SERVING, status=EndpointStatus.SYSTEM_UPDATING, modified=9.0)


def test_what_was_being_created_has_failed_and_says_why() -> None:
    found = after(CREATING)
    assert found is not None
    assert found.status is EndpointStatus.FAILED
    assert found.pending is None
    assert "The local cloud was restarted" in found.failure_reason


def test_what_was_being_deleted_is_gone_with_its_tags() -> None:
    deleting = World(SCOPE, tags={SCOPE.arn("endpoint", "e"): {"k": "v"}}).with_endpoint(
        replace(SERVING, status=EndpointStatus.DELETING)
    )
    assert interrupted(deleting, 9.0) == World(SCOPE)


def test_what_had_failed_stays_as_it_is() -> None:
    failed = replace(SERVING, status=EndpointStatus.FAILED, serving=None, failure_reason="why")
    assert after(failed) == failed


def test_what_serves_again_is_in_service_and_was_modified_later_whatever_the_clock_says() -> None:
    world = World(SCOPE).with_endpoint(replace(SERVING, status=EndpointStatus.SYSTEM_UPDATING))
    assert waiting(world) == ("e",)
    found = revived(world, "e", 2.0)
    assert waiting(found) == ()
    assert found.endpoints["e"].status is EndpointStatus.IN_SERVICE
    assert found.endpoints["e"].modified > SERVING.modified
