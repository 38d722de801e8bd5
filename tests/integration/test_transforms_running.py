"""Transform jobs from their beginning to their end, on a fleet and an S3 in memory."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.fleets.exchange import BrokenAnswerError
from orchestrator.localcloud.fleets.fleet import FleetError
from orchestrator.localcloud.transforms.invoking import parameters, variables
from tests.support.transforms import Bench, Reply, echo, refusing, replies, request

ONE: dict[str, Any] = {"BatchStrategy": "SingleRecord"}


def one_job(
    folder: Path,
    reply: Reply,
    objects: dict[str, bytes],
    together: int = 1,
    **members: Any,  # noqa: ANN401 - JSON
) -> Bench:
    """Run a job to its end, and return where it ran."""

    async def run() -> Bench:
        bench = Bench(folder, reply, together)
        bench.objects.update(objects)
        bench.create(**members)
        await bench.over()
        await bench.transforms.close()
        return bench

    return asyncio.run(run())


def outputs(bench: Bench) -> dict[str, bytes]:
    return {name: content for name, content in bench.objects.items() if name.startswith("b/out/")}


def test_each_object_has_an_output_of_its_own_in_the_order_of_its_records(tmp_path: Path) -> None:
    rows = b"".join(b"%d\n" % n for n in range(40))
    objects = {"b/in/x.csv": rows, "b/in/y/deep.csv": b"last", "b/in/folder/": b"", "b/other": b"no"}
    bench = one_job(tmp_path, echo, objects, 7, **ONE, MaxConcurrentTransforms=7)
    assert outputs(bench) == {"b/out/x.csv.out": rows, "b/out/y/deep.csv.out": b"last\n"}
    assert bench.fleets[0].most == 7
    assert (bench.job().status, bench.job().reason, bench.fleets[0].stopped) == ("Completed", "", True)
    assert bench.groups == ["/aws/sagemaker/TransformJobs"]
    assert bench.said == ["MaxConcurrentTransforms=7, MaxPayloadInMB=6, BatchStrategy=SINGLE_RECORD"]
    assert not list(tmp_path.iterdir())


def test_as_many_objects_are_under_way_as_there_are_instances(tmp_path: Path) -> None:
    objects = {f"b/in/{n}": b"1\n2\n3\n" for n in range(6)}
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 3}
    bench = one_job(tmp_path, echo, objects, 3, **ONE, TransformResources=resources)
    assert (bench.fleets[0].most, bench.fleets[0].variant.count, len(outputs(bench))) == (3, 3, 6)


def test_payloads_are_filled_up_to_their_size(tmp_path: Path) -> None:
    row = b"x" * (400 * 1024) + b"\n"
    bench = one_job(tmp_path, echo, {"b/in/x": row * 5}, MaxPayloadInMB=1, Input={"ContentType": "text/csv"})
    assert [len(body) for body in bench.fleets[0].asked] == [2 * len(row), 2 * len(row), len(row)]
    assert outputs(bench) == {"b/out/x.out": row * 5}
    assert bench.fleets[0].headers == [("content-type", "text/csv")]


def test_compressed_objects_are_unpacked_and_keep_their_names(tmp_path: Path) -> None:
    objects = {"b/in/x.gz": gzip.compress(b"1\n") + gzip.compress(b"2\n"), "b/in/y.gz": b"no gzip"}
    bench = one_job(tmp_path, echo, objects, Input={"CompressionType": "Gzip"})
    assert outputs(bench) == {"b/out/x.gz.out": b"1\n2\n"}
    assert (bench.job().status, bench.job().reason[:11]) == ("Failed", "ClientError")


def test_without_a_split_an_object_is_one_request_or_too_large(tmp_path: Path) -> None:
    objects = {"b/in/small": b"1\n2\n", "b/in/large": bytes(1024 * 1024 + 1)}
    split: dict[str, Any] = {"Input": {"SplitType": "None"}, "Output": {"AssembleWith": "None"}}
    bench = one_job(tmp_path, echo, objects, MaxPayloadInMB=1, **split)
    assert outputs(bench) == {"b/out/small.out": b"1\n2\n"}
    assert "b/in/large: Too much data for max payload size" in bench.said


def test_a_manifest_names_the_objects(tmp_path: Path) -> None:
    manifest = json.dumps([{"prefix": "s3://b/in/"}, "a/x", "y"]).encode()
    objects = {"b/list.json": manifest, "b/in/a/x": b"1", "b/in/y": b"2", "b/in/z": b"3"}
    bench = one_job(
        tmp_path, echo, objects, Source={"S3DataType": "ManifestFile", "S3Uri": "s3://b/list.json"}
    )
    assert outputs(bench) == {"b/out/a/x.out": b"1\n", "b/out/y.out": b"2\n"}


@pytest.mark.parametrize("manifest", [b"", b"{}", b'["s3://b/in/x"]', b'[{"prefix": "s3://b/in/"}, 1]'])
def test_a_manifest_of_another_form_fails_the_job(tmp_path: Path, manifest: bytes) -> None:
    source = {"S3DataType": "ManifestFile", "S3Uri": "s3://b/list.json"}
    bench = one_job(tmp_path, echo, {"b/list.json": manifest}, Source=source)
    assert (bench.job().status, outputs(bench)) == ("Failed", {})
    assert bench.job().reason.startswith("ClientError: the manifest s3://b/list.json is")


def test_a_job_without_objects_fails_and_says_so(tmp_path: Path) -> None:
    bench = one_job(tmp_path, echo, {"b/else": b"1"})
    assert bench.job().reason == "ClientError: No S3 objects found under s3://b/in/"
    assert bench.fleets[0].stopped


def test_an_object_with_a_bad_record_has_no_output_and_the_others_have(tmp_path: Path) -> None:
    objects = {"b/in/x": b"1\n2\n3\n", "b/in/y": b"4\n"}
    bench = one_job(tmp_path, refusing(b"2", status=400), objects, **ONE)
    assert outputs(bench) == {"b/out/y.out": b"4\n"}
    assert (bench.job().status, bench.job().reason) == (
        "Failed",
        "ClientError: See job logs for more information",
    )
    said = ["ClientError: 400", "", "Message:", "no", "way"]
    assert bench.said[1:] == [f"b/in/x: {line}" for line in said]
    # What the client sent wrong is not sent again.
    assert sorted(bench.fleets[0].asked) == [b"1", b"2", b"4"]


def test_what_the_model_fails_at_is_asked_again_with_growing_pauses(tmp_path: Path) -> None:
    answers = [(500, b""), (503, b""), (200, b"yes")]
    bench = one_job(tmp_path, replies(answers), {"b/in/x": b"1"})
    assert (outputs(bench), bench.waits) == ({"b/out/x.out": b"yes\n"}, [1.0, 2.0])


def test_a_model_that_goes_on_failing_fails_the_job(tmp_path: Path) -> None:
    client: dict[str, Any] = {"InvocationsMaxRetries": 1, "InvocationsTimeoutInSeconds": 5}
    bench = one_job(tmp_path, refusing(b"", status=500), {"b/in/x": b"1"}, ModelClientConfig=client)
    assert bench.job().reason == "AlgorithmError: See job logs for more information"
    assert (len(bench.fleets[0].asked), bench.said[1]) == (2, "b/in/x: AlgorithmError: 500")


def test_a_model_that_does_not_answer_fails_the_job_in_the_words_of_aws(tmp_path: Path) -> None:
    def broken(_: bytes) -> tuple[int, bytes]:
        raise BrokenAnswerError("gone")

    client: dict[str, Any] = {"InvocationsMaxRetries": 0}
    bench = one_job(tmp_path, broken, {"b/in/x": b"1"}, ModelClientConfig=client)
    assert bench.job().reason == "AlgorithmError: See job logs for more information"
    assert bench.said[1:] == ["b/in/x: Unable to get response from algorithm"]


def test_a_path_that_is_none_fails_the_job_while_it_runs(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "Input": {"ContentType": "text/csv"},
        "DataProcessing": {"InputFilter": "$[0:2,4:]"},
    }
    bench = one_job(tmp_path, echo, {"b/in/x": b"1,2"}, **asked)
    assert bench.job().status == "Failed"
    assert bench.said[1].startswith("b/in/x: Invalid JsonPath: $[0:2,4:]: only single range filters")


NO_PING = (
    "AlgorithmError: Model container failed to respond to ping. Please ensure /ping endpoint is implemented "
    "and responds with an HTTP 200 status code"
)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (FleetError("exit status 1"), NO_PING),
        (FleetError("no", "The image 'x' is not emulated."), "ClientError: The image 'x' is not emulated."),
    ],
)
def test_a_container_that_does_not_come_up_fails_the_job(
    tmp_path: Path, failure: FleetError, reason: str
) -> None:
    async def run() -> tuple[str, str]:
        bench = Bench(tmp_path, echo, failure=failure)
        bench.create()
        job = await bench.over()
        return job.status, job.reason

    assert asyncio.run(run()) == ("Failed", reason)


def test_a_stopped_job_leaves_no_output_and_no_fleet(tmp_path: Path) -> None:
    async def run() -> Bench:
        bench = Bench(tmp_path, echo, together=2)
        bench.objects["b/in/x"] = b"1"
        bench.create()
        await bench.launched.wait()
        await bench.fleets[0].begun.wait()
        bench.stop()
        assert bench.job().status == "Stopping"
        await bench.over()
        return bench

    bench = asyncio.run(run())
    assert (bench.job().status, bench.job().reason, outputs(bench)) == ("Stopped", "", {})
    assert bench.fleets[0].stopped
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("steps", range(12))
def test_a_local_cloud_that_ends_leaves_its_jobs_in_progress_for_the_next_one(
    tmp_path: Path, steps: int
) -> None:
    async def run() -> Bench:
        bench = Bench(tmp_path, echo, together=2)
        bench.objects["b/in/x"] = b"1"
        bench.create()
        for _ in range(steps):
            await asyncio.sleep(0)
        await bench.transforms.close()
        return bench

    bench = asyncio.run(run())
    assert bench.job().status == "InProgress"
    assert all(fleet.stopped for fleet in bench.fleets)


def test_a_local_cloud_that_ends_begins_no_job(tmp_path: Path) -> None:
    async def run() -> Bench:
        bench = Bench(tmp_path, echo, 1)
        await bench.transforms.close()
        with pytest.raises(ApiError, match="about to end"):
            bench.create()
        return bench

    assert asyncio.run(run()).fleets == []


def test_what_is_captured_is_listed_by_the_hour(tmp_path: Path) -> None:
    capture = {"DestinationS3Uri": "s3://b/captured/", "KmsKeyId": "alias/k"}
    bench = one_job(tmp_path, echo, {"b/in/x": b"1"}, DataCaptureConfig=capture)
    assert json.loads(bench.objects["b/captured/input/1970/01/01/00/job.jsonl"]) == [
        {"prefix": "s3://b/"},
        "in/x",
    ]
    assert json.loads(bench.objects["b/captured/output/1970/01/01/00/job.jsonl"]) == [
        {"prefix": "s3://b/out/"},
        "x.out",
    ]


def test_what_cannot_be_captured_fails_the_job_and_the_log_says_why(tmp_path: Path) -> None:
    capture = {"DestinationS3Uri": "s3://missing/captured"}
    bench = one_job(tmp_path, echo, {"b/in/x": b"1"}, DataCaptureConfig=capture)
    assert bench.job().reason == "ClientError: See job logs for more information"
    assert bench.said[-1].startswith("s3://missing/captured/input/")


def test_an_output_is_encrypted_with_the_key_that_was_asked_for(tmp_path: Path) -> None:
    bench = one_job(tmp_path, echo, {"b/in/x": b"1"}, Output={"KmsKeyId": "alias/k"})
    assert bench.clients.s3.arguments == {
        "b/out/x.out": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/k"}
    }


def test_a_container_sees_of_its_job_what_was_said_and_no_more(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "Environment": {"MODE": "fast"},
        "BatchStrategy": "MultiRecord",
        "MaxPayloadInMB": 2,
    }
    bench = one_job(tmp_path, echo, {"b/in/x": b"1"}, **asked)
    assert bench.fleets[0].variant.container["Environment"] == {
        "MODE": "fast",
        "SAGEMAKER_BATCH": "true",
        "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": "2",
    }
    assert variables(request()) == {"SAGEMAKER_BATCH": "true"}


def test_the_job_comes_before_the_model_and_the_model_before_the_defaults() -> None:
    model = {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 3}
    asked: dict[str, Any] = {
        "MaxConcurrentTransforms": 2,
        "MaxPayloadInMB": 1,
        "BatchStrategy": "MultiRecord",
    }
    words = "MaxConcurrentTransforms={}, MaxPayloadInMB={}, BatchStrategy={}"
    assert str(parameters({}, {})) == words.format(1, 6, "MULTI_RECORD")
    assert str(parameters({"MaxConcurrentTransforms": 0}, model)) == words.format(8, 3, "SINGLE_RECORD")
    assert str(parameters(asked, model)) == words.format(2, 1, "MULTI_RECORD")
    assert str(parameters({}, {"MaxPayloadInMB": "x", "BatchStrategy": 1})) == words.format(
        1, 6, "MULTI_RECORD"
    )
