"""Data capture of the local cloud, through plain boto3."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import BUCKET, STANDIN, TestCloud, archive, await_settled, local_cloud, publish
from tests.support.servers import eventually

KEY = r"captured/NAME/primary/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("capture") / "state", STANDIN) as running:
        yield running


def deploy(cloud: TestCloud, name: str, **members: Any) -> None:  # noqa: ANN401 - API members
    publish(cloud, name, archive({"answer": name.encode()}))
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "CaptureOptions": [{"CaptureMode": "InputAndOutput"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
    }
    cloud.client("sagemaker").create_endpoint_config(
        EndpointConfigName=f"{name}-captured",
        ProductionVariants=[
            {
                "VariantName": "primary",
                "ModelName": name,
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 1,
            }
        ],
        DataCaptureConfig={**capture, **members},
    )
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-captured")
    await_settled(cloud, name)


def invoke(cloud: TestCloud, name: str, body: bytes, **members: str) -> None:
    cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body=body, ContentType="text/csv", **members
    )


def captured(cloud: TestCloud, name: str) -> list[dict[str, Any]]:
    """Return the lines that lie in S3, after checking the names of their files."""
    found = []
    listed = cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"captured/{name}/")
    for each in listed.get("Contents", ()):
        assert re.fullmatch(KEY.replace("NAME", name), each["Key"])
        body = cloud.client("s3").get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        found += [json.loads(one) for one in body.decode().splitlines()]
    return found


def test_every_request_of_a_captured_endpoint_comes_to_s3_once(cloud: TestCloud) -> None:
    deploy(cloud, "watched")
    for number in range(30):
        invoke(cloud, "watched", b"1,%d" % number, InferenceId=f"row-{number}")
    eventually(lambda: len(captured(cloud, "watched")) >= 30, "30 lines")
    lines = captured(cloud, "watched")
    assert sorted(one["captureData"]["endpointInput"]["data"] for one in lines) == sorted(
        f"1,{number}" for number in range(30)
    )
    assert {one["captureData"]["endpointOutput"]["encoding"] for one in lines} == {"CSV"}
    assert len({one["eventMetadata"]["eventId"] for one in lines}) == 30
    assert {one["eventMetadata"]["inferenceId"] for one in lines} == {f"row-{number}" for number in range(30)}


def test_what_the_model_refuses_is_not_captured(cloud: TestCloud) -> None:
    deploy(cloud, "refusing")
    with pytest.raises(ClientError):
        invoke(cloud, "refusing", b"1,2", CustomAttributes="status=400")
    invoke(cloud, "refusing", b"3,4")
    eventually(lambda: bool(captured(cloud, "refusing")), "a line")
    (one,) = captured(cloud, "refusing")
    assert one["captureData"]["endpointInput"]["data"] == "3,4"


def test_a_captured_endpoint_shows_where_its_requests_go(cloud: TestCloud) -> None:
    deploy(cloud, "shown", InitialSamplingPercentage=20)
    described = cloud.client("sagemaker").describe_endpoint(EndpointName="shown")
    assert described["DataCaptureConfig"] == {
        "EnableCapture": True,
        "CaptureStatus": "Started",
        "CurrentSamplingPercentage": 20,
        "DestinationS3Uri": f"s3://{BUCKET}/captured",
        "KmsKeyId": "",
    }


def test_a_bucket_that_is_not_there_fails_no_request(cloud: TestCloud) -> None:
    deploy(cloud, "lost", DestinationS3Uri="s3://there-is-no-such-bucket/p")
    for _ in range(3):
        invoke(cloud, "lost", b"1")
    log = cloud.state_dir / "stderr.log"
    eventually(lambda: "captured data for p/lost/primary" in log.read_text(), "the loss to be logged")
    invoke(cloud, "lost", b"1")
