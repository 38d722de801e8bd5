"""Rollouts of a local cloud move real traffic, watched by real alarms, through plain boto3."""

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, local_cloud, publish
from tests.support.servers import eventually


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("rollouts") / "state", STANDIN) as running:
        yield running


def prepared(cloud: TestCloud, name: str, count: int = 4) -> None:
    """Deploy ``name``, and make the endpoint config ``name``-2 beside it."""
    for config in (name, f"{name}-2"):
        publish(cloud, config, archive({"answer": config.encode()}), InitialInstanceCount=count)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    await_settled(cloud, name)


def update(cloud: TestCloud, name: str, policy: Mapping[str, Any], **members: Any) -> None:  # noqa: ANN401 - API members
    cloud.client("sagemaker").update_endpoint(
        EndpointName=name, EndpointConfigName=f"{name}-2", DeploymentConfig=policy, **members
    )


def canary(wait: int, final: int = 0, alarms: tuple[str, ...] = (), percent: int = 25) -> dict[str, Any]:
    policy: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": wait,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent},
            },
            "TerminationWaitInSeconds": final,
        },
    }
    if alarms:
        policy["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm} for alarm in alarms]}
    return policy


def invoke(cloud: TestCloud, name: str, wanted: str = "", **members: Any) -> Any:  # noqa: ANN401 - boto3 has no types
    if wanted:
        members["CustomAttributes"] = wanted
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x", **members)
    return {**answer, "Body": answer["Body"].read()}


def described(cloud: TestCloud, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cloud.client("sagemaker").describe_endpoint(EndpointName=name)
    return found


def stage(cloud: TestCloud, name: str) -> Mapping[str, Any]:
    summary = described(cloud, name).get("PendingDeploymentSummary")
    return summary["ProductionVariants"][0]["VariantStatus"][0] if summary else {}


def alarm(cloud: TestCloud, name: str, config: str, **members: Any) -> None:  # noqa: ANN401 - API members
    """Make an alarm on the errors of one endpoint config."""
    usual = {
        "MetricName": "Invocation5XXErrors",
        "Namespace": "AWS/SageMaker",
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 0.5,
        "ComparisonOperator": "GreaterThanThreshold",
        "Dimensions": [
            {"Name": "EndpointName", "Value": config.removesuffix("-2")},
            {"Name": "VariantName", "Value": "primary"},
            {"Name": "EndpointConfigName", "Value": config},
        ],
    }
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName=name, **{key: value for key, value in {**usual, **members}.items() if value is not None}
    )


def set_off(cloud: TestCloud, name: str) -> None:
    cloud.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="slower")


def await_baking(cloud: TestCloud, name: str) -> None:
    eventually(lambda: stage(cloud, name).get("Status") == "Baking", "the canary to bake")


def state_of(cloud: TestCloud, name: str) -> str:
    (found,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(found["StateValue"])


def while_asked(cloud: TestCloud, name: str, story: Callable[[], None]) -> Counter[str]:
    """Return who has answered the requests that were sent all through ``story``; one that fails, fails."""
    done = threading.Event()

    def ask() -> list[str]:
        answers = []
        while not done.is_set():
            answers.append(invoke(cloud, name)["CustomAttributes"])
        return answers

    with ThreadPoolExecutor(2) as threads:
        asking = [threads.submit(ask) for _ in range(2)]
        try:
            story()
        finally:
            done.set()
        return Counter(answer for future in asking for answer in future.result())


def test_a_canary_answers_its_share_until_an_alarm_takes_it_back_and_no_request_fails(
    cloud: TestCloud,
) -> None:
    prepared(cloud, "shared")
    alarm(cloud, "shared-judge", "shared-2", MetricName="NeverMeasured", TreatMissingData="notBreaching")
    seen: list[Mapping[str, Any]] = []
    baking: Counter[str] = Counter()

    def story() -> None:
        update(cloud, "shared", canary(wait=3600, alarms=("shared-judge",)))
        await_baking(cloud, "shared")
        seen.append(described(cloud, "shared"))
        baking.update(invoke(cloud, "shared")["CustomAttributes"] for _ in range(200))
        set_off(cloud, "shared-judge")
        seen.append(await_settled(cloud, "shared"))

    answers = while_asked(cloud, "shared", story)
    assert set(answers) == {"shared", "shared-2"}
    # 50 of 200 are expected; less than 20 or more than 90 has a chance below one in a million.
    assert 20 <= baking["shared-2"] <= 90
    updating, after = seen
    assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", "shared")
    pending = updating["PendingDeploymentSummary"]
    assert pending["EndpointConfigName"] == "shared-2"
    (variant,) = pending["ProductionVariants"]
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (0.25, 1.0)
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (4, 4)
    (status,) = variant["VariantStatus"]
    assert status["StatusMessage"] == (
        "Baking for 3600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 "
        "instance(s)."
    )
    assert status["StartTime"] >= pending["StartTime"]
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "shared")
    assert "FailureReason" not in after
    assert {invoke(cloud, "shared")["CustomAttributes"] for _ in range(20)} == {"shared"}


