"""Batch transform through boto3, with the program that really serves models."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.support.clouds import BUCKET, POLL, TestCloud, archive, local_cloud, publish

pytestmark = pytest.mark.slow

LINEAR = b"""
import json

from sagemaker_inference import errors


def model_fn(model_dir):
    return [2.0, 0.5]


def input_fn(body, content_type):
    lines = (body if isinstance(body, str) else bytes(body).decode()).splitlines()
    if content_type == "text/csv":
        return content_type, [[float(field) for field in line.split(",")] for line in lines]
    return content_type, [json.loads(line) for line in lines]


def predict_fn(data, model):
    content_type, rows = data
    if any(len(row) != len(model) for row in rows):
        raise errors.BaseInferenceToolkitError(400, "wrong shape", "two numbers a row, please")
    return [sum(a * b for a, b in zip(row, model)) for row in rows]


def output_fn(scores, accept):
    if accept == "text/csv":
        return "".join(f"{score}\\n" for score in scores), accept
    return "\\n".join(json.dumps({"score": score}) for score in scores), accept
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as started:
        publish(started, "linear", archive({"model.pt": b"", "code/predict.py": LINEAR}))
        yield started


def transform(
    cloud: TestCloud,
    name: str,
    objects: dict[str, bytes],
    **members: Any,  # noqa: ANN401 - JSON
) -> tuple[str, dict[str, str]]:
    """Run a job on ``objects``, and return its last status and its outputs."""
    for key, content in objects.items():
        cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{name}/in/{key}", Body=content)
    sent, written = members.pop("Input"), members.pop("Output")
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{name}/in/"}
    cloud.client("sagemaker").create_transform_job(
        TransformJobName=name,
        ModelName="linear",
        TransformInput={"DataSource": {"S3DataSource": source}, "SplitType": "Line", **sent},
        TransformOutput={"S3OutputPath": f"s3://{BUCKET}/{name}/out/", "AssembleWith": "Line", **written},
        TransformResources={"InstanceType": "ml.m5.large", "InstanceCount": 1},
        **members,
    )
    waiter = cloud.client("sagemaker").get_waiter("transform_job_completed_or_stopped")
    status = "Completed"
    try:
        waiter.wait(TransformJobName=name, WaiterConfig=POLL)
    except WaiterError as error:
        status = error.last_response["TransformJobStatus"]
    found = cloud.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"{name}/out/").get("Contents", [])
    keys = [each["Key"] for each in found]
    return status, {key.removeprefix(f"{name}/out/"): body(cloud, key) for key in keys}


def body(cloud: TestCloud, key: str) -> str:
    content: bytes = cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content.decode()


def data_log(cloud: TestCloud, job: str) -> list[str]:
    logs, group = cloud.client("logs"), "/aws/sagemaker/TransformJobs"
    found = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{job}/")["logStreams"]
    (stream,) = (each["logStreamName"] for each in found if each["logStreamName"].endswith("/data-log"))
    events = logs.get_log_events(logGroupName=group, logStreamName=stream)["events"]
    return [event["message"].partition("[sagemaker logs]: ")[2] for event in events]


def test_rows_are_joined_with_their_scores_and_a_bad_one_fails_its_object_alone(cloud: TestCloud) -> None:
    rows = b"".join(b"id-%d,%d,%d\n" % (n, n, n) for n in range(100))
    status, outputs = transform(
        cloud,
        "rows",
        {"a.csv": rows, "bad.csv": b"x,1,2\ny,1,2,3\n", "deep/b.csv": b"x,1,2"},
        Input={"ContentType": "text/csv"},
        Output={"Accept": "text/csv"},
        DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"},
        MaxConcurrentTransforms=4,
    )
    scored = "".join(f"id-{n},{2.5 * n}\n" for n in range(100))
    assert outputs == {"a.csv.out": scored, "deep/b.csv.out": "x,3.0\n"}
    assert status == "Failed"
    described = cloud.client("sagemaker").describe_transform_job(TransformJobName="rows")
    assert described["FailureReason"] == "ClientError: See job logs for more information"
    parameters, failure, *_ = data_log(cloud, "rows")
    assert parameters == "MaxConcurrentTransforms=4, MaxPayloadInMB=6, BatchStrategy=MULTI_RECORD"
    assert failure == f"{BUCKET}/rows/in/bad.csv: ClientError: 400"


def test_lines_of_json_keep_their_ids_and_get_their_scores(cloud: TestCloud) -> None:
    lines = b"".join(b'{"id": %d, "features": [%d, 2]}\n' % (n, n) for n in range(5))
    status, outputs = transform(
        cloud,
        "lines",
        {"a.jsonl": lines},
        Input={"ContentType": "application/jsonlines"},
        Output={"Accept": "application/jsonlines"},
        DataProcessing={
            "InputFilter": "$.features",
            "JoinSource": "Input",
            "OutputFilter": "$['id','SageMakerOutput']",
        },
        BatchStrategy="SingleRecord",
    )
    assert status == "Completed"
    found = [json.loads(line) for line in outputs["a.jsonl.out"].splitlines()]
    assert found == [{"id": n, "SageMakerOutput": {"score": 2.0 * n + 1}} for n in range(5)]
