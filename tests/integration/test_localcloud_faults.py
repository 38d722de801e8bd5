"""Faults on demand, autoscaling and asynchronous invocations, as boto3 sees them."""

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, WaiterError

from tests.support.clouds import (
    BUCKET,
    STANDIN,
    TestCloud,
    archive,
    await_settled,
    local_cloud,
    publish,
)
from tests.support.servers import eventually

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, proxies={})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("faults") / "state", STANDIN) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: TestCloud) -> Iterator[TestCloud]:
    """The local cloud, whose faults are lifted after each test."""
    yield running
    own(running, "DELETE")


def own(cloud: TestCloud, method: str, content: object = None, **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc, timeout=20)
    try:
        connection.request(method, "/_local/faults", json.dumps(content), headers)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None
    finally:
        connection.close()


def fault(cloud: TestCloud, operation: str, kind: str, **members: object) -> None:
    assert own(cloud, "POST", {"operation": operation, "kind": kind, **members})[0] == 201


@contextlib.contextmanager
def asking_once(cloud: TestCloud, service: str) -> Iterator[Any]:
    with contextlib.closing(cloud.client(service, config=ONCE)) as client:
        yield client


def prepared(cloud: TestCloud, name: str, **members: Any) -> None:  # noqa: ANN401 - API members
    """Publish ``name`` and ``name``-2."""
    for config in (name, f"{name}-2"):
        publish(cloud, config, archive({"answer": config.encode()}), **members)


def deployed(cloud: TestCloud, name: str) -> None:
    prepared(cloud, name)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    await_settled(cloud, name)


def answer_of(cloud: TestCloud, name: str) -> str:
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")
    answer["Body"].read()
    return str(answer["CustomAttributes"])


def test_a_fault_is_shown_with_what_is_left_of_it_and_can_be_lifted(cloud: TestCloud) -> None:
    fault(cloud, "ListModels", "throttle", times=2)
    with asking_once(cloud, "sagemaker") as sagemaker:
        with pytest.raises(ClientError, match="Rate exceeded") as caught:
            sagemaker.list_models()
        assert caught.value.response["Error"]["Code"] == "ThrottlingException"
        status, content = own(cloud, "GET")
        shown = {"operation": "ListModels", "kind": "throttle", "times": 1, "share": 1.0, "seed": 0}
        assert (status, len(content["faults"])) == (200, 1)
        assert content["faults"][0].items() >= {**shown, "befallen": 1}.items()
        assert own(cloud, "DELETE") == (204, None)
        assert sagemaker.list_models()["Models"] is not None


def test_what_is_no_fault_is_refused_and_so_are_web_pages(cloud: TestCloud) -> None:
    status, content = own(cloud, "POST", {"operation": "X", "kind": "explode"})
    assert (status, content["__type"]) == (400, "InvalidFault")
    assert "explode" in content["message"]
    assert own(cloud, "POST", {"operation": "*", "kind": "reset"}, Origin="http://evil.example")[0] == 403
    assert own(cloud, "PUT")[0] == 404
    assert own(cloud, "GET") == (200, {"faults": []})


def test_s3_throttles_in_its_own_words(cloud: TestCloud) -> None:
    fault(cloud, f"PUT /{BUCKET}/*", "throttle")
    with asking_once(cloud, "s3") as s3:
        with pytest.raises(ClientError) as caught:
            s3.put_object(Bucket=BUCKET, Key="throttled", Body=b"x")
        assert caught.value.response["Error"]["Code"] == "SlowDown"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
        assert "throttled" not in [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]