def test_a_linear_update_arrives_and_no_request_fails(cloud: TestCloud) -> None:
    prepared(cloud, "stepped")
    step = {"Type": "CAPACITY_PERCENT", "Value": 50}
    routing = {"Type": "LINEAR", "WaitIntervalInSeconds": 1, "LinearStepSize": step}

    def story() -> None:
        update(cloud, "stepped", {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}})
        assert await_settled(cloud, "stepped")["EndpointConfigName"] == "stepped-2"

    assert set(while_asked(cloud, "stepped", story)) == {"stepped", "stepped-2"}
    assert {invoke(cloud, "stepped")["CustomAttributes"] for _ in range(20)} == {"stepped-2"}


def test_a_rolling_update_has_the_share_of_its_batches_until_an_alarm_and_no_request_fails(
    cloud: TestCloud,
) -> None:
    prepared(cloud, "batched")
    alarm(cloud, "batched-judge", "batched-2", MetricName="NeverMeasured", TreatMissingData="notBreaching")
    batch = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 2}, "WaitIntervalInSeconds": 3600}
    judged = {"Alarms": [{"AlarmName": "batched-judge"}]}
    half: Counter[str] = Counter()
    variants: list[Mapping[str, Any]] = []

    def story() -> None:
        update(cloud, "batched", {"RollingUpdatePolicy": batch, "AutoRollbackConfiguration": judged})
        await_baking(cloud, "batched")
        half.update(invoke(cloud, "batched")["CustomAttributes"] for _ in range(200))
        variants.extend(described(cloud, "batched")["PendingDeploymentSummary"]["ProductionVariants"])
        set_off(cloud, "batched-judge")
        assert await_settled(cloud, "batched")["EndpointConfigName"] == "batched"

    assert set(while_asked(cloud, "batched", story)) == {"batched", "batched-2"}
    (variant,) = variants
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (2, 4)
    assert variant["CurrentWeight"] == 0.5
    # 100 of 200 are expected; less than 60 or more than 140 has a chance below one in a million.
    assert 60 <= half["batched-2"] <= 140
    assert {invoke(cloud, "batched")["CustomAttributes"] for _ in range(20)} == {"batched"}


def test_what_is_moving_can_neither_be_updated_nor_deleted(cloud: TestCloud) -> None:
    prepared(cloud, "moving")
    alarm(cloud, "moving-judge", "moving-2", MetricName="NeverMeasured", TreatMissingData="notBreaching")
    update(cloud, "moving", canary(wait=3600, alarms=("moving-judge",)))
    for call in (
        lambda: update(cloud, "moving", canary(wait=0)),
        lambda: cloud.client("sagemaker").delete_endpoint(EndpointName="moving"),
    ):
        with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
            call()
    set_off(cloud, "moving-judge")
    assert await_settled(cloud, "moving")["EndpointConfigName"] == "moving"


