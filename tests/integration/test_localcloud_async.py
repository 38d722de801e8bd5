"""Asynchronous endpoints through plain boto3: inputs, answers, failures, messages, lines."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import BUCKET, STANDIN, TestCloud, archive, await_settled, local_cloud, publish

pytestmark = pytest.mark.slow

PREFIX = f"s3://{BUCKET}/async"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("async") / "state", STANDIN) as running:
        publish(running, "queue", archive({"answer": b"queue"}))
        sns, sqs = running.client("sns"), running.client("sqs")
        topics = {}
        for name in ("SuccessTopic", "ErrorTopic"):
            topics[name] = sns.create_topic(Name=name)["TopicArn"]
            queue = sqs.create_queue(QueueName=name)["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
                "QueueArn"
            ]
            sns.subscribe(TopicArn=topics[name], Protocol="sqs", Endpoint=arn)
        told = {**topics, "IncludeInferenceResponseIn": ["SUCCESS_NOTIFICATION_TOPIC"]}
        output = {
            "S3OutputPath": f"{PREFIX}/out/",
            "S3FailurePath": f"{PREFIX}/bad",
            "NotificationConfig": told,
        }
        variant = {
            "VariantName": "primary",
            "ModelName": "queue",
            "InstanceType": "ml.m7i.large",
            "InitialInstanceCount": 1,
        }
        for name, most in (("queue", 4), ("narrow", 1), ("asleep", 2)):
            running.client("sagemaker").create_endpoint_config(
                EndpointConfigName=f"{name}-async",
                ProductionVariants=[variant],
                AsyncInferenceConfig={
                    "OutputConfig": output,
                    "ClientConfig": {"MaxConcurrentInvocationsPerInstance": most},
                },
            )
            running.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-async")
        for name in ("queue", "narrow", "asleep"):
            await_settled(running, name)
        yield running


def invoke(cloud: TestCloud, name: str = "queue", **members: Any) -> Any:  # noqa: ANN401 - boto3 has no types
    return cloud.client("sagemaker-runtime").invoke_endpoint_async(EndpointName=name, **members)


def written(cloud: TestCloud, location: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return the object at an address once it is there."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    s3 = cloud.client("s3")
    s3.get_waiter("object_exists").wait(
        Bucket=bucket, Key=key, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
    )
    answer = s3.get_object(Bucket=bucket, Key=key)
    return {**answer, "Body": answer["Body"].read()}


def told(cloud: TestCloud, topic: str, inference_id: str) -> Mapping[str, Any]:
    """Return the message of a topic about one request, whatever else comes."""
    sqs = cloud.client("sqs")
    queue = sqs.get_queue_url(QueueName=topic)["QueueUrl"]
    for _ in range(100):
        for message in sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1).get("Messages", []):
            found: Mapping[str, Any] = json.loads(json.loads(message["Body"])["Message"])
            if found["inferenceId"] == inference_id:
                return found
    raise AssertionError(inference_id)


def test_the_answer_to_an_input_in_s3_goes_where_it_was_said(cloud: TestCloud) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key="async/in", Body=b"from s3")
    answer = invoke(cloud, InputLocation=f"{PREFIX}/in", ContentType="a/b", InferenceId="in-s3")
    assert answer["OutputLocation"].startswith(f"{PREFIX}/out/")
    assert answer["FailureLocation"].startswith(f"{PREFIX}/bad/")
    found = written(cloud, answer["OutputLocation"])
    assert (found["Body"], found["ContentType"]) == (b"from s3", "a/b")
    message = told(cloud, "SuccessTopic", "in-s3")
    assert message["invocationStatus"] == "Completed"
    assert message["requestParameters"] == {
        "contentType": "a/b",
        "endpointName": "queue",
        "inputLocation": f"{PREFIX}/in",
    }
    assert message["responseParameters"] == {
        "contentType": "a/b",
        "outputLocation": answer["OutputLocation"],
        "responseBody": "from s3",
    }


def test_an_inline_body_is_an_input_and_the_answers_name_can_be_said(cloud: TestCloud) -> None:
    answer = invoke(cloud, Body=b"inline", S3OutputPathExtension="today/first", Filename="named.out")
    assert answer["OutputLocation"] == f"{PREFIX}/out/today/first/named.out"
    assert written(cloud, answer["OutputLocation"])["Body"] == b"inline"


def test_the_container_gets_its_own_headers_and_none_of_the_lines(cloud: TestCloud) -> None:
    answer = invoke(
        cloud, Body=b"x", ContentType="a/b", Accept="c/d", CustomAttributes="headers", RequestTTLSeconds=600
    )
    seen = {
        name.lower(): value
        for name, value in json.loads(written(cloud, answer["OutputLocation"])["Body"]).items()
    }
    assert (seen["content-type"], seen["accept"]) == ("a/b", "c/d")
    assert not {
        name for name in seen if name.endswith(("requestttlseconds", "sagemaker-accept", "outputlocation"))
    }


def test_what_the_model_refuses_goes_to_the_failure_path_and_the_error_topic(cloud: TestCloud) -> None:
    answer = invoke(cloud, Body=b"its words", CustomAttributes="status=500", InferenceId="refused")
    assert written(cloud, answer["FailureLocation"])["Body"] == b"its words"
    message = told(cloud, "ErrorTopic", "refused")
    assert message["invocationStatus"] == "Failed"
    assert message["failureReason"]
    assert message["responseParameters"]["failureLocation"] == answer["FailureLocation"]
    assert "responseBody" not in message["responseParameters"]


def test_an_input_that_is_not_there_is_a_failure_of_the_request(cloud: TestCloud) -> None:
    answer = invoke(cloud, InputLocation=f"{PREFIX}/nothing")
    assert b"cannot be read" in written(cloud, answer["FailureLocation"])["Body"]


def test_one_request_at_a_time_is_begun_in_the_order_they_came(cloud: TestCloud, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    held = invoke(cloud, "narrow", Body=b"x", CustomAttributes=f"hold={pipe}")
    later = [invoke(cloud, "narrow", Body=b"x") for _ in range(3)]
    with pipe.open("wb") as opened:
        # Here the model has the first request, and no other.
        assert not any(exists(cloud, answer["OutputLocation"]) for answer in later)
        opened.write(b"held")
    found = [written(cloud, answer["OutputLocation"]) for answer in (held, *later)]
    assert found[0]["Body"] == b"held"
    moments = [each["LastModified"] for each in found]
    assert moments == sorted(moments)


def scale(cloud: TestCloud, name: str, count: int) -> None:
    wanted = [{"VariantName": "primary", "DesiredInstanceCount": count}]
    cloud.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=wanted
    )
    await_settled(cloud, name)


def test_requests_to_an_endpoint_that_is_scaled_to_zero_wait_for_an_instance(cloud: TestCloud) -> None:
    scale(cloud, "asleep", 0)
    answers = [invoke(cloud, "asleep", Body=b"%d" % number) for number in range(3)]
    assert not any(exists(cloud, answer["OutputLocation"]) for answer in answers)
    scale(cloud, "asleep", 1)
    assert [written(cloud, answer["OutputLocation"])["Body"] for answer in answers] == [b"0", b"1", b"2"]


def exists(cloud: TestCloud, location: str) -> bool:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bool(cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix=key)["KeyCount"])


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"Body": b"x", "InputLocation": f"{PREFIX}/in"},
        {"Body": bytes(128_001)},
        {"Body": b"x", "Filename": "two.dots.out"},
        {"Body": b"x", "S3OutputPathExtension": "s3://elsewhere"},
        {"Body": b"x", "InvocationTimeoutSeconds": 3601},
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_at_once(cloud: TestCloud, members: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        invoke(cloud, **members)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_an_asynchronous_endpoint_takes_no_other_invocations(cloud: TestCloud) -> None:
    with pytest.raises(ClientError, match="asynchronous invocations only"):
        cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName="queue", Body=b"x")
