"""The data plane through plain clients: many models, pipelines, sessions, and the forms of errors."""

import contextlib
import http.client
import json
import os
import random
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import BUCKET, ROLE, STANDIN, TestCloud, archive, await_settled, local_cloud

pytestmark = pytest.mark.slow

IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312-ubuntu22.04-sagemaker"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("dataplane") / "state", STANDIN) as running:
        s3 = running.client("s3")
        for name in "abcdefghijklm":
            s3.put_object(Bucket=BUCKET, Key=f"many/{name}.tar.gz", Body=archive({"answer": name.encode()}))
        many = {"Image": IMAGE, "Mode": "MultiModel", "ModelDataUrl": f"s3://{BUCKET}/many/"}
        deploy(running, "many", PrimaryContainer=many)
        deploy(
            running,
            "uncached",
            PrimaryContainer={**many, "MultiModelConfig": {"ModelCacheSetting": "Disabled"}},
        )
        deploy(running, "one", PrimaryContainer=container("a"), count=2)
        both = [{**container(name), "ContainerHostname": f"host-{name}"} for name in "ab"]
        deploy(running, "serial", Containers=both)
        deploy(running, "direct", Containers=both, InferenceExecutionConfig={"Mode": "Direct"})
        for name in ("many", "uncached", "one", "serial", "direct"):
            await_settled(running, name)
        yield running


def container(name: str) -> dict[str, str]:
    return {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/many/{name}.tar.gz"}


def deploy(cloud: TestCloud, name: str, count: int = 1, **model: Any) -> None:  # noqa: ANN401 - API members
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, **model)
    variant = {
        "VariantName": "primary",
        "ModelName": name,
        "InstanceType": "ml.m7i.large",
        "InitialInstanceCount": count,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def invoke(cloud: TestCloud, name: str, **members: Any) -> Any:  # noqa: ANN401 - boto3 has no types
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, **{"Body": b"x", "ContentType": "a/b", **members}
    )
    # To its end, or its connection would be left behind.
    return {**answer, "Body": answer["Body"].read()}


def refusal(cloud: TestCloud, name: str, **members: Any) -> Mapping[str, Any]:  # noqa: ANN401 - API members
    with pytest.raises(ClientError) as caught:
        invoke(cloud, name, **members)
    found: Mapping[str, Any] = caught.value.response
    return found


def test_each_request_reaches_the_model_that_it_names(cloud: TestCloud) -> None:
    asked = ["a", "b", "a"]
    answers = [invoke(cloud, "many", TargetModel=f"{name}.tar.gz")["CustomAttributes"] for name in asked]
    assert answers == asked


def test_more_models_are_asked_for_than_are_kept(cloud: TestCloud) -> None:
    for name in "abcdefghijklm":
        assert invoke(cloud, "many", TargetModel=f"{name}.tar.gz")["CustomAttributes"] == name


def test_requests_at_once_for_a_new_model_share_its_container(cloud: TestCloud) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key="many/new.tar.gz", Body=archive({"answer": b"new"}))

    def pid(_: int) -> bytes:
        found: bytes = invoke(cloud, "many", TargetModel="new.tar.gz", CustomAttributes="pid")["Body"]
        return found

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(pid, range(4)))) == 1


def test_a_model_that_is_not_cached_is_loaded_for_each_request(cloud: TestCloud) -> None:
    pids = [
        invoke(cloud, "uncached", TargetModel="a.tar.gz", CustomAttributes="pid")["Body"] for _ in range(2)
    ]
    assert pids[0] != pids[1]


def test_a_target_model_that_is_not_there_is_refused_as_by_aws(cloud: TestCloud) -> None:
    error = refusal(cloud, "many", TargetModel="nothing.tar.gz")["Error"]
    assert error["Code"] == "ValidationError"
    assert f"Failed to download model data(bucket: {BUCKET}, key: many/nothing.tar.gz)" in error["Message"]