@pytest.mark.parametrize(("kind", "stored"), [("reset", False), ("lose-answer", True)])
def test_a_connection_ends_before_or_after_the_work_is_done(
    cloud: TestCloud, kind: str, *, stored: bool
) -> None:
    key = f"ends-{kind}"
    fault(cloud, f"PUT /{BUCKET}/{key}", kind)
    with asking_once(cloud, "s3") as s3:
        with pytest.raises(ConnectionClosedError):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
        s3.put_object(Bucket=BUCKET, Key="other", Body=b"x")
        found = [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    assert (key in found) is stored


def test_an_update_whose_answer_is_lost_is_under_way(cloud: TestCloud) -> None:
    deployed(cloud, "unheard")
    fault(cloud, "UpdateEndpoint", "lose-answer")
    with asking_once(cloud, "sagemaker") as sagemaker, pytest.raises(ConnectionClosedError):
        sagemaker.update_endpoint(EndpointName="unheard", EndpointConfigName="unheard-2")
    assert await_settled(cloud, "unheard")["EndpointConfigName"] == "unheard-2"


def test_a_silent_rollback_serves_the_old_revision_and_says_nothing(cloud: TestCloud) -> None:
    deployed(cloud, "silent")
    fault(cloud, "UpdateEndpoint", "silent-rollback")
    cloud.client("sagemaker").update_endpoint(EndpointName="silent", EndpointConfigName="silent-2")
    after = await_settled(cloud, "silent")
    assert after["EndpointConfigName"] == "silent"
    assert "FailureReason" not in after
    assert answer_of(cloud, "silent") == "silent"
    cloud.client("sagemaker").update_endpoint(EndpointName="silent", EndpointConfigName="silent-2")
    assert await_settled(cloud, "silent")["EndpointConfigName"] == "silent-2"


def test_a_rollback_that_fails_leaves_a_mix_until_the_next_update(cloud: TestCloud) -> None:
    deployed(cloud, "mix")
    fault(cloud, "UpdateEndpoint", "update-rollback-failed")
    sagemaker = cloud.client("sagemaker")
    sagemaker.update_endpoint(EndpointName="mix", EndpointConfigName="mix-2")

    def status() -> str:
        return str(sagemaker.describe_endpoint(EndpointName="mix")["EndpointStatus"])

    eventually(lambda: status() == "UpdateRollbackFailed", "the rollback to fail")
    assert {answer_of(cloud, "mix") for _ in range(60)} == {"mix", "mix-2"}
    sagemaker.update_endpoint(EndpointName="mix", EndpointConfigName="mix")
    await_settled(cloud, "mix")
    assert {answer_of(cloud, "mix") for _ in range(20)} == {"mix"}


def test_a_creation_without_capacity_says_so(cloud: TestCloud) -> None:
    prepared(cloud, "nowhere")
    fault(cloud, "CreateEndpoint", "capacity")
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="nowhere", EndpointConfigName="nowhere")
    with pytest.raises(WaiterError):
        await_settled(cloud, "nowhere")
    described = sagemaker.describe_endpoint(EndpointName="nowhere")
    assert described["EndpointStatus"] == "Failed"
    assert described["FailureReason"].startswith("CapacityError: Unable to provision requested ML compute")


def test_a_stuck_creation_goes_on_once_its_fault_is_lifted(cloud: TestCloud) -> None:
    prepared(cloud, "stuck")
    fault(cloud, "CreateEndpoint", "stuck")
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="stuck", EndpointConfigName="stuck")
    assert sagemaker.describe_endpoint(EndpointName="stuck")["EndpointStatus"] == "Creating"
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.delete_endpoint(EndpointName="stuck")
    own(cloud, "DELETE")
    assert await_settled(cloud, "stuck")["EndpointStatus"] == "InService"


TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": "endpoint/scaled/variant/primary",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "PolicyType": "TargetTrackingScaling",
    "TargetTrackingScalingPolicyConfiguration": {
        "TargetValue": 600.0,
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance",
        },
    },
}


