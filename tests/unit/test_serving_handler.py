"""Handler functions are loaded and called as the real toolkit does, one request at a time or several."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.serving.messages import Request
from tests.support.archives_in_process import Loaded, Loading, header, loading
from tests.support.entrypoints_samples import ECHO

STAGES = """
def input_fn(data, content_type): return data
def predict_fn(data, model): return model
def output_fn(prediction, accept): return prediction
"""
# The request's body is run; what it calls `out` is returned.
RUNNING = """
import sys
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept, context):
    scope = {"context": context, "sys": sys}
    exec(data, scope)
    return scope.get("out")
"""
STREAM = "from ts.handler_utils.utils import send_intermediate_predict_response as send\n"


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


@pytest.fixture
def running(load: Loading) -> Loaded:
    return load(RUNNING)


def test_pre_model_fn_and_model_warmup_fn_surround_model_fn(load: Loading) -> None:
    archive = load("""
LOG = []
def pre_model_fn(model_dir): LOG.append("pre")
def model_fn(model_dir): LOG.append("model"); return "M"
def model_warmup_fn(model_dir, model): LOG.append("warm:" + model)
def input_fn(data, content_type): return data
def predict_fn(data, model): return LOG
def output_fn(prediction, accept): return prediction
""")
    assert json.loads(archive.csv().body) == ["pre", "model", "warm:M"]


def test_what_model_fn_raises_is_not_hidden(load: Loading) -> None:
    with pytest.raises(ZeroDivisionError):
        load(f"{STAGES}\ndef model_fn(model_dir): return 1 / 0")


def test_the_link_to_the_model_folder_is_passed_to_model_fn(load: Loading) -> None:
    archive = load(f"{STAGES}\ndef model_fn(model_dir): return model_dir")

    assert archive.csv().body == str(load.link).encode()
    assert load.link.samefile(load.root)


def test_one_parameter_more_is_the_context_whatever_it_is_called(load: Loading) -> None:
    archive = load("""
def model_fn(model_dir, context=None): return context.model_name
def input_fn(data, content_type, anything): return anything.get_request_id()
def predict_fn(data, model): return [data, model]
def output_fn(prediction, accept, *rest): return [*prediction, rest[0].system_properties["server_name"]]
""")
    assert json.loads(archive.csv().body) == ["request-1", "model", "MMS"]


def test_star_args_count_as_one_parameter_so_every_request_fails(load: Loading) -> None:
    source = STAGES.replace("input_fn(data, content_type): return data", "input_fn(*args): return args")
    archive = load(f"{source}\ndef model_fn(model_dir): return None")
    response = archive.csv()

    assert response.status == 500
    assert response.body.startswith(b"input_fn takes 1 arguments but 2 were given.\nTraceback")


def test_a_request_knows_nothing_of_the_one_before(running: Loaded) -> None:
    first = running.csv(
        "context.set_response_status(202, 'Fine'); context.set_response_header(0, 'X-A', 'b')"
    )
    second = running.csv("out = context.get_request_header(0, 'X-Once')")

    assert (first.status, second.status, second.body) == (202, 200, b"null")
    assert header(second.headers, "x-a") is None


def test_pieces_are_sent_before_the_answer_with_no_type_and_the_answer_is_the_last(running: Loaded) -> None:
    response = running.csv(
        f"{STREAM}send(['a'], context.request_ids, 'ok', 200, context)\n"
        "send([{'b': 1}], context.request_ids, 'ok', 200, context)\nout = 'z'"
    )

    assert [part.body for part in running.parts] == [b"a", b'{\n  "b": 1\n}']
    assert [part.headers for part in running.parts] == [(("ts_stream_next", "true"),)] * 2
    assert (response.body, header(response.headers, "ts_stream_next")) == (b"z", "false")


@pytest.mark.parametrize(
    ("sent", "code", "message"),
    [
        ("['a'], context.request_ids, 'no', 409", 409, "no"),
        ("[{1}], {0: 'x'}, 'ok', 200", 503, "Unsupported"),
    ],
)
def test_a_piece_that_is_refused_is_the_whole_answer(
    running: Loaded, sent: str, code: int, message: str
) -> None:
    response = running.csv(f"{STREAM}send({sent}, context)\nout = 'z'")

    assert (running.parts, response.status) == ([], code)
    assert json.loads(response.body)["message"].startswith(message)


def test_a_batch_is_answered_in_order_each_with_its_own_types(load: Loading) -> None:
    requests = [
        Request((("Content-Type", kind), ("Accept", accept)), b"[1]", identity)
        for kind, accept, identity in (
            ("text/csv", "a/a", "1"),
            ("application/json", "b/b", "2"),
            ("x/y", "c/c", "3"),
        )
    ]
    responses = load(ECHO).ask_all(requests)

    assert [json.loads(response.body)["input"][0] for response in responses] == ["str", "str", "bytearray"]
    assert [header(response.headers, "content-type") for response in responses] == ["a/a", "b/b", "c/c"]


def test_one_bad_request_of_a_batch_fails_alone(load: Loading) -> None:
    source = """
import json
def model_fn(model_dir): return None
def input_fn(data, content_type): return json.loads(data)
def predict_fn(data, model): return 6 / data
def output_fn(prediction, accept): return prediction
"""
    bodies = (b"2", b"0", b"no json", b"3")
    responses = load(source).ask_all(
        [Request((("Content-Type", "text/csv"),), body, body.hex()) for body in bodies]
    )

    assert [response.status for response in responses] == [200, 500, 500, 200]
    assert [response.body for response in responses[::3]] == [b"3.0", b"2.0"]
    assert responses[1].reason == "division by zero"


def test_pieces_of_a_batch_carry_the_index_of_their_request(running: Loaded) -> None:
    source = f"{STREAM}send(['a'], context.request_ids, 'ok', 200, context)".encode()
    running.ask_all([Request((("Content-Type", "text/csv"),), body, "1") for body in (b"", source, source)])

    assert [part.index for part in running.parts] == [1, 2]


def test_the_time_in_handler_functions_is_told(running: Loaded) -> None:
    assert running.csv("sum(range(10000))").model_seconds > 0


def test_a_generated_entry_point_describes_its_model(load: Loading) -> None:
    archive = load(f"""
from types import SimpleNamespace as N
class ImageClassification: labels = ("cat", "dog")
schema = N(inputs={{"image": N(dtype="float32", shape=(1, 28, 28))}})
ENTRY_POINT = N(schema=schema, task=ImageClassification())
def model_fn(model_dir): return None
{STAGES}""")

    assert archive.handler.loaded.describes == {
        "inputs": {"image": {"dtype": "float32", "shape": [1, 28, 28]}},
        "task": "image-classification",
        "labels": ["cat", "dog"],
    }
