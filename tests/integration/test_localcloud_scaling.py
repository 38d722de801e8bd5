"""Fleets that scale in a whole local cloud, asked by boto3: capacities, autoscaling, rolling, images."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import (
    BUCKET,
    POLL,
    ROLE,
    STANDIN,
    TestCloud,
    archive,
    await_settled,
    local_cloud,
    publish,
)

pytestmark = pytest.mark.slow

RESOURCE = "endpoint/{}/variant/primary"
DIMENSION = "sagemaker:variant:DesiredInstanceCount"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as running:
        yield running


def deploy(cloud: TestCloud, name: str, count: int = 1) -> None:
    publish(cloud, name, archive({"answer": name.encode()}), InitialInstanceCount=count)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    await_settled(cloud, name)


def pid(cloud: TestCloud, name: str) -> int:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=b"x", CustomAttributes="pid"
    )
    return int(answer["Body"].read())


def counts(cloud: TestCloud, name: str) -> tuple[int, int]:
    (variant,) = cloud.client("sagemaker").describe_endpoint(EndpointName=name)["ProductionVariants"]
    return variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]


def target(name: str) -> dict[str, str]:
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": RESOURCE.format(name),
        "ScalableDimension": DIMENSION,
    }


def await_activity(cloud: TestCloud, name: str) -> dict[str, Any]:
    """Return the newest scaling activity once it has ended."""
    client, waiting = cloud.client("application-autoscaling"), threading.Event()
    for _ in range(200):
        found = client.describe_scaling_activities(
            ServiceNamespace="sagemaker", ResourceId=RESOURCE.format(name)
        )
        if found["ScalingActivities"] and found["ScalingActivities"][0]["StatusCode"] != "InProgress":
            activity: dict[str, Any] = found["ScalingActivities"][0]
            return activity
        waiting.wait(0.1)
    pytest.fail("nothing was scaled")


def test_more_instances_are_more_processes_and_log_streams(cloud: TestCloud) -> None:
    deploy(cloud, "grown")
    before = {pid(cloud, "grown") for _ in range(4)}
    assert len(before) == 1
    change = [{"VariantName": "primary", "DesiredInstanceCount": 2}]
    cloud.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName="grown", DesiredWeightsAndCapacities=change
    )
    await_settled(cloud, "grown")
    assert counts(cloud, "grown") == (2, 2)
    after = {pid(cloud, "grown") for _ in range(40)}
    assert before < after
    assert len(after) == 2
    streams = cloud.client("logs").describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/grown")
    assert len(streams["logStreams"]) == 2
    assert all(each["logStreamName"].startswith("primary/i-") for each in streams["logStreams"])


def test_a_target_is_scaled_into_its_bounds_and_by_what_is_measured(cloud: TestCloud) -> None:
    deploy(cloud, "scaled")
    scaling = cloud.client("application-autoscaling")
    scaling.register_scalable_target(**target("scaled"), MinCapacity=2, MaxCapacity=4)
    activity = await_activity(cloud, "scaled")
    assert activity["Cause"] == "minimum capacity was set to 2"
    assert activity["StatusCode"] == "Successful"
    assert counts(cloud, "scaled") == (2, 2)
    policy = scaling.put_scaling_policy(
        **target("scaled"),
        PolicyName="busy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 100.0,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    )
    names = [alarm["AlarmName"] for alarm in policy["Alarms"]]
    found = cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"]
    assert sorted(alarm["Threshold"] for alarm in found) == [90.0, 100.0]
    (described,) = scaling.describe_scaling_policies(
        ServiceNamespace="sagemaker", ResourceId=RESOURCE.format("scaled")
    )["ScalingPolicies"]
    assert {alarm["AlarmName"] for alarm in described["Alarms"]} == set(names)
    scaling.deregister_scalable_target(**target("scaled"))
    assert cloud.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] == []


def test_an_image_that_nobody_can_serve_fails_and_says_so(cloud: TestCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    cloud.client("s3").put_object(Bucket=BUCKET, Key="odd/model.tar.gz", Body=archive({"answer": b"odd"}))
    container = {"Image": "registry/sklearn:1", "ModelDataUrl": f"s3://{BUCKET}/odd/model.tar.gz"}
    sagemaker.create_model(ModelName="odd", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "primary",
        "ModelName": "odd",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="odd", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="odd", EndpointConfigName="odd")
    waiter = sagemaker.get_waiter("endpoint_in_service")
    with pytest.raises(Exception, match="Failed"):
        waiter.wait(EndpointName="odd", WaiterConfig=POLL)
    reason = sagemaker.describe_endpoint(EndpointName="odd")["FailureReason"]
    assert "registry/sklearn:1" in reason
    assert "pytorch-inference" in reason
    with pytest.raises(ClientError, match="not found"):
        cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName="odd", Body=b"x")


def test_no_request_fails_while_a_rolling_update_replaces_instances(cloud: TestCloud) -> None:
    deploy(cloud, "rolled", 2)
    publish(cloud, "rolled-2", archive({"answer": b"second"}), InitialInstanceCount=2)
    stop, failures, answered = threading.Event(), list[str](), list[int]()

    def ask() -> None:
        runtime = cloud.client("sagemaker-runtime")
        while not stop.is_set():
            try:
                answered.append(len(runtime.invoke_endpoint(EndpointName="rolled", Body=b"x")["Body"].read()))
            except ClientError as error:
                failures.append(json.dumps(error.response, default=str))

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for each in asking:
        each.start()
    size = {"Type": "INSTANCE_COUNT", "Value": 1}
    try:
        cloud.client("sagemaker").update_endpoint(
            EndpointName="rolled",
            EndpointConfigName="rolled-2",
            DeploymentConfig={"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 1}},
        )
        settled = await_settled(cloud, "rolled")
    finally:
        stop.set()
        for each in asking:
            each.join()
    assert settled["EndpointConfigName"] == "rolled-2"
    assert failures == []
    assert len(answered) > 20
