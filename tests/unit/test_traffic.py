"""What a rollout shows of itself, told only where it is certain."""

import pytest

from orchestrator.core.resources import Endpoint, EndpointStatus, Stage, VariantStatus
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size, Unit
from orchestrator.core.traffic import instances, share, stage

CANARY = Rollout(Kind.CANARY, Size(10), 300)
FINAL = "Baking for 60 seconds (TerminationWaitInSeconds) with traffic enabled on 4 instance(s)."


def moving(*stages: Stage) -> Endpoint:
    return Endpoint(
        "digits",
        "old",
        EndpointStatus.UPDATING,
        "new",
        variants=(VariantStatus("primary", 2, 4),),
        stages=stages,
    )


@pytest.mark.parametrize(
    ("rollout", "status", "message", "expected"),
    [
        (AT_ONCE, "Creating", "", 0.0),
        (AT_ONCE, "ActivatingTraffic", "", None),
        (AT_ONCE, "Baking", "", 1.0),
        (AT_ONCE, "Deleting", "", 1.0),
        (CANARY, "Creating", "", 0.0),
        (CANARY, "ActivatingTraffic", "", None),
        (CANARY, "Baking", "", 0.1),
        (CANARY, "Baking", FINAL, 1.0),
        (Rollout(Kind.CANARY, Size(10), 300, 60), "Baking", "", None),
        (Rollout(Kind.CANARY, Size(10), 300, 60), "Baking", "Baking for 300 seconds.", 0.1),
        (Rollout(Kind.CANARY, Size(1, Unit.INSTANCES), 300), "Baking", "", 0.25),
        (Rollout(Kind.LINEAR, Size(25), 300), "Baking", "", None),
        (Rollout(Kind.LINEAR, Size(25), 300), "Baking", FINAL, 1.0),
        (Rollout(Kind.ROLLING, Size(25), 300), "Creating", "", None),
        (Rollout(Kind.ROLLING, Size(25), 300), "Deleting", "", None),
    ],
)
def test_the_share_of_traffic_is_told_only_where_it_is_certain(
    rollout: Rollout, status: str, message: str, expected: float | None
) -> None:
    assert share(moving(Stage("primary", status, message)), rollout) == expected


def test_variants_that_are_not_equally_far_have_no_common_share() -> None:
    assert share(moving(Stage("a", "Creating"), Stage("b", "Deleting")), AT_ONCE) is None
    assert share(moving(Stage("a", "Creating"), Stage("b", "Creating")), AT_ONCE) == 0.0
    assert share(moving(), AT_ONCE) is None


def test_what_is_being_done_is_said_once_in_sagemakers_words() -> None:
    same = [Stage(name, "Creating", "Launching 2 instance(s).") for name in "ab"]
    assert stage(moving(*same, Stage("c", "Deleting"))) == "Creating: Launching 2 instance(s).; Deleting"


def test_instances_are_counted_where_there_are_any() -> None:
    assert instances(moving()) == "2 of 4"
    assert instances(Endpoint("digits", "new", variants=(VariantStatus("primary", 0, 0),))) == ""
