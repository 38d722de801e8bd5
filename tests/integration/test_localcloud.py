"""Plain boto3 against a local cloud in a process of its own."""

import contextlib
import datetime as dt
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, WaiterError

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
from tests.support.servers import eventually

BINARY = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", STANDIN) as running:
        yield running


def model(answer: str) -> bytes:
    return archive({"answer": answer.encode()})


def broken(why: str) -> bytes:
    return archive({"answer": b"never", "broken": why.encode()})


def deploy(cloud: TestCloud, name: str, **variant: Any) -> None:  # noqa: ANN401 - API members
    publish(cloud, name, model(name), **variant)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    await_settled(cloud, name)


def invoke(cloud: TestCloud, endpoint: str, wanted: str = "", **members: Any) -> Any:  # noqa: ANN401 - boto3 has no types
    if wanted:
        members["CustomAttributes"] = wanted
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, **{"Body": b"", "ContentType": "application/octet-stream", **members}
    )
    return {**answer, "Body": answer["Body"].read()}


def log_lines(cloud: TestCloud, endpoint: str) -> list[str]:
    events = cloud.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{endpoint}")
    return [event["message"] for event in events["events"]]


def raw(cloud: TestCloud, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc, timeout=20)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): v for name, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_a_new_endpoint_is_creating_and_then_serves(cloud: TestCloud) -> None:
    publish(cloud, "new", model("first"))
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="new", EndpointConfigName="new")
    creating = sagemaker.describe_endpoint(EndpointName="new")
    assert creating["EndpointStatus"] == "Creating"
    assert creating["PendingDeploymentSummary"]["EndpointConfigName"] == "new"
    settled = await_settled(cloud, "new")
    assert "PendingDeploymentSummary" not in settled
    assert settled["LastModifiedTime"] > creating["LastModifiedTime"]
    answer = invoke(cloud, "new", Body=BINARY, ContentType="application/x-thing", Accept="a/b")
    assert answer["Body"] == BINARY
    assert answer["ContentType"] == "application/x-thing"
    assert answer["CustomAttributes"] == "first"
    assert answer["InvokedProductionVariant"] == "primary"


def test_only_headers_of_the_api_reach_the_container(cloud: TestCloud) -> None:
    deploy(cloud, "headers")
    content = json.loads(invoke(cloud, "headers", "headers", Accept="a/b", InferenceId="7")["Body"])
    seen = {name.lower() for name in content}
    assert seen >= {"accept", "content-type", "x-amzn-sagemaker-inference-id"}
    assert not seen & {"authorization", "user-agent", "x-amz-date"}


def test_the_container_sees_none_of_the_users_variables(cloud: TestCloud) -> None:
    deploy(cloud, "variables")
    seen = json.loads(invoke(cloud, "variables", "variables")["Body"])
    assert "PATH" in seen
    assert not [name for name in seen if name.startswith(("AWS_", "MOTO_", "PYTEST"))]


def test_an_update_switches_without_failing_a_request(cloud: TestCloud) -> None:
    deploy(cloud, "busy")
    publish(cloud, "busy-2", model("second"))
    done = threading.Event()

    def ask() -> list[str]:
        answers = []
        while not done.is_set():
            answers.append(invoke(cloud, "busy", Body=b"x" * 5000)["CustomAttributes"])
        return answers

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(4)]
        try:
            sagemaker = cloud.client("sagemaker")
            sagemaker.update_endpoint(EndpointName="busy", EndpointConfigName="busy-2")
            updating = sagemaker.describe_endpoint(EndpointName="busy")
            settled = await_settled(cloud, "busy")
            assert invoke(cloud, "busy")["CustomAttributes"] == "second"
        finally:
            done.set()
        answers = [answer for future in asking for answer in future.result()]
    assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", "busy")
    assert settled["EndpointConfigName"] == "busy-2"
    assert set(answers) == {"busy", "second"}