def test_a_multi_model_endpoint_needs_to_know_the_model_and_no_other_may_be_told(cloud: TestCloud) -> None:
    assert "is missing a target model header" in refusal(cloud, "many")["Error"]["Message"]
    refused = refusal(cloud, "one", TargetModel="a.tar.gz")
    assert refused["Error"]["Message"] == (
        "Endpoint one is not a multi-model endpoint and does not support target model header."
    )


def test_a_broken_model_is_an_error_of_the_model_and_spares_the_others(cloud: TestCloud) -> None:
    broken = archive({"answer": b"", "broken": b"no such layer"})
    cloud.client("s3").put_object(Bucket=BUCKET, Key="many/broken.tar.gz", Body=broken)
    assert refusal(cloud, "many", TargetModel="broken.tar.gz")["Error"]["Code"] == "ModelError"
    assert invoke(cloud, "many", TargetModel="a.tar.gz")["CustomAttributes"] == "a"


def test_a_pipeline_gives_each_containers_answer_to_the_next(cloud: TestCloud) -> None:
    answer = invoke(cloud, "serial", Body=b"through")
    assert (answer["Body"], answer["CustomAttributes"]) == (b"through", "b")
    assert refusal(cloud, "serial", TargetContainerHostname="host-a")["Error"]["Code"] == "ValidationError"


def test_in_mode_direct_the_named_container_answers(cloud: TestCloud) -> None:
    assert invoke(cloud, "direct", TargetContainerHostname="host-a")["CustomAttributes"] == "a"
    for members in ({}, {"TargetContainerHostname": "host-c"}):
        assert refusal(cloud, "direct", **members)["Error"]["Code"] == "ValidationError"


def test_requests_of_a_session_reach_the_instance_that_began_it_until_it_ends(cloud: TestCloud) -> None:
    begun = "header=X-Amzn-SageMaker-New-Session-Id:s1; Expires=2999-01-01T00:00:00Z"
    answer = invoke(cloud, "one", SessionId="NEW_SESSION", CustomAttributes=begun)
    assert answer["NewSessionId"] == "s1; Expires=2999-01-01T00:00:00Z"
    asked = {"SessionId": "s1", "CustomAttributes": "pid"}
    assert len({invoke(cloud, "one", **asked)["Body"] for _ in range(6)}) == 1
    ended = "header=X-Amzn-SageMaker-Closed-Session-Id:s1"
    assert invoke(cloud, "one", SessionId="s1", CustomAttributes=ended)["ClosedSessionId"] == "s1"
    assert refusal(cloud, "one", **asked)["Error"]["Code"] == "ValidationError"


def test_a_session_that_has_expired_is_not_there_any_more(cloud: TestCloud) -> None:
    begun = "header=X-Amzn-SageMaker-New-Session-Id:s2; Expires=2001-01-01T00:00:00Z"
    invoke(cloud, "one", SessionId="NEW_SESSION", CustomAttributes=begun)
    assert "s2" in refusal(cloud, "one", SessionId="s2")["Error"]["Message"]


