"""What policies and schedules of Application Auto Scaling come to."""

import datetime as dt
from typing import Any

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.autoscaling.capacities import capacity, order
from orchestrator.localcloud.autoscaling.scalables import COPIES, PROVISIONED, Key
from orchestrator.localcloud.autoscaling.schedules import read
from orchestrator.localcloud.autoscaling.tracking import metric_of, stepped, tracked
from orchestrator.localcloud.fleets.images import is_emulated
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Component, Content, Deployment, Endpoint, Scope, Variant, World

FIFTEEN = 15
VARIANT_OF_5 = {
    "EndpointName": "e",
    "DesiredWeightsAndCapacities": [
        {"VariantName": "v", "ServerlessUpdateConfig": {"ProvisionedConcurrency": 5}}
    ],
}


@pytest.mark.parametrize(
    ("values", "present", "wanted"),
    [
        ([90.0] * 15, 2, 6),
        ([31.0] * 3, 2, 3),
        ([30.0] * 15, 2, None),
        ([90.0, 90.0], 2, None),
        ([None, 90.0, 90.0, 90.0], 2, None),
        ([90.0, 20.0, 90.0], 2, None),
        ([27.0] * 15, 4, None),
        ([10.0] * 15, 6, 2),
        ([10.0] * 14, 6, None),
        ([10.0] * 14 + [None], 6, None),
        ([0.0] * 15, 3, 0),
        ([5.0] * 3, 0, None),
        ([31.0] * 3, 0, 2),
    ],
)
def test_target_tracking_needs_three_periods_to_grow_and_fifteen_to_shrink(
    values: list[float | None], present: int, wanted: int | None
) -> None:
    assert tracked(values, 30.0, present) == wanted


def test_target_tracking_that_may_not_scale_in_does_not() -> None:
    assert tracked([1.0] * FIFTEEN, 30.0, 5, scales_in=False) is None


def steps(kind: str, *bounds: tuple[float | None, float | None, int], **more: int) -> dict[str, Any]:
    members = ("MetricIntervalLowerBound", "MetricIntervalUpperBound", "ScalingAdjustment")
    adjustments = [
        {name: value for name, value in zip(members, each, strict=True) if value is not None}
        for each in bounds
    ]
    return {"AdjustmentType": kind, "StepAdjustments": adjustments, **more}


@pytest.mark.parametrize(
    ("policy", "present", "distance", "wanted"),
    [
        (steps("ChangeInCapacity", (0, 10, 1), (10, None, 3)), 2, 0.0, 3),
        (steps("ChangeInCapacity", (0, 10, 1), (10, None, 3)), 2, 10.0, 5),
        (steps("ChangeInCapacity", (0, 10, 1), (10, None, 3)), 2, -1.0, 2),
        (steps("ChangeInCapacity", (-10, 0, -1), (None, -10, -2)), 4, -10.0, 2),
        (steps("ChangeInCapacity", (-10, 0, -1), (None, -10, -2)), 4, -9.0, 3),
        (steps("ExactCapacity", (0, None, 7)), 2, 5.0, 7),
        (steps("PercentChangeInCapacity", (0, None, 50)), 5, 1.0, 7),
        (steps("PercentChangeInCapacity", (0, None, 10)), 5, 1.0, 6),
        (steps("PercentChangeInCapacity", (0, None, 10), MinAdjustmentMagnitude=2), 5, 1.0, 7),
        (steps("PercentChangeInCapacity", (None, 0, -25)), 10, -1.0, 8),
    ],
)
def test_a_step_is_chosen_by_the_distance_from_the_threshold(
    policy: dict[str, Any], present: int, distance: float, wanted: int
) -> None:
    assert stepped(policy, present, distance) == wanted


def moment(text: str) -> float:
    return dt.datetime.fromisoformat(f"{text}+00:00").timestamp()