def test_a_request_that_is_being_answered_outlives_the_update(cloud: TestCloud, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    deploy(cloud, "held")
    publish(cloud, "held-2", model("second"))
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(invoke, cloud, "held", f"hold={gate}")
        # Opening a pipe waits for the one who reads it: from here on the request is being answered.
        with gate.open("w"):
            cloud.client("sagemaker").update_endpoint(EndpointName="held", EndpointConfigName="held-2")
            await_settled(cloud, "held")
            assert invoke(cloud, "held")["CustomAttributes"] == "second"
            assert not held.done()
        assert held.result()["CustomAttributes"] == "held"


def test_a_failing_update_goes_back_silently(cloud: TestCloud) -> None:
    deploy(cloud, "steady")
    publish(cloud, "steady-2", broken("no such layer"))
    sagemaker = cloud.client("sagemaker")
    before = sagemaker.describe_endpoint(EndpointName="steady")
    sagemaker.update_endpoint(EndpointName="steady", EndpointConfigName="steady-2")
    after = await_settled(cloud, "steady")
    assert after["EndpointConfigName"] == "steady"
    assert after["LastModifiedTime"] > before["LastModifiedTime"]
    assert "FailureReason" not in after
    assert "PendingDeploymentSummary" not in after
    assert invoke(cloud, "steady")["CustomAttributes"] == "steady"
    lines = log_lines(cloud, "steady")
    assert "Traceback (most recent call last):" in lines
    assert "RuntimeError: no such layer" in lines


def test_a_failing_creation_says_so_and_can_only_be_deleted(cloud: TestCloud) -> None:
    publish(cloud, "stillborn", broken("no weights"))
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_endpoint(EndpointName="stillborn", EndpointConfigName="stillborn")
    with pytest.raises(WaiterError):
        await_settled(cloud, "stillborn")
    described = sagemaker.describe_endpoint(EndpointName="stillborn")
    assert described["EndpointStatus"] == "Failed"
    assert "variant primary did not pass the ping health check" in described["FailureReason"]
    assert "RuntimeError: no weights" in log_lines(cloud, "stillborn")
    with pytest.raises(ClientError, match="DeleteEndpoint is the only operation"):
        sagemaker.update_endpoint(EndpointName="stillborn", EndpointConfigName="stillborn")
    sagemaker.delete_endpoint(EndpointName="stillborn")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="stillborn", WaiterConfig=POLL)


@pytest.mark.parametrize(
    ("name", "artifact", "reason"),
    [("no-archive", b"not a tar.gz", "cannot be unpacked"), ("climbs", archive({"../x": b""}), "outside")],
    ids=["no-archive", "leads-out"],
)
def test_an_unfit_artifact_fails_with_its_reason_in_the_log(
    cloud: TestCloud, name: str, artifact: bytes, reason: str
) -> None:
    publish(cloud, name, artifact)
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    with pytest.raises(WaiterError):
        await_settled(cloud, name)
    assert reason in "\n".join(log_lines(cloud, name))


def test_a_deleted_endpoint_is_gone_with_its_model_folder(cloud: TestCloud) -> None:
    deploy(cloud, "leaving")
    assert list((cloud.state_dir / "models").glob("leaving-*"))
    sagemaker = cloud.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="leaving")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="leaving", WaiterConfig=POLL)
    assert not list((cloud.state_dir / "models").glob("leaving-*"))
    with pytest.raises(ClientError, match="Endpoint leaving of account 123456789012 not found") as caught:
        invoke(cloud, "leaving")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_an_error_of_the_model_keeps_its_status_and_its_words(cloud: TestCloud) -> None:
    deploy(cloud, "refusing")
    runtime = cloud.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(cloud, "refusing", "status=404", Body=b"no such thing")
    response = caught.value.response
    assert response["OriginalStatusCode"] == 404
    assert response["OriginalMessage"] == "no such thing"
    assert response["LogStreamArn"].endswith("log-group:/aws/sagemaker/Endpoints/refusing")
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["ResponseMetadata"]["RetryAttempts"] == 0
    assert 'Received client error (404) from primary with message "no such thing"' in str(caught.value)


