"""The context that handler functions may take."""

import pytest

from orchestrator.serving.context import Context
from orchestrator.serving.messages import Request

HEADERS = (
    ("host", "model.example"),
    ("content-type", "text/csv"),
    ("x-amzn-sagemaker-custom-attributes", "trace=1"),
)


@pytest.fixture
def context() -> Context:
    context = Context("/model")
    context.refill(Request(HEADERS, b"", "request-1"))
    return context


def test_the_context_describes_the_server_as_torchserve_does(context: Context) -> None:
    assert context.system_properties == {
        "model_dir": "/model",
        "gpu_id": None,
        "batch_size": 1,
        "server_name": "MMS",
        "server_version": "0.12.0",
        "limit_max_image_pixels": True,
    }
    assert (context.model_name, context.manifest) == ("model", None)


@pytest.mark.parametrize("name", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_request_header_is_found_in_any_case(context: Context, name: str) -> None:
    assert context.get_request_header(0, name) == "text/csv"


def test_all_request_headers_have_their_usual_spelling(context: Context) -> None:
    assert context.get_all_request_header(0) == {
        "Host": "model.example",
        "Content-Type": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        "body": {"content-type": "text/csv"},
    }


def test_a_missing_header_is_none(context: Context) -> None:
    assert context.get_request_header(0, "Accept") is None


def test_a_batch_has_one_request(context: Context) -> None:
    with pytest.raises(IndexError):
        context.get_request_header(1, "Accept")
    with pytest.raises(IndexError):
        context.set_response_header(1, "X-A", "b")
    with pytest.raises(IndexError):
        context.set_response_status(code=200, phrase="", idx=1)


@pytest.mark.parametrize(("name", "value"), [("X A", "b"), ("", "b"), ("X-A", "b\r\nX-B: c"), ("X-A:", "b")])
def test_what_is_no_header_is_refused_where_it_is_set(context: Context, name: str, value: str) -> None:
    with pytest.raises(ValueError, match="is no HTTP header"):
        context.set_response_header(0, name, value)


@pytest.mark.parametrize("code", [99, 199, 600])
def test_what_is_no_status_is_refused_where_it_is_set(context: Context, code: int) -> None:
    with pytest.raises(ValueError, match="is no HTTP status"):
        context.set_response_status(code)
