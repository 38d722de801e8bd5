"""Who calls, how errors are written, and what goes to a container's log."""

import json
from pathlib import Path

import pytest
from starlette.requests import Request

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.defaults import client_environment
from orchestrator.localcloud.fleets.container import environment
from orchestrator.localcloud.fleets.containerlog import batches
from orchestrator.localcloud.lifecycle import default_state_dir
from orchestrator.localcloud.wire import Caller, caller, check_throwaway, error_answer, operation_of

SIGNATURE = (
    "AWS4-HMAC-SHA256 Credential={}/20261122/us-east-2/{}/aws4_request, SignedHeaders=host, Signature=0"
)


def request(query: str = "", path: str = "/", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": query.encode(),
            "headers": named,
        }
    )


@pytest.mark.parametrize(
    ("signed", "who"),
    [
        (
            request(authorization=SIGNATURE.format("local", "sagemaker")),
            Caller("local", "us-east-2", "sagemaker"),
        ),
        (
            request("X-Amz-Credential=local%2F20261122%2Fus-east-2%2Fs3%2Faws4_request"),
            Caller("local", "us-east-2", "s3"),
        ),
        (request(authorization="AWS local:c2lnbmF0dXJl"), Caller("local")),
        (request("AWSAccessKeyId=local&Signature=x"), Caller("local")),
        (request(), Caller("", "eu-west-1", "")),
    ],
)
def test_the_caller_is_read_from_every_kind_of_signature(signed: Request, who: Caller) -> None:
    assert caller(signed) == who


@pytest.mark.parametrize(
    "signed",
    [
        request(authorization=SIGNATURE.format("AKIAIOSFODNN7EXAMPLE", "s3")),
        request(authorization="AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl"),
        request("AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE"),
        request("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE/20261122/us-east-2/s3/aws4_request"),
    ],
)
def test_keys_that_look_real_are_refused_without_being_repeated(signed: Request) -> None:
    with pytest.raises(ApiError) as caught:
        check_throwaway(caller(signed))
    assert caught.value.status == 403
    assert "IOSFODNN" not in caught.value.message


def test_errors_are_written_in_the_protocol_of_the_client() -> None:
    error = unsupported("<this>")
    answered = error_answer(error, request(x_amz_target="SageMaker.CreateHub"), "sagemaker")
    assert json.loads(bytes(answered.body))["__type"] == "UnsupportedOperation"
    assert answered.headers["x-amzn-errortype"] == "UnsupportedOperation"
    assert b"<Error><Code>UnsupportedOperation</Code>" in bytes(error_answer(error, request(), "s3").body)
    form = request(content_type="application/x-www-form-urlencoded; charset=utf-8")
    query = bytes(error_answer(error, form, "iam").body)
    assert query.startswith(b"<ErrorResponse><Error>")
    assert b"&lt;this&gt;" in query


def test_an_operation_is_named_by_its_target_or_by_its_path() -> None:
    assert operation_of(request(x_amz_target="Logs_20140328.PutLogEvents")) == "PutLogEvents"
    assert operation_of(request(path="/v2/x")) == "POST /v2/x"


def test_a_container_sees_the_models_variables_and_no_credentials() -> None:
    own = {"PATH": "/bin", "AWS_SECRET_ACCESS_KEY": "s", "HF_TOKEN": "t", "HOME": "/home/u"}
    assert environment(own, {"HOME": "/opt", "TS_X": "1"}) == {"PATH": "/bin", "HOME": "/opt", "TS_X": "1"}


def test_log_events_are_sent_in_order_in_what_cloudwatch_takes_at_once() -> None:
    events = [(n, "x" * 150_000) for n in range(13)]
    sent = list(batches(events))
    assert [event for batch in sent for event in batch] == events
    assert [len(batch) for batch in sent] == [6, 6, 1]
    assert [len(batch) for batch in batches([(0, "")] * 2001)] == [1000, 1000, 1]


def test_clients_are_pointed_at_the_local_cloud_and_past_every_proxy() -> None:
    variables = client_environment("http://127.0.0.1:9")
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert variables["NO_PROXY"] == "127.0.0.1,localhost"
    assert variables["AWS_ACCESS_KEY_ID"] == "local"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"ORCHESTRATOR_STATE_DIR": "/o", "XDG_STATE_HOME": "/x", "HOME": "/h"}, "/o/local-cloud"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/orchestrator/local-cloud"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/orchestrator/local-cloud"),
        ({"HOME": "/h"}, "/h/.local/state/orchestrator/local-cloud"),
    ],
)
def test_the_state_folder_follows_the_environment(environ: dict[str, str], expected: str) -> None:
    assert default_state_dir(environ) == Path(expected)
