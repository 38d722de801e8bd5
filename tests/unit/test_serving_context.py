"""The context that handler functions may take."""

from typing import Any

import pytest

from orchestrator.serving.worker.context import Context

PROPERTIES: dict[str, Any] = {
    "body": {"content-type": "text/csv"},
    "Host": "model.example",
    "Content-Type": "text/csv",
    "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
}


@pytest.fixture
def context() -> Context:
    context = Context("/model")
    context.refill("request-1", PROPERTIES)
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
    assert (context.model_name, context.manifest, context.model_yaml_config) == ("model", None, {})


def test_a_request_header_is_found_only_as_it_was_spelt(context: Context) -> None:
    assert context.get_request_header(0, "Content-Type") == "text/csv"
    assert context.get_request_header(0, "content-type") is None


def test_all_request_headers_are_as_they_were_spelt_and_begin_with_the_body(context: Context) -> None:
    assert context.get_all_request_header(0) == PROPERTIES
    assert next(iter(context.get_all_request_header(0))) == "body"
    assert context.request_processor[0].get_request_properties() == PROPERTIES


def test_a_request_has_an_id_and_its_neighbours_have_none(context: Context) -> None:
    assert (context.get_request_id(), context.get_request_id(1)) == ("request-1", None)
    assert context.request_ids == {0: "request-1"}


def test_the_sequence_id_is_a_header_of_its_own(context: Context) -> None:
    context.refill("request-2", {"ts_request_sequence_id": "s1"})

    assert context.get_sequence_id(0) == "s1"


def test_a_batch_has_one_request(context: Context) -> None:
    with pytest.raises(IndexError):
        context.get_request_header(1, "Accept")
    with pytest.raises(IndexError):
        context.set_response_header(1, "X-A", "b")
    with pytest.raises(IndexError):
        context.set_response_status(code=200, phrase="", idx=1)


def test_what_is_said_of_the_answer_can_be_asked_for(context: Context) -> None:
    context.set_all_response_status(202, "Fine")
    context.set_response_header(0, "X-A", "1")
    context.set_response_content_type(0, "text/x")

    assert context.get_response_status(0) == (202, "Fine")
    assert context.get_response_headers(0) == {"X-A": "1", "content-type": "text/x"}
    assert context.get_response_content_type(0) == "text/x"
    assert context.request_processor[0].get_response_header("X-A") == "1"


def test_a_request_knows_nothing_of_the_answer_to_the_one_before(context: Context) -> None:
    context.set_response_status(202, "Fine")
    context.set_response_header(0, "X-A", "1")
    context.refill("request-2", {})

    assert context.get_response_status(0) == (200, None)
    assert context.get_response_headers(0) == {}


def test_while_loading_there_is_no_request_and_a_status_is_ignored() -> None:
    context = Context("/model", "m1")
    context.set_response_status(202)

    assert (context.get_request_id(), context.request_processor, context.model_name) == (None, None, "m1")


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("add_counter", ("n", 1, 0)),
        ("add_time", ("n", 1.5, 0, "ms")),
        ("add_size", ("n", 1.5, 0, "MB")),
        ("add_percent", ("n", 50.0)),
        ("add_error", ("n", "text")),
        ("add_metric", ("n", 1, "unit", 0)),
    ],
)
def test_metrics_of_user_code_go_nowhere_and_do_not_fail(
    context: Context, method: str, arguments: tuple[Any, ...]
) -> None:
    getattr(context.metrics, method)(*arguments)


def test_a_metric_of_torchserves_newer_kind_takes_values(context: Context) -> None:
    metric = context.metrics.add_metric(metric_name="n", unit="ms")
    metric.add_or_update(1.0, ["a"])
    metric.update(2.0)

    assert metric.metric_name == "n"