def test_a_rolling_update_arrives_and_no_request_fails(cloud: TestCloud) -> None:
    prepared(cloud, "rolled", count=2)
    batch = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 1}
    settled: list[Mapping[str, Any]] = []

    def story() -> None:
        update(cloud, "rolled", {"RollingUpdatePolicy": batch})
        settled.append(await_settled(cloud, "rolled"))

    assert set(while_asked(cloud, "rolled", story)) == {"rolled", "rolled-2"}
    assert settled[0]["EndpointConfigName"] == "rolled-2"
    assert settled[0]["LastDeploymentConfig"] == {"RollingUpdatePolicy": batch}


def test_an_alarm_on_the_errors_of_the_canary_rolls_back_in_silence(cloud: TestCloud) -> None:
    prepared(cloud, "watched")
    alarm(cloud, "watched-5xx", "watched-2", Period=10)
    update(cloud, "watched", canary(wait=60, alarms=("watched-5xx",)))
    await_baking(cloud, "watched")
    failed_old = 0
    for _ in range(60):
        with contextlib.suppress(ClientError):
            failed_old += invoke(cloud, "watched", "status=500")["CustomAttributes"] == "watched"
    assert failed_old == 0
    after = await_settled(cloud, "watched")
    assert (after["EndpointStatus"], after["EndpointConfigName"]) == ("InService", "watched")
    assert "FailureReason" not in after
    assert state_of(cloud, "watched-5xx") == "ALARM"
    assert {invoke(cloud, "watched")["CustomAttributes"] for _ in range(20)} == {"watched"}


def test_errors_of_the_old_fleet_do_not_fire_an_alarm_on_the_new_one(cloud: TestCloud) -> None:
    prepared(cloud, "narrow")
    for _ in range(20):
        with contextlib.suppress(ClientError):
            invoke(cloud, "narrow", "status=500")
    alarm(cloud, "narrow-5xx", "narrow-2")
    update(cloud, "narrow", canary(wait=1, alarms=("narrow-5xx",)))
    assert await_settled(cloud, "narrow")["EndpointConfigName"] == "narrow-2"


def test_a_percentile_of_the_latency_can_be_watched(cloud: TestCloud) -> None:
    prepared(cloud, "slow")
    alarm(
        cloud,
        "slow-p95",
        "slow-2",
        MetricName="ModelLatency",
        Threshold=1.0,
        Statistic=None,
        ExtendedStatistic="p95",
    )
    update(cloud, "slow", canary(wait=60, alarms=("slow-p95",)))
    await_baking(cloud, "slow")
    for _ in range(40):
        invoke(cloud, "slow")
    assert await_settled(cloud, "slow")["EndpointConfigName"] == "slow"


def test_an_alarm_that_is_not_there_is_refused_before_anything_moves(cloud: TestCloud) -> None:
    prepared(cloud, "unguarded")
    with pytest.raises(ClientError, match='Could not find alarm "nobody"'):
        update(cloud, "unguarded", canary(wait=0, alarms=("nobody",)))
    assert described(cloud, "unguarded")["EndpointStatus"] == "InService"


def test_a_step_that_is_too_large_is_refused(cloud: TestCloud) -> None:
    prepared(cloud, "lonely", count=1)
    with pytest.raises(ClientError, match="CanarySize must be less than or equal to 50%"):
        update(cloud, "lonely", canary(wait=0))


