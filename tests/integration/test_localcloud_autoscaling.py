"""The autoscaler on targets that moto keeps, with a clock, metrics and an endpoint that are values."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from moto.applicationautoscaling.models import applicationautoscaling_backends

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.autoscaling import scalables
from orchestrator.localcloud.autoscaling.autoscaler import Autoscaler
from orchestrator.localcloud.autoscaling.scalables import INSTANCES, Key
from orchestrator.localcloud.autoscaling.scaling import Scaling
from orchestrator.localcloud.autoscaling.tracking import Metric
from orchestrator.localcloud.cloudwatch import patches
from orchestrator.localcloud.cloudwatch.series import metric as metric_named
from orchestrator.localcloud.cloudwatch.statistics import sample_of
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Content, Deployment, Endpoint, Scope, Variant
from orchestrator.localcloud.worlds import Worlds

RESOURCE = "endpoint/digits/variant/primary"
KEY = Key(RESOURCE, INSTANCES)
_ACCOUNTS = itertools.count(900_000_000_000)
PLACE = {"ServiceNamespace": "sagemaker", "ResourceId": RESOURCE, "ScalableDimension": INSTANCES}


@dataclass
class Stage:
    """An endpoint in an account of its own, since moto keeps what is in accounts for good."""

    speed: float = 1.0
    now: float = 1_800_000_000.0
    level: float | None = None
    refuses: bool = False
    calls: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        scalables.mend()
        self.scope = Scope(str(next(_ACCOUNTS)), "eu-west-1")
        self.worlds = Worlds()
        variant = Variant("primary", {}, "ml.m5.large", 1, 1.0, 60.0)
        serving = Deployment("c", (variant,), None, 1.0)
        endpoint = Endpoint("digits", EndpointStatus.IN_SERVICE, "c", 1.0, 1.0, serving)
        self.worlds.put(self.worlds.at(self.scope).with_endpoint(endpoint))
        pace = Pace(lambda: self.now, asyncio.sleep, self.speed)
        self.autoscaler = Autoscaler(self.worlds, self.call, self.measure, pace)
        self.scaling = Scaling(self.autoscaler.activities)

    async def call(self, scope: Scope, operation: str, request: Content) -> None:
        assert (scope, operation) == (self.scope, "UpdateEndpointWeightsAndCapacities")
        if self.refuses:
            raise ApiError("ValidationException", "not now")
        count = request["DesiredWeightsAndCapacities"][0]["DesiredInstanceCount"]
        self.calls.append(count)
        self.have(count)

    def have(self, count: int, status: EndpointStatus = EndpointStatus.IN_SERVICE) -> None:
        world = self.worlds.at(self.scope)
        endpoint = world.endpoints["digits"]
        assert endpoint.serving is not None
        variant = replace(endpoint.serving.variants[0], count=count)
        serving = replace(endpoint.serving, variants=(variant,))
        self.worlds.put(world.with_endpoint(replace(endpoint, status=status, serving=serving)))

    def measure(self, scope: Scope, metric: Metric, start: float, end: float) -> float | None:
        assert end <= self.now
        assert (start, end) == (round(start), round(end))
        assert end - start == max(round(metric.period_seconds / self.speed), 2)
        return self.level

    def register(self, least: int, most: int, **more: Any) -> None:  # noqa: ANN401 - members of the API
        request = {**PLACE, "MinCapacity": least, "MaxCapacity": most, **more}
        assert self.scaling.look(self.worlds.at(self.scope), "RegisterScalableTarget", request) is None
        self.backend.register_scalable_target(
            "sagemaker", RESOURCE, INSTANCES, least, most, "", more.get("SuspendedState", {})
        )

    @property
    def backend(self) -> Any:  # noqa: ANN401 - moto's, which are called as its answers do
        return applicationautoscaling_backends[self.scope.account][self.scope.region]

    def put(self, kind: str, body: Content, name: str = "policy") -> Any:  # noqa: ANN401 - moto's
        return self.backend.put_scaling_policy(
            policy_name=name,
            service_namespace="sagemaker",
            resource_id=RESOURCE,
            scalable_dimension=INSTANCES,
            policy_type=kind,
            policy_body=body,
        )

    def track(self, target: float = 30.0, **more: object) -> Any:  # noqa: ANN401 - moto's
        metric = {"PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"}
        return self.put(
            "TargetTrackingScaling",
            {"TargetValue": target, "PredefinedMetricSpecification": metric, **more},
        )

    def described(self, **more: object) -> Content:
        request = {"ServiceNamespace": "sagemaker", "ResourceId": RESOURCE, **more}
        answer = self.scaling.look(self.worlds.at(self.scope), "DescribeScalingActivities", request)
        assert answer is not None
        return answer

    def activities(self) -> list[Content]:
        found: list[Content] = self.described()["ScalingActivities"]
        return found


def on_stage(scenario: Callable[[Stage], Coroutine[None, None, None]], speed: float = 1.0) -> None:
    async def run() -> None:
        stage = Stage(speed)
        try:
            await scenario(stage)
        finally:
            await stage.autoscaler.close()
            scalables.clear(stage.scope, KEY)

    asyncio.run(run())


def test_target_tracking_adds_instances_and_takes_them_away_after_its_cooldown() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4)
        stage.track(ScaleInCooldown=100, ScaleOutCooldown=50)
        stage.level = 70.0
        await stage.autoscaler.look()
        assert stage.calls == [3]
        await stage.autoscaler.look()
        assert stage.calls == [3]
        stage.now += 50
        await stage.autoscaler.look()
        assert stage.calls == [3, 4]
        stage.level = 10.0
        await stage.autoscaler.look()
        assert stage.calls == [3, 4]
        stage.now += 100
        await stage.autoscaler.look()
        assert stage.calls == [3, 4, 2]

    on_stage(scenario)


def test_a_metric_without_datapoints_moves_nothing() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4)
        stage.track()
        stage.have(3)
        await stage.autoscaler.look()
        assert stage.calls == []

    on_stage(scenario)


def test_cooldowns_are_as_short_as_time_is_fast() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 9)
        stage.track()
        stage.level = 40.0
        await stage.autoscaler.look()
        stage.now += 4.9
        await stage.autoscaler.look()
        assert stage.calls == [2]
        stage.now += 0.2
        await stage.autoscaler.look()
        assert stage.calls == [2, 3]

    on_stage(scenario, speed=60.0)


def test_a_sum_over_a_shortened_minute_counts_as_if_it_had_been_whole() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 9)
        metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
        stage.put("TargetTrackingScaling", {"TargetValue": 30.0, "PredefinedMetricSpecification": metric})
        # Within two seconds, which are the shortest period.
        stage.level = 4.0
        await stage.autoscaler.look()
        assert stage.calls == [4]

    on_stage(scenario, speed=60.0)


def test_neither_steps_nor_a_policy_that_never_scales_in_keep_another_from_doing_so() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(0, 4)
        stage.track()
        steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
        stage.put("StepScaling", {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps}, "wake")
        metric = {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
        never = {"TargetValue": 30.0, "PredefinedMetricSpecification": metric, "DisableScaleIn": True}
        stage.put("TargetTrackingScaling", never, "never")
        stage.level = 0.0
        await stage.autoscaler.look()
        assert stage.calls == [0]

    on_stage(scenario)


def test_a_metric_by_the_second_is_known_in_every_shortened_period() -> None:
    async def scenario(stage: Stage) -> None:
        stage.autoscaler = Autoscaler(
            stage.worlds, stage.call, scalables.measured, Pace(lambda: stage.now, asyncio.sleep, 60.0)
        )
        stage.register(0, 4)
        metric = {"MetricName": "Backlog", "Namespace": "N", "Statistic": "Average"}
        stage.put("TargetTrackingScaling", {"TargetValue": 5.0, "CustomizedMetricSpecification": metric})
        series = patches.shelf_at(stage.scope).series
        # As gauges come: not quite once a second.
        for number in range(20):
            series.put(metric_named("N", "Backlog", {}), stage.now - 1.15 * number, sample_of({0.0: 1.0}))
        await stage.autoscaler.look()
        assert stage.calls == [0]

    on_stage(scenario)


def test_what_nobody_expected_is_written_down_and_keeps_no_other_target_from_scaling(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario(stage: Stage) -> None:
        broken, sound = Stage(), stage
        broken.register(1, 4)
        broken.track(0.0)
        sound.level = 70.0
        sound.register(1, 4)
        sound.track()
        # One autoscaler looks at all accounts.
        sound.worlds.put(broken.worlds.at(broken.scope))
        steps = {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": [{}]}
        policy = broken.put("StepScaling", steps, "steps")
        await sound.autoscaler.look()
        assert sound.calls == [3]
        assert "does not scale" in caplog.text
        sound.autoscaler.alarmed(broken.scope, policy.policy_arn, 1.0, 1.0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert f"{policy.policy_arn} does not scale" in caplog.text
        scalables.clear(broken.scope, KEY)

    on_stage(scenario)


def test_an_endpoint_that_moves_is_left_alone() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4)
        stage.track()
        stage.level = 90.0
        stage.have(1, EndpointStatus.UPDATING)
        await stage.autoscaler.look()
        assert stage.calls == []

    on_stage(scenario)


@pytest.mark.parametrize(("bounds", "present", "wanted"), [((2, 5), 1, 2), ((1, 3), 7, 3)])
def test_what_is_out_of_bounds_comes_back(bounds: tuple[int, int], present: int, wanted: int) -> None:
    async def scenario(stage: Stage) -> None:
        stage.have(present)
        stage.register(*bounds)
        await stage.autoscaler.look()
        assert stage.calls == [wanted]

    on_stage(scenario)


def test_what_is_suspended_does_not_scale() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4, SuspendedState={"DynamicScalingOutSuspended": True})
        stage.track()
        stage.level = 90.0
        await stage.autoscaler.look()
        assert stage.calls == []

    on_stage(scenario)


def test_target_tracking_has_alarms_which_say_what_it_sees_and_go_with_it() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4)
        policy = stage.track()
        high, low = (alarm.name for alarm in policy.alarms)
        assert high.startswith(f"TargetTracking-{RESOURCE}-AlarmHigh-")
        assert low.startswith(f"TargetTracking-{RESOURCE}-AlarmLow-")
        again = stage.track(40.0)
        assert again.policy_arn == policy.policy_arn
        assert not {high, low} & {alarm.name for alarm in again.alarms}
        (found,) = scalables.targets(stage.scope)[0].policies
        assert len(found.alarms) == 2
        stage.have(4)
        assert set(await states(stage, None)) == {"INSUFFICIENT_DATA"}
        assert await states(stage, 90.0) == ["ALARM", "OK"]
        assert await states(stage, 36.0) == ["OK", "OK"]
        assert await states(stage, 35.0) == ["OK", "ALARM"]
        scalables.clear(stage.scope, KEY)
        assert list(patches.shelf_at(stage.scope).alarms) == []

    on_stage(scenario)


async def states(stage: Stage, level: float | None) -> list[str]:
    """Return the states of the alarms of the only policy, high and low, while its metric is ``level``."""
    stage.level = level
    await stage.autoscaler.look()
    (policy,) = scalables.targets(stage.scope)[0].policies
    alarms = patches.shelf_at(stage.scope).alarms
    return [alarms[name].state.value for name in policy.alarms]


def test_an_alarm_sets_off_the_step_of_a_policy() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(0, 4)
        stage.have(0)
        steps = [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}]
        policy = stage.put("StepScaling", {"AdjustmentType": "ChangeInCapacity", "StepAdjustments": steps})
        stage.autoscaler.alarmed(stage.scope, policy.policy_arn, 1.0, 1.0)
        stage.autoscaler.alarmed(stage.scope, policy.policy_arn, 1.0, 1.0)
        stage.autoscaler.alarmed(stage.scope, "arn:of:nothing", 1.0, 1.0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert stage.calls == [1]

    on_stage(scenario)


def schedule(stage: Stage, text: str, **change: int) -> None:
    place = ("sagemaker", text, "UTC", "action", RESOURCE, INSTANCES)
    stage.backend.put_scheduled_action(*place, None, None, change)
    stage.backend.scheduled_actions[-1].creation_time = stage.now


def test_a_scheduled_action_moves_the_bounds_and_with_them_the_capacity() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4)
        schedule(stage, "at(2027-01-15T08:30:00)", MinCapacity=3)
        await stage.autoscaler.look()
        assert stage.calls == []
        stage.now = 1_800_000_000.0 + 3600
        await stage.autoscaler.look()
        assert stage.calls == [3]
        assert scalables.targets(stage.scope)[0].least == 3

    on_stage(scenario)


def test_a_rate_comes_as_often_as_time_is_fast() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 9)
        schedule(stage, "rate(1 minute)", MinCapacity=2)
        stage.now += 0.9
        await stage.autoscaler.look()
        assert stage.calls == []
        stage.now += 0.2
        await stage.autoscaler.look()
        assert stage.calls == [2]

    on_stage(scenario, speed=60.0)


def test_activities_tell_what_was_done_why_and_how_it_ended() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(2, 4)
        await stage.autoscaler.look()
        (begun,) = stage.activities()
        assert begun["StatusCode"] == "InProgress"
        assert begun["Description"] == "Setting desired instance count to 2."
        await stage.autoscaler.look()
        (ended,) = stage.activities()
        assert (ended["StatusCode"], ended["Cause"]) == ("Successful", "minimum capacity was set to 2")
        stage.refuses = True
        stage.have(1)
        await stage.autoscaler.look()
        failed, before = stage.activities()
        assert failed["StatusCode"] == "Failed"
        assert "not now" in failed["StatusMessage"]
        assert before["StatusCode"] == "Successful"

    on_stage(scenario)


def test_activities_come_in_pages_and_a_token_of_none_is_refused() -> None:
    async def scenario(stage: Stage) -> None:
        for least in (2, 3, 4):
            stage.register(least, 4)
            await stage.autoscaler.look()
        first = stage.described(MaxResults=2)
        last = stage.described(MaxResults=2, NextToken=first["NextToken"])
        assert [*first["ScalingActivities"], *last["ScalingActivities"]] == stage.activities()
        assert (len(first["ScalingActivities"]), "NextToken" in last) == (2, False)
        with pytest.raises(ApiError, match="next token"):
            stage.described(NextToken="of another list")

    on_stage(scenario)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("RegisterScalableTarget", {**PLACE, "MinCapacity": 4, "MaxCapacity": 1}),
        (
            "RegisterScalableTarget",
            {**PLACE, "ResourceId": "endpoint/x/variant/y", "MinCapacity": 1, "MaxCapacity": 2},
        ),
        ("PutScalingPolicy", PLACE),
        ("DeregisterScalableTarget", PLACE),
    ],
)
def test_what_has_no_target_or_bounds_the_wrong_way_round_is_refused(
    operation: str, request_: Content
) -> None:
    stage = Stage()
    with pytest.raises(ApiError):
        stage.scaling.look(stage.worlds.at(stage.scope), operation, dict(request_))


def test_a_target_that_is_registered_again_has_no_cooldown_of_the_one_before() -> None:
    async def scenario(stage: Stage) -> None:
        for _ in range(2):
            stage.have(1)
            stage.register(1, 4)
            stage.track()
            stage.level = 60.0
            await stage.autoscaler.look()
            request = dict(PLACE)
            stage.scaling.look(stage.worlds.at(stage.scope), "DeregisterScalableTarget", request)
            stage.backend.deregister_scalable_target("sagemaker", RESOURCE, INSTANCES)
            await stage.autoscaler.look()
        assert stage.calls == [2, 2]

    on_stage(scenario)


def test_policies_and_schedules_go_with_their_target() -> None:
    async def scenario(stage: Stage) -> None:
        stage.register(1, 4)
        stage.track()
        schedule(stage, "rate(1 minute)", MinCapacity=2)
        stage.scaling.look(stage.worlds.at(stage.scope), "DeregisterScalableTarget", dict(PLACE))
        assert (stage.backend.policies, stage.backend.scheduled_actions) == ({}, [])

    on_stage(scenario)
