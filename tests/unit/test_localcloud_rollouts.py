"""What a DeploymentConfig may say, and the phases that it leads to."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.core.rollout import Kind, Rollout, Size, Unit
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.rules.rollouts import (
    alarms_of,
    check_fit,
    check_policy,
    timeline,
    timeout_seconds,
)
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Variant

ON = "with traffic enabled on"


def checked(policy: dict[str, Any], *variants: Variant) -> None:
    check_policy(policy)
    check_fit(policy, variants)


def variant(count: int, name: str = "primary", serverless: Mapping[str, Any] | None = None) -> Variant:
    return Variant(name, {"Image": "i"}, "ml.m5.large", count, 1.0, 60.0, serverless)


def size(value: int, kind: str = "CAPACITY_PERCENT") -> dict[str, object]:
    return {"Type": kind, "Value": value}


def blue_green(kind: str, wait: int = 0, final: int = 0, **routing: object) -> dict[str, Any]:
    traffic = {"Type": kind, "WaitIntervalInSeconds": wait, **routing}
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": traffic,
            "TerminationWaitInSeconds": final,
        }
    }


def canary(value: int, kind: str = "CAPACITY_PERCENT", wait: int = 60, final: int = 0) -> dict[str, Any]:
    return blue_green("CANARY", wait, final, CanarySize=size(value, kind))


def linear(value: int, kind: str = "CAPACITY_PERCENT", wait: int = 60, final: int = 0) -> dict[str, Any]:
    return blue_green("LINEAR", wait, final, LinearStepSize=size(value, kind))


def rolling(value: int, kind: str = "CAPACITY_PERCENT", wait: int = 60) -> dict[str, Any]:
    return {
        "RollingUpdatePolicy": {"MaximumBatchSize": size(value, kind), "WaitIntervalInSeconds": wait},
    }


def told(policy: dict[str, Any] | None, *variants: Variant) -> list[tuple[str, str, float, float]]:
    """Return status, message, share and seconds of each phase, for the first variant."""
    name = variants[0].name
    return [
        (stage.status, stage.message, round(stage.portion, 6), phase.seconds)
        for phase in timeline(policy, variants)
        for stage in [phase.stages[name]]
    ]


def test_without_a_policy_all_traffic_moves_at_once() -> None:
    assert told(None, variant(2)) == [
        ("Creating", "Launching 2 instance(s).", 0.0, 0.0),
        ("ActivatingTraffic", "Activating traffic on full capacity of 2 instance(s).", 1.0, 0.0),
        ("Deleting", "Deleting 2 instance(s).", 1.0, 0.0),
    ]


def test_a_canary_bakes_on_its_share_and_then_on_all() -> None:
    assert told(canary(10, final=30), variant(4)) == [
        ("Creating", "Launching 4 instance(s).", 0.0, 0.0),
        ("ActivatingTraffic", "Activating traffic on canary capacity of 1 instance(s).", 0.1, 0.0),
        (
            "Baking",
            f"Baking for 60 seconds (WaitIntervalInSeconds) {ON} canary capacity of 1 instance(s).",
            0.1,
            60.0,
        ),
        ("ActivatingTraffic", "Activating traffic on full capacity of 4 instance(s).", 1.0, 0.0),
        (
            "Baking",
            f"Baking for 30 seconds (TerminationWaitInSeconds) {ON} full capacity of 4 instance(s).",
            1.0,
            30.0,
        ),
        ("Deleting", "Deleting 4 instance(s).", 1.0, 0.0),
    ]


def test_linear_steps_end_on_all_traffic() -> None:
    shares = [share for status, _, share, _ in told(linear(30), variant(10)) if status == "Baking"]
    assert shares == [0.3, 0.6, 0.9, 1.0]


def test_steps_of_a_tenth_are_ten() -> None:
    assert Counter(status for status, *_ in told(linear(10), variant(10)))["Baking"] == 10


def test_a_rolling_update_replaces_batch_by_batch() -> None:
    phases = told(rolling(2, "INSTANCE_COUNT", wait=5), variant(5))
    assert [message for status, message, _, _ in phases if status == "Creating"] == [
        "Launching 2 instance(s).",
        "Launching 2 instance(s).",
        "Launching 1 instance(s).",
    ]
    assert [share for status, _, share, _ in phases if status == "Baking"] == [0.4, 0.8, 1.0]
    assert [status for status, *_ in phases[:4]] == ["Creating", "ActivatingTraffic", "Baking", "Deleting"]


def test_a_variant_counts_its_own_instances() -> None:
    small, large = variant(2, "small"), variant(10, "large")
    (baking,) = [
        phase
        for phase in timeline(canary(1, "INSTANCE_COUNT"), [small, large])
        if phase.stages["small"].status == "Baking"
    ]
    assert {name: stage.portion for name, stage in baking.stages.items()} == {"small": 0.5, "large": 0.1}


@pytest.mark.parametrize("count", [2, 3, 4, 7, 10])
@pytest.mark.parametrize(
    ("kind", "value", "unit"),
    [
        (Kind.ALL_AT_ONCE, 0, Unit.PERCENT),
        (Kind.CANARY, 10, Unit.PERCENT),
        (Kind.CANARY, 1, Unit.INSTANCES),
        (Kind.LINEAR, 30, Unit.PERCENT),
        (Kind.LINEAR, 1, Unit.INSTANCES),
        (Kind.ROLLING, 1, Unit.INSTANCES),
    ],
)
def test_it_waits_as_long_as_the_plan_says(kind: Kind, value: int, unit: Unit, count: int) -> None:
    policies = {
        Kind.ALL_AT_ONCE: lambda: blue_green("ALL_AT_ONCE", final=7),
        Kind.CANARY: lambda: canary(value, unit, final=7),
        Kind.LINEAR: lambda: linear(value, unit, final=7),
        Kind.ROLLING: lambda: rolling(value, unit),
    }
    final = 0 if kind is Kind.ROLLING else 7
    rollout = Rollout(kind, Size(value, unit) if value else None, 60, final)
    waits = sum(phase.seconds for phase in timeline(policies[kind](), [variant(count)]))
    assert waits == rollout.waits_seconds(count)


def refused(policy: dict[str, Any], *variants: Variant) -> str:
    # Each of them is well formed by itself.
    request = {"EndpointName": "e", "EndpointConfigName": "c", "DeploymentConfig": policy}
    check("UpdateEndpoint", request)
    with pytest.raises(ApiError) as caught:
        checked(policy, *variants)
    assert caught.value.code == "ValidationException"
    return caught.value.message


@pytest.mark.parametrize(
    ("policy", "count", "words"),
    [
        (canary(51), 10, "CanarySize must be less than or equal to 50%"),
        (canary(2, "INSTANCE_COUNT"), 3, "CanarySize must be less than or equal to 50%"),
        (canary(10), 1, "(1 instance(s))"),
        (canary(1, "INSTANCE_COUNT"), 1, "50%"),
        (linear(51), 10, "LinearStepSize must be less than or equal to 50%"),
        (linear(9), 20, "LinearStepSize must be greater than or equal to 10%"),
        (linear(1, "INSTANCE_COUNT"), 11, "LinearStepSize must be greater than or equal to 10%"),
        (linear(10), 1, "50%"),
        (rolling(51), 10, "MaximumBatchSize must be less than or equal to 50%"),
        (rolling(4), 100, "MaximumBatchSize must be greater than or equal to 5%"),
        (rolling(50), 1, "50%"),
        ({**canary(10), **rolling(10)}, 10, "Only one of"),
        (blue_green("CANARY"), 10, "CanarySize must be specified"),
        (blue_green("LINEAR", CanarySize=size(10)), 10, "CanarySize must not be specified"),
        (blue_green("ALL_AT_ONCE", LinearStepSize=size(10)), 10, "LinearStepSize must not be specified"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(policy: dict[str, Any], count: int, words: str) -> None:
    assert words in refused(policy, variant(count))


def test_rolling_takes_one_variant_and_no_step_takes_a_serverless_one() -> None:
    assert "multiple variants" in refused(rolling(50), variant(2, "a"), variant(2, "b"))
    serverless = {"MemorySizeInMB": 1024, "MaxConcurrency": 5}
    for policy in (rolling(50), canary(10), linear(10)):
        assert "serverless" in refused(policy, variant(0, serverless=serverless))


@pytest.mark.parametrize("policy", [canary(50), linear(50), linear(10), rolling(50), rolling(5)])
def test_the_bounds_themselves_are_allowed(policy: dict[str, Any]) -> None:
    checked(policy, variant(20))


def test_waits_must_fit_into_the_time_it_may_take() -> None:
    policy = canary(10, wait=500, final=100)
    policy["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 600
    assert "must be greater than the sum of the wait times (600)" in refused(policy, variant(2))
    policy["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 601
    check_fit(policy, [variant(2)])
    assert timeout_seconds(policy) == 601.0
    assert timeout_seconds(None) == math.inf


def test_alarms_are_those_of_the_rollback() -> None:
    alarms = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]}}
    assert alarms_of({**canary(10), **alarms}) == ("a", "b")
    assert alarms_of(None) == alarms_of(canary(10)) == ()