@pytest.mark.parametrize(
    ("schedule", "zone", "due", "not_due"),
    [
        ("at(2026-11-22T10:00:00)", "UTC", "2026-11-22T10:00:00", "2026-11-22T09:59:59"),
        ("at(2026-11-22T10:00:00)", "Europe/Berlin", "2026-11-22T09:00:00", "2026-11-22T10:00:00"),
        ("cron(30 9 ? * MON-FRI *)", "UTC", "2026-11-23T09:30:10", "2026-11-22T09:30:10"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-22T10:45:00", "2026-11-22T10:44:00"),
        ("cron(0 8 1 JAN,JUL ? 2026-2027)", "UTC", "2026-07-01T08:00:30", "2026-08-01T08:00:30"),
        ("cron(0 9 * * ? *)", "Europe/Berlin", "2026-11-22T08:00:00", "2026-11-22T09:00:00"),
    ],
)
def test_a_schedule_is_due_at_its_moment_and_not_before(
    schedule: str, zone: str, due: str, not_due: str
) -> None:
    for text, expected in ((due, True), (not_due, False)):
        now = moment(text)
        assert read(schedule, zone).is_due(now - 31, now) is expected


def test_a_minute_is_due_once() -> None:
    schedule, now = read("cron(* * * * ? *)"), moment("2026-11-22T10:00:05")
    assert schedule.is_due(now - 10, now)
    assert not schedule.is_due(now, now + 1)


@pytest.mark.parametrize(
    "schedule", ["at(tomorrow)", "rate(5 weeks)", "cron(1 2 3)", "cron(99 * * * ? *)", "hourly"]
)
def test_what_is_no_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ApiError, match="schedule expression"):
        read(schedule)


@pytest.mark.parametrize("schedule", ["cron(0 8 L * ? *)", "cron(0 8 ? * MON#1 *)", "cron(0 8 15W * ? *)"])
def test_signs_of_cron_that_are_not_known_are_refused_by_name(schedule: str) -> None:
    with pytest.raises(ApiError, match="L, W and #"):
        read(schedule)


def test_the_predefined_metrics_are_of_the_variant_or_the_component() -> None:
    predefined = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    }
    found = metric_of(predefined, "endpoint/digits/variant/primary")
    assert found is not None
    assert found.name == "InvocationsPerInstance"
    assert found.dimensions == {"EndpointName": "digits", "VariantName": "primary"}
    copies = {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}
    of_copies = metric_of({"PredefinedMetricSpecification": copies}, "inference-component/one")
    assert of_copies is not None
    assert of_copies.dimensions == {"InferenceComponentName": "one"}
    assert metric_of({"PredefinedMetricSpecification": {"PredefinedMetricType": "Else"}}, "x") is None


@pytest.mark.parametrize(
    ("key", "present", "operation", "member"),
    [
        (Key("endpoint/e/variant/v", PROVISIONED), 3, "UpdateEndpointWeightsAndCapacities", VARIANT_OF_5),
        (
            Key("inference-component/c", COPIES),
            2,
            "UpdateInferenceComponentRuntimeConfig",
            {"InferenceComponentName": "c", "DesiredRuntimeConfig": {"CopyCount": 5}},
        ),
    ],
)
def test_provisioned_concurrency_and_copies_are_scaled_as_well(
    key: Key, present: int, operation: str, member: Content
) -> None:
    world = with_capacities("InService")
    assert capacity(world, key) == present
    assert order(key, 5) == (operation, member)
    assert check(operation, member) == member


def test_what_is_not_there_or_on_its_way_has_no_capacity() -> None:
    assert capacity(with_capacities("Updating"), Key("inference-component/c", COPIES)) is None
    assert capacity(with_capacities("InService"), Key("inference-component/other", COPIES)) is None
    assert capacity(with_capacities("InService"), Key("endpoint/e/variant/other", PROVISIONED)) is None


def with_capacities(status: str) -> World:
    """Return a world with three provisioned places of variant ``v``, and two copies of component ``c``."""
    variant = Variant("v", {}, "", 0, 1.0, 60.0, serverless={"ProvisionedConcurrency": 3})
    serving = Deployment("config", (variant,), None, 1.0)
    endpoint = Endpoint("e", EndpointStatus.IN_SERVICE, "config", 1.0, 1.0, serving)
    copies = Variant("v", {}, "ml.m5.large", 2, 1.0, 60.0, component="c")
    component = Component("c", "e", "v", status, {}, 1.0, 1.0, copies)
    scope = Scope("123456789012", "eu-west-1")
    return World(scope, endpoints={"e": endpoint}, components={"c": component})


@pytest.mark.parametrize(
    ("image", "known"),
    [
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-inference:2.6.0-gpu-py312-cu124-ubuntu22.04-sagemaker",
            True,
        ),
        ("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/pytorch-inference@sha256:0f1c", True),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference-arm64:2.6-cpu-py312", True),
        ("localhost:5000/pytorch-inference", True),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/huggingface-pytorch-inference:2.6", False),
        ("763104351884.dkr.ecr.eu-west-1.amazonaws.com/ray:serve-ml-sagemaker-cpu-v1.4", False),
        ("pytorch-inference/other:1", False),
        ("", False),
    ],
)
def test_an_image_is_known_by_its_repository(image: str, *, known: bool) -> None:
    assert is_emulated(image) is known