def refused(call: Callable[..., object], **members: object) -> Mapping[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    error: Mapping[str, Any] = caught.value.response["Error"]
    return error


def test_a_scalable_target_needs_its_variant_and_takes_its_policies_with_it(cloud: TestCloud) -> None:
    deployed(cloud, "scaled")
    client = cloud.client("application-autoscaling")
    for resource in ("endpoint/nobody/variant/primary", "endpoint/scaled/variant/other"):
        members = {**TARGET, "ResourceId": resource, "MinCapacity": 1, "MaxCapacity": 2}
        error = refused(client.register_scalable_target, **members)
        assert (error["Code"], resource in error["Message"]) == ("ValidationException", True)
    assert "must be specified" in refused(client.register_scalable_target, **TARGET)["Message"]
    bounds = refused(client.register_scalable_target, **TARGET, MinCapacity=3, MaxCapacity=2)
    assert bounds["Message"] == "Maximum capacity cannot be less than minimum capacity."
    early = refused(client.put_scaling_policy, PolicyName="p", **TRACKING, **TARGET)
    assert early["Code"] == "ObjectNotFoundException"
    client.register_scalable_target(**TARGET, MinCapacity=1, MaxCapacity=4)
    client.register_scalable_target(
        **TARGET,
        SuspendedState={"DynamicScalingInSuspended": True},
    )
    client.put_scaling_policy(PolicyName="p", **TRACKING, **TARGET)
    (target,) = client.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    assert target["SuspendedState"]["DynamicScalingInSuspended"]
    assert client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    client.deregister_scalable_target(**TARGET)
    assert client.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"] == []
    assert refused(client.deregister_scalable_target, **TARGET)["Code"] == "ObjectNotFoundException"


def test_a_variant_is_scaled_by_what_it_has(cloud: TestCloud) -> None:
    deployed(cloud, "counted")
    publish(cloud, "bursty-model", archive({"answer": b"bursty"}))
    limits = {"MemorySizeInMB": 1024, "MaxConcurrency": 5, "ProvisionedConcurrency": 1}
    variant = {"VariantName": "primary", "ModelName": "bursty-model", "ServerlessConfig": limits}
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_endpoint_config(EndpointConfigName="bursty", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="bursty", EndpointConfigName="bursty")
    await_settled(cloud, "bursty")
    client = cloud.client("application-autoscaling")
    instances, concurrency = TARGET["ScalableDimension"], "sagemaker:variant:DesiredProvisionedConcurrency"
    bounds = {"ServiceNamespace": "sagemaker", "MinCapacity": 1, "MaxCapacity": 4}
    for endpoint, dimension in (("counted", concurrency), ("bursty", instances)):
        target = {"ResourceId": f"endpoint/{endpoint}/variant/primary", "ScalableDimension": dimension}
        assert dimension in refused(client.register_scalable_target, **bounds, **target)["Message"]
    target = {"ResourceId": "endpoint/bursty/variant/primary", "ScalableDimension": concurrency}
    client.register_scalable_target(**bounds, **target)
    (found,) = client.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=["endpoint/bursty/variant/primary"]
    )["ScalableTargets"]
    assert (found["ScalableDimension"], found["MaxCapacity"]) == (concurrency, 4)
    client.deregister_scalable_target(ServiceNamespace="sagemaker", **target)