def test_weights_and_counts_of_what_serves_can_be_changed(cloud: TestCloud, tmp_path: Path) -> None:
    publish(cloud, "light", archive({"answer": b"light"}))
    publish(cloud, "heavy", archive({"answer": b"heavy"}))
    sagemaker = cloud.client("sagemaker")
    usual = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="both",
        ProductionVariants=[{"VariantName": n, "ModelName": n, **usual} for n in ("light", "heavy")],
    )
    sagemaker.create_endpoint(EndpointName="both", EndpointConfigName="both")
    before = await_settled(cloud, "both")
    assert {invoke(cloud, "both")["InvokedProductionVariant"] for _ in range(60)} == {"light", "heavy"}
    sagemaker.update_endpoint_weights_and_capacities(
        EndpointName="both",
        DesiredWeightsAndCapacities=[
            {"VariantName": "light", "DesiredWeight": 0.0},
            {"VariantName": "heavy", "DesiredInstanceCount": 3},
        ],
    )
    after = await_settled(cloud, "both")
    shown = {variant["VariantName"]: variant for variant in after["ProductionVariants"]}
    assert (shown["light"]["CurrentWeight"], shown["light"]["CurrentInstanceCount"]) == (0.0, 1)
    assert (shown["heavy"]["CurrentWeight"], shown["heavy"]["CurrentInstanceCount"]) == (1.0, 3)
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert {invoke(cloud, "both")["InvokedProductionVariant"] for _ in range(60)} == {"heavy"}
    assert invoke(cloud, "both", TargetVariant="light")["CustomAttributes"] == "light"


def test_a_shadow_gets_copies_and_its_answers_are_dropped(cloud: TestCloud) -> None:
    publish(cloud, "front", archive({"answer": b"front"}))
    publish(cloud, "shade", archive({"answer": b"shade"}))
    sagemaker = cloud.client("sagemaker")
    usual = {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="shadowed",
        ProductionVariants=[{"VariantName": "front", "ModelName": "front", **usual}],
        ShadowProductionVariants=[{"VariantName": "shade", "ModelName": "shade", **usual}],
    )
    sagemaker.create_endpoint(EndpointName="shadowed", EndpointConfigName="shadowed")
    settled = await_settled(cloud, "shadowed")
    assert [variant["VariantName"] for variant in settled["ShadowProductionVariants"]] == ["shade"]
    assert {invoke(cloud, "shadowed")["CustomAttributes"] for _ in range(10)} == {"front"}

    def copies() -> int:
        with contextlib.suppress(ClientError):  # before the first line there is no group
            events = cloud.client("logs").filter_log_events(logGroupName="/aws/sagemaker/Endpoints/shadowed")[
                "events"
            ]
            asked = [event for event in events if event["message"] == "asked for an echo"]
            return sum(event["logStreamName"].startswith("shade/") for event in asked)
        return 0

    # Its weight is that of the production variant, so it gets all.
    eventually(lambda: copies() == 10, "ten copies to be answered")


def test_a_serverless_variant_answers_and_takes_so_many_at_once(cloud: TestCloud, tmp_path: Path) -> None:
    publish(cloud, "bare", archive({"answer": b"bare"}))
    sagemaker = cloud.client("sagemaker")
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 1}
    sagemaker.create_endpoint_config(
        EndpointConfigName="bare-serverless",
        ProductionVariants=[{"VariantName": "primary", "ModelName": "bare", "ServerlessConfig": serverless}],
    )
    sagemaker.create_endpoint(EndpointName="bare", EndpointConfigName="bare-serverless")
    (variant,) = await_settled(cloud, "bare")["ProductionVariants"]
    assert variant["CurrentServerlessConfig"] == serverless
    assert "CurrentInstanceCount" not in variant
    assert invoke(cloud, "bare")["CustomAttributes"] == "bare"
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(invoke, cloud, "bare", f"hold={gate}")
        # Opening a pipe waits for the one who reads it: from here on the request is being answered.
        with gate.open("w"), pytest.raises(ClientError, match="Rate exceeded") as caught:
            invoke(cloud, "bare")
        held.result()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    sagemaker.update_endpoint(EndpointName="bare", EndpointConfigName="bare")
    await_settled(cloud, "bare")
    with pytest.raises(ClientError, match="can not be updated to a serverless endpoint"):
        sagemaker.update_endpoint(EndpointName="bare", EndpointConfigName="bare-serverless")