def test_invocations_are_counted_for_cloudwatch(cloud: TestCloud) -> None:
    deploy(cloud, "counted")
    for wanted in ("", "", "status=404", "status=500"):
        with contextlib.suppress(ClientError):
            invoke(cloud, "counted", wanted)

    def total(metric: str, statistic: str = "Sum") -> float:
        points = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": "counted"},
                {"Name": "VariantName", "Value": "primary"},
            ],
            StartTime=dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5),
            EndTime=dt.datetime.now(dt.UTC) + dt.timedelta(minutes=5),
            Period=60,
            Statistics=[statistic],
        )["Datapoints"]
        return float(sum(point[statistic] for point in points))

    # They come about a second later; all at once.
    eventually(lambda: total("ModelLatency", "SampleCount") == 4, "the metrics of four invocations")
    assert [total(name) for name in ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors")] == [
        4,
        1,
        1,
    ]
    assert total("ModelLatency") > 4 * 100


def test_a_container_that_dies_is_started_again(cloud: TestCloud) -> None:
    deploy(cloud, "mortal")
    runtime = cloud.client("sagemaker-runtime")
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(cloud, "mortal", "die")
    assert caught.value.response["OriginalStatusCode"] == 0

    def answers() -> bool:
        try:
            return bool(invoke(cloud, "mortal")["CustomAttributes"] == "mortal")
        except runtime.exceptions.ModelError:
            return False

    eventually(answers, "the container to be started again")
    described = cloud.client("sagemaker").describe_endpoint(EndpointName="mortal")
    assert described["EndpointStatus"] == "InService"
    assert "the container ended with exit status 3" in log_lines(cloud, "mortal")


def test_a_request_may_name_its_variant(cloud: TestCloud) -> None:
    deploy(cloud, "aimed", InitialVariantWeight=0.0)
    variant = cloud.client("sagemaker").describe_endpoint(EndpointName="aimed")["ProductionVariants"][0]
    assert (variant["CurrentWeight"], variant["DesiredWeight"]) == (0.0, 0.0)
    assert invoke(cloud, "aimed", TargetVariant="primary")["CustomAttributes"] == "aimed"
    with pytest.raises(ClientError, match="Variant other of endpoint aimed not found"):
        invoke(cloud, "aimed", TargetVariant="other")


def test_a_body_that_is_too_large_is_refused(cloud: TestCloud) -> None:
    deploy(cloud, "small")
    with pytest.raises(ClientError, match="HTTP content length exceeded 26214400 bytes") as caught:
        invoke(cloud, "small", Body=bytes(26_214_401))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_objects_keep_metadata_with_underscores_and_chunked_bodies(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="a/ü %2F", Body=BINARY, Metadata={"my_key": "kept"})
    got = s3.get_object(Bucket=BUCKET, Key="a/ü %2F")
    assert got["Metadata"] == {"my_key": "kept"}
    assert got["Body"].read() == BINARY
    url = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "chunked"})
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    connection.request("PUT", url.partition(urlsplit(url).netloc)[2], iter([b"one ", b"two"]))
    assert connection.getresponse().status == 200
    connection.close()
    assert s3.get_object(Bucket=BUCKET, Key="chunked")["Body"].read() == b"one two"