def queued(cloud: TestCloud, name: str, **output: Any) -> None:  # noqa: ANN401 - API members
    """Deploy ``name`` as an asynchronous endpoint."""
    publish(cloud, name, archive({"answer": name.encode()}))
    sagemaker = cloud.client("sagemaker")
    variant = {
        "VariantName": "v",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(
        EndpointConfigName=f"{name}-async",
        ProductionVariants=[variant],
        AsyncInferenceConfig={
            "OutputConfig": {
                "S3OutputPath": f"s3://{BUCKET}/{name}/out",
                "S3FailurePath": f"s3://{BUCKET}/{name}/failed/",
                **output,
            }
        },
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-async")
    await_settled(cloud, name)


def stored(cloud: TestCloud, url: str) -> bytes:
    """Return what comes to lie at ``url``."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    found: list[bytes] = []

    def look() -> bool:
        with contextlib.suppress(ClientError):
            found.append(cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
        return bool(found)

    eventually(look, f"an object at {url}")
    return found[0]


def test_an_asynchronous_answer_comes_to_s3(cloud: TestCloud) -> None:
    queued(cloud, "queue")
    cloud.client("s3").put_object(Bucket=BUCKET, Key="in/one?a#b", Body=b"from s3")
    runtime = cloud.client("sagemaker-runtime")
    first = runtime.invoke_endpoint_async(
        EndpointName="queue",
        InputLocation=f"s3://{BUCKET}/in/one?a#b",
        InferenceId="mine",
        ContentType="a/b",
    )
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert first["InferenceId"] == "mine"
    assert first["OutputLocation"].startswith(f"s3://{BUCKET}/queue/out/")
    assert stored(cloud, first["OutputLocation"]) == b"from s3"
    second = runtime.invoke_endpoint_async(EndpointName="queue", Body=b"inline")
    assert stored(cloud, second["OutputLocation"]) == b"inline"
    assert second["OutputLocation"] != first["OutputLocation"]


def test_an_asynchronous_failure_comes_to_the_failure_path(cloud: TestCloud) -> None:
    queued(cloud, "sad")
    runtime = cloud.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint_async(EndpointName="sad", Body=b"why", CustomAttributes="status=500")
    assert answer["FailureLocation"].startswith(f"s3://{BUCKET}/sad/failed/")
    assert stored(cloud, answer["FailureLocation"]) == b"why"
    absent = runtime.invoke_endpoint_async(EndpointName="sad", InputLocation=f"s3://{BUCKET}/nothing")
    assert b"cannot be read" in stored(cloud, absent["FailureLocation"])


def test_an_asynchronous_request_waits_while_there_are_no_instances(cloud: TestCloud) -> None:
    for name in ("asleep", "awake"):
        queued(cloud, name)
    runtime = cloud.client("sagemaker-runtime")

    def scale(count: int) -> None:
        change = {"VariantName": "v", "DesiredInstanceCount": count}
        cloud.client("sagemaker").update_endpoint_weights_and_capacities(
            EndpointName="asleep", DesiredWeightsAndCapacities=[change]
        )
        await_settled(cloud, "asleep")

    scale(0)
    answer = runtime.invoke_endpoint_async(EndpointName="asleep", Body=b"early")
    # A later request to an endpoint that has some is answered before.
    later = runtime.invoke_endpoint_async(EndpointName="awake", Body=b"later")
    assert stored(cloud, later["OutputLocation"]) == b"later"
    key = answer["OutputLocation"].removeprefix(f"s3://{BUCKET}/")
    assert refused(cloud.client("s3").get_object, Bucket=BUCKET, Key=key)["Code"] == "NoSuchKey"
    scale(1)
    assert stored(cloud, answer["OutputLocation"]) == b"early"


def test_each_kind_of_endpoint_takes_its_own_invocations(cloud: TestCloud) -> None:
    queued(cloud, "patient")
    deployed(cloud, "quick")
    runtime = cloud.client("sagemaker-runtime")
    sync = refused(runtime.invoke_endpoint, EndpointName="patient", Body=b"")
    assert (sync["Code"], "asynchronous invocations only" in sync["Message"]) == ("ValidationError", True)
    wrong = refused(runtime.invoke_endpoint_async, EndpointName="quick", Body=b"x")
    assert "takes no asynchronous invocations" in wrong["Message"]
    assert "Exactly one" in refused(runtime.invoke_endpoint_async, EndpointName="patient")["Message"]
    web = refused(runtime.invoke_endpoint_async, EndpointName="patient", InputLocation="https://b/in")
    assert (web["Code"], "https://" in web["Message"]) == ("UnsupportedOperation", True)
    absent = refused(runtime.invoke_endpoint_async, EndpointName="nobody", Body=b"x")
    assert "not found" in absent["Message"]


def test_who_wants_to_know_is_told_of_an_asynchronous_answer(cloud: TestCloud) -> None:
    topic = cloud.client("sns").create_topic(Name="answers")["TopicArn"]
    queue = cloud.client("sqs").create_queue(QueueName="answers")["QueueUrl"]
    arn = cloud.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    cloud.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
    queued(cloud, "telling", NotificationConfig={"SuccessTopic": topic})
    answer = cloud.client("sagemaker-runtime").invoke_endpoint_async(EndpointName="telling", Body=b"x")
    told: list[dict[str, Any]] = []

    def look() -> bool:
        found = cloud.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", [])
        told.extend(json.loads(json.loads(message["Body"])["Message"]) for message in found)
        return bool(told)

    eventually(look, "a message")
    assert told[0]["invocationStatus"] == "Completed"
    assert told[0]["inferenceId"] == answer["InferenceId"]
    assert told[0]["responseParameters"]["outputLocation"] == answer["OutputLocation"]
