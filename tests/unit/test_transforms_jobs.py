"""The rules of transform jobs."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.control.operations import is_ours, perform
from orchestrator.localcloud.deploying.reviving import interrupted
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.transforms import jobs
from orchestrator.localcloud.world import Content, Record, TransformJob, World
from tests.support.transforms import MODEL as NAME
from tests.support.transforms import SCOPE, known, request

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:transform-job/job"
FULL: dict[str, Any] = {
    "MaxConcurrentTransforms": 2,
    "ModelClientConfig": {"InvocationsTimeoutInSeconds": 30, "InvocationsMaxRetries": 0},
    "MaxPayloadInMB": 50,
    "BatchStrategy": "MultiRecord",
    "Environment": {"A": "b"},
    "DataCaptureConfig": {"DestinationS3Uri": "s3://b/captured", "GenerateInferenceId": True},
    "DataProcessing": {"InputFilter": "$[1:]", "OutputFilter": "$[0,-1]", "JoinSource": "Input"},
    "ExperimentConfig": {"ExperimentName": "e", "TrialName": "t"},
    "Input": {"ContentType": "text/csv", "CompressionType": "Gzip"},
    "Output": {"Accept": "text/csv", "KmsKeyId": "alias/k"},
}


def after(world: World, operation: str, asked: Content, now: float = 10.0) -> World:
    return perform(world, operation, check(operation, asked), now).world


def answer(world: World, operation: str, **asked: Any) -> Content:  # noqa: ANN401 - JSON
    return perform(world, operation, check(operation, asked), 0.0).answer


def refusal(world: World, operation: str, asked: Content) -> ApiError:
    with pytest.raises(ApiError) as refused:
        after(world, operation, asked)
    return refused.value


def with_container(**members: Any) -> World:  # noqa: ANN401 - JSON
    container = {"Image": "registry/image:1", **members}
    return World(SCOPE, {NAME: Record(NAME, {"PrimaryContainer": container}, 1.0)})


def test_a_job_is_described_word_for_word_and_in_progress() -> None:
    asked = request(**FULL, Tags=[{"Key": "team", "Value": "ml"}])
    world = after(known(), "CreateTransformJob", asked)
    described = dict(answer(world, "DescribeTransformJob", TransformJobName="job"))
    del asked["Tags"]
    assert described == {
        **asked,
        "TransformJobArn": ARN,
        "TransformJobStatus": "InProgress",
        "CreationTime": 10.0,
    }
    assert answer(world, "ListTags", ResourceArn=ARN) == {"Tags": [{"Key": "team", "Value": "ml"}]}


def test_a_job_that_has_ended_says_when_and_why() -> None:
    world = jobs.started(after(known(), "CreateTransformJob", request()), "job", 11.0)
    failed = jobs.ended(world, "job", "Failed", "ClientError: no", 12.0)
    described = answer(failed, "DescribeTransformJob", TransformJobName="job")
    assert [described[name] for name in ("TransformStartTime", "TransformEndTime")] == [11.0, 12.0]
    (line,) = answer(failed, "ListTransformJobs", StatusEquals="Failed")["TransformJobSummaries"]
    assert line == {
        "TransformJobName": "job",
        "TransformJobArn": ARN,
        "CreationTime": 10.0,
        "LastModifiedTime": 12.0,
        "TransformEndTime": 12.0,
        "TransformJobStatus": "Failed",
        "FailureReason": "ClientError: no",
    }


def test_a_name_is_never_given_twice() -> None:
    world = after(known(), "CreateTransformJob", request())
    refused = refusal(world, "CreateTransformJob", request())
    assert refused.code == "ResourceInUse"
    assert refused.message == (
        "Transform job names must be unique within an AWS account and region, and a transform job with this "
        f"name already exists ({ARN})"
    )


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            {"ModelName": "other"},
            'Could not find model "arn:aws:sagemaker:eu-west-1:123456789012:model/other".',
        ),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB must be less than or equal to 100."),
        ({"MaxPayloadInMB": 26, "MaxConcurrentTransforms": 4}, "MaxConcurrentTransforms * MaxPayloadInMB"),
        ({"MaxConcurrentTransforms": 17}, "MaxConcurrentTransforms * MaxPayloadInMB"),
        ({"Source": {"S3DataType": "AugmentedManifestFile"}}, "AugmentedManifestFile is not supported"),
        ({"Environment": {f"V{n}": "" for n in range(17)}}, "length less than or equal to 16"),
        ({"Source": {"S3Uri": "b/in"}}, "regular expression pattern"),
        ({"BatchStrategy": "Some"}, "enum value set"),
        ({"DataProcessing": {"JoinSource": "Input"}}, "ContentType must be one of text/csv"),
        (
            {
                "DataProcessing": {"InputFilter": "$[1:]"},
                "Input": {"ContentType": "text/csv"},
                "Output": {"Accept": "application/json"},
            },
            "Accept must be of the same format as ContentType",
        ),
    ],
)
def test_what_aws_refuses_is_refused(members: dict[str, Any], said: str) -> None:
    refused = refusal(known(), "CreateTransformJob", request(**members))
    assert refused.code == "ValidationException"
    assert said in refused.message


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"MaxPayloadInMB": 0}, "MaxPayloadInMB 0"),
        ({"Output": {"S3OutputPath": "https://b/out"}}, "https://b/out"),
    ],
)
def test_what_the_local_cloud_does_not_do_is_refused_by_name(members: dict[str, Any], said: str) -> None:
    refused = refusal(known(), "CreateTransformJob", request(**members))
    assert refused.code == "UnsupportedOperation"
    assert said in refused.message


def test_models_that_cannot_transform_are_refused() -> None:
    url = "s3://models/m.tar.gz"
    source = {
        "S3DataSource": {"S3Uri": "s3://models/m/", "S3DataType": "S3Prefix", "CompressionType": "None"}
    }
    refused = refusal(with_container(ModelDataSource=source), "CreateTransformJob", request())
    assert refused.message == (
        "SageMaker Batch currently doesn't support Model entity with container definitions which use "
        "ModelDataSource attribute"
    )
    several = with_container(ModelDataUrl=url, Mode="MultiModel")
    assert "Multi-model" in refusal(several, "CreateTransformJob", request()).message


def test_a_job_keeps_the_container_that_its_model_had() -> None:
    world = after(known(), "CreateTransformJob", request())
    gone = replace(world, models={})
    assert gone.transforms["job"].container == known().models[NAME].content["PrimaryContainer"]


def test_only_a_job_that_is_under_way_can_be_stopped() -> None:
    asked = {"TransformJobName": "job"}
    world = after(known(), "CreateTransformJob", request())
    stopping = after(world, "StopTransformJob", asked)
    assert answer(stopping, "DescribeTransformJob", **asked)["TransformJobStatus"] == "Stopping"
    assert after(stopping, "StopTransformJob", asked).transforms["job"].status == "Stopping"
    stopped = jobs.ended(stopping, "job", "Stopped", "", 20.0)
    refused = refusal(stopped, "StopTransformJob", asked)
    assert refused.message == "The request was rejected because the transform job is in status Stopped."


@pytest.mark.parametrize("operation", ["DescribeTransformJob", "StopTransformJob"])
def test_a_job_that_is_not_there_is_not_found(operation: str) -> None:
    refused = refusal(known(), operation, {"TransformJobName": "job"})
    assert (refused.code, refused.message) == (
        "ValidationException",
        "Could not find requested job with name: job",
    )


def test_jobs_are_listed_by_name_status_and_time_in_pages() -> None:
    made = {
        f"j{n}": TransformJob(f"j{n}", {}, {}, "Completed" if n % 2 else "Failed", n, n) for n in range(12)
    }
    world = replace(known(), transforms=made)

    def names(**asked: Any) -> list[str]:  # noqa: ANN401 - JSON
        lines = answer(world, "ListTransformJobs", **asked)["TransformJobSummaries"]
        return [line["TransformJobName"] for line in lines]

    first = answer(world, "ListTransformJobs")
    assert names() == [f"j{n}" for n in range(11, 1, -1)]
    assert names(NextToken=first["NextToken"]) == ["j1", "j0"]
    assert names(NameContains="j1", SortBy="Name", SortOrder="Ascending") == ["j1", "j10", "j11"]
    assert names(StatusEquals="Failed", CreationTimeAfter=7) == ["j10", "j8"]
    by_status = names(SortBy="Status", SortOrder="Ascending", MaxResults=7)
    assert by_status == ["j1", "j11", "j3", "j5", "j7", "j9", "j0"]


def test_a_restart_ends_what_was_under_way() -> None:
    made = {status: TransformJob(status, {}, {}, status, 1.0, 1.0) for status in ("InProgress", "Stopping")}
    done = TransformJob("done", {}, {}, "Completed", 1.0, 2.0, ended=2.0)
    world = interrupted(replace(known(), transforms={**made, "done": done}), 9.0)
    failed = world.transforms["InProgress"]
    assert (failed.status, failed.ended) == ("Failed", 9.0)
    assert "the local cloud was restarted" in failed.reason
    assert world.transforms["Stopping"].status == "Stopped"
    assert world.transforms["done"] == done


def test_the_operations_and_the_tags_of_jobs_are_ours() -> None:
    assert is_ours("CreateTransformJob", {})
    assert is_ours("AddTags", {"ResourceArn": ARN})