def test_a_container_killed_in_the_midst_of_a_request_is_an_error_of_the_model(
    cloud: TestCloud, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        begun = "header=X-Amzn-SageMaker-New-Session-Id:k; Expires=2999-01-01T00:00:00Z"
        invoke(cloud, "one", SessionId="NEW_SESSION", CustomAttributes=begun)
        pid = int(invoke(cloud, "one", SessionId="k", CustomAttributes="pid")["Body"])
        held = pool.submit(refusal, cloud, "one", SessionId="k", CustomAttributes=f"hold={pipe}")
        # Opens once the model reads from its end: then it has the request.
        with pipe.open("wb"):
            os.kill(pid, signal.SIGKILL)
            error = held.result(30)
    assert (error["Error"]["Code"], error["OriginalStatusCode"]) == ("ModelError", 0)
    # Others ask this endpoint, too: both of its instances answer again when they do.
    answering: set[bytes] = set()
    while len(answering - {str(pid).encode()}) < 2:
        with contextlib.suppress(ClientError):
            answering.add(invoke(cloud, "one", CustomAttributes="pid")["Body"])


def ask(cloud: TestCloud, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - an answer and its body
    connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer, answer.read()


def test_a_request_that_is_too_large_has_its_status_for_a_code(cloud: TestCloud) -> None:
    error = refusal(cloud, "one", Body=bytes(26_214_401))["Error"]
    assert error == {"Code": "413", "Message": "HTTP content length exceeded 26214400 bytes."}


@pytest.mark.parametrize(
    ("member", "value", "limit"),
    [("CustomAttributes", "x" * 1025, 1024), ("InferenceId", "x" * 65, 64), ("TargetVariant", "x" * 64, 63)],
)
def test_a_member_that_is_too_long_is_refused_in_the_words_of_aws(
    cloud: TestCloud, member: str, value: str, limit: int
) -> None:
    error = refusal(cloud, "one", **{member: value})["Error"]
    assert error["Code"] == "ValidationError"
    assert error["Message"].endswith(f"Member must have length less than or equal to {limit}")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/endpoints/one/invocations", 405),
        ("PUT", "/endpoints/one/async-invocations", 405),
        ("POST", "/endpoints/one/elsewhere", 404),
        ("POST", "/endpoints/o_e/invocations", 400),
        ("POST", f"/endpoints/{'x' * 64}/invocations", 400),
    ],
)
def test_what_the_data_plane_does_not_know_is_refused_in_json(
    cloud: TestCloud, method: str, path: str, status: int
) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer, body = ask(cloud, method, path, b"a=b", form)
    assert answer.status == status
    assert answer.getheader("x-amzn-errortype")
    assert json.loads(body)["Message"]


def test_bodies_pass_untouched_whatever_their_encoding(cloud: TestCloud) -> None:
    body = b"\x1f\x8b\x08 not really gzip \x00\xff"
    headers = {"Content-Encoding": "gzip", "Content-Type": "a/b"}
    answer, returned = ask(cloud, "POST", "/endpoints/one/invocations", body, headers)
    assert (answer.status, returned) == (200, body)


def test_a_chunked_body_arrives_whole(cloud: TestCloud) -> None:
    connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        pieces = (b"a" * 1000, b"b" * 70_000)
        connection.request(
            "POST",
            "/endpoints/one/invocations",
            iter(pieces),
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked", "Content-Type": "a/b"},
        )
        assert connection.getresponse().read() == b"".join(pieces)


def test_malformed_requests_get_an_error_of_aws_and_never_a_page(cloud: TestCloud) -> None:
    chance = random.Random(6)  # noqa: S311 - what is tried is to be the same each time
    names = [
        "CustomAttributes",
        "Target-Model",
        "Session-Id",
        "Inference-Id",
        "Target-Variant",
        "Inference-Component",
    ]
    paths = ["invocations", "async-invocations", "invocations-response-stream", "%00", "..;", "invocations/"]
    endpoints = ["one", "many", "nobody", "%C3%B6", "%2F", "%20"]
    for _ in range(150):
        path = f"/endpoints/{chance.choice(endpoints)}/{chance.choice(paths)}"
        value = "".join(
            chr(chance.choice([9, *range(32, 127), *range(160, 256)])) for _ in range(chance.randrange(80))
        )
        headers = {
            f"X-Amzn-SageMaker-{chance.choice(names)}": value.strip(),
            "Content-Type": chance.choice(["", "text/html", "application/x-www-form-urlencoded"]),
        }
        answer, body = ask(
            cloud, chance.choice(["POST", "GET", "DELETE"]), path, bytes(chance.randrange(9)), headers
        )
        assert answer.status in {200, 202, 400, 404, 405, 424}, (path, headers, body)
        assert not body.lstrip().lower().startswith((b"<!doctype", b"<html")), (path, headers, body)
        if answer.status >= 400:
            assert "Message" in json.loads(body) or "message" in json.loads(body)