def test_an_upload_that_is_cut_off_stores_nothing(cloud: TestCloud) -> None:
    address = urlsplit(cloud.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        head = f"PUT /{BUCKET}/cut HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Length: 1000\r\n"
        credential = "Credential=local/20261122/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0"
        connection.sendall(f"{head}Authorization: AWS4-HMAC-SHA256 {credential}\r\n\r\nten bytes.".encode())
        # As a process that is interrupted leaves it: no more of the body will come.
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
    s3 = cloud.client("s3")
    assert "cut" not in [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]
    s3.put_object(Bucket=BUCKET, Key="cut", Body=b"whole")
    assert s3.get_object(Bucket=BUCKET, Key="cut")["Body"].read() == b"whole"


def test_a_model_needs_its_artifact_and_its_role(cloud: TestCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    container = {"Image": "i", "ModelDataUrl": f"s3://{BUCKET}/nothing-there.tar.gz"}
    with pytest.raises(ClientError, match="Could not find model data at s3://models/nothing-there"):
        sagemaker.create_model(ModelName="m1", PrimaryContainer=container, ExecutionRoleArn=ROLE)
    with pytest.raises(ClientError, match="Could not assume role"):
        sagemaker.create_model(
            ModelName="m2", PrimaryContainer={"Image": "i"}, ExecutionRoleArn=f"{ROLE}-that-is-absent"
        )


@pytest.mark.parametrize(
    ("service", "call", "members"),
    [
        ("sagemaker", "create_hub", {"HubName": "h", "HubDescription": "d"}),
        ("iam", "get_context_keys_for_custom_policy", {"PolicyInputList": ["{}"]}),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_one_readable_error_without_retries(
    cloud: TestCloud, service: str, call: str, members: dict[str, object]
) -> None:
    with pytest.raises(ClientError) as caught:
        getattr(cloud.client(service), call)(**members)
    assert caught.value.response["Error"]["Code"] == "UnsupportedOperation"
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
    assert "local cloud" in caught.value.response["Error"]["Message"]


def test_other_hosts_web_pages_and_motos_controls_are_refused(cloud: TestCloud) -> None:
    assert raw(cloud, "GET", "/_local/health", Host="evil.example")[0] == 403
    assert raw(cloud, "GET", "/_local/health", Origin="http://127.0.0.1")[0] == 403
    assert raw(cloud, "GET", "/?Action=ListUsers", Sec_Fetch_Site="cross-site")[0] == 403
    assert raw(cloud, "POST", "/moto-api/reset")[0] == 403
    assert raw(cloud, "POST", "//moto-api/reset")[0] != 200
    assert raw(cloud, "GET", "/_local/health", Host="localhost:1")[0] == 200
    assert cloud.client("s3").head_bucket(Bucket=BUCKET)


@pytest.mark.parametrize(
    ("service", "method", "path"),
    [
        ("logs", "GET", "/no/such/path"),
        ("logs", "POST", "/"),
        ("sqs", "TRACE", "/"),
    ],
)
def test_what_no_service_has_is_an_error_of_aws_and_not_a_page(
    cloud: TestCloud, service: str, method: str, path: str
) -> None:
    signed = f"AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/{service}/aws4_request"
    status, body = raw(cloud, method, path, Authorization=signed)
    assert status == 400
    assert json.loads(body)["__type"] == "UnsupportedOperation"
    assert service in json.loads(body)["message"]


def test_xml_that_is_none_is_refused_as_by_s3(cloud: TestCloud) -> None:
    signed = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/s3/aws4_request"
    status, body = raw(cloud, "POST", f"/{BUCKET}?delete", b"<a>", Authorization=signed)
    assert status == 400
    assert b"<Code>MalformedXML</Code>" in body


def test_credentials_that_look_real_are_refused(cloud: TestCloud) -> None:
    for service, call in (("sagemaker", "list_models"), ("s3", "list_buckets"), ("iam", "list_roles")):
        client = cloud.client(service, aws_access_key_id="AKIAIOSFODNN7EXAMPLE")
        with (
            contextlib.closing(client),
            pytest.raises(ClientError, match="takes only throw-away credentials") as caught,
        ):
            getattr(client, call)()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_regions_do_not_see_each_other(cloud: TestCloud) -> None:
    publish(cloud, "regional", model("x"))
    with contextlib.closing(cloud.client("sagemaker", region_name="us-east-1")) as elsewhere:
        assert elsewhere.list_models()["Models"] == []


def test_tags_of_other_resources_are_motos(cloud: TestCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    arn = sagemaker.create_model_package_group(
        ModelPackageGroupName="group", Tags=[{"Key": "a", "Value": "b"}]
    )["ModelPackageGroupArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]


def test_health_names_the_process_and_its_endpoints(cloud: TestCloud) -> None:
    deploy(cloud, "healthy")
    status, body = raw(cloud, "GET", "/_local/health")
    content = json.loads(body)
    assert (status, content["status"], content["pid"]) == (200, "ok", cloud.pid)
    assert {"name": "healthy", "region": "eu-west-1", "status": "InService"} in content["endpoints"]
    written = cloud.state_dir / "local-cloud.json"
    assert written.stat().st_mode & 0o777 == 0o600
    assert json.loads(written.read_text())["url"] == cloud.url
    assert os.stat(cloud.state_dir).st_mode & 0o777 == 0o700  # noqa: PTH116 - the folder itself


def test_the_data_plane_answers_posts_only(cloud: TestCloud) -> None:
    assert raw(cloud, "GET", "/endpoints/any/invocations")[0] == 405
