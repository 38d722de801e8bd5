"""What handler functions return, say of the answer and raise becomes what it does in the container."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.archives_in_process import Loaded, Loading, header, loading

# The request's body is run; what it calls `out` is returned.
RUNNING = """
import sys
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept, context):
    scope = {"context": context, "sys": sys}
    exec(data, scope)
    return scope.get("out")
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


@pytest.fixture
def running(load: Loading) -> Loaded:
    return load(RUNNING)


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ("'text'", b"text"),
        ("type('S', (str,), {})('sub')", b"sub"),
        ("b'raw'", b"raw"),
        ("bytearray(b'raw')", b"raw"),
        ("{'a': 1, 'b': [1, 2]}", b'{\n  "a": 1,\n  "b": [\n    1,\n    2\n  ]\n}'),
        ("{1: 2}", b'{\n  "1": 2\n}'),
        ("None", b"null"),
        ("True", b"true"),
        ("float('nan')", b"NaN"),
        ("('body', 'text/x')", b"body"),
        ("('body', 'text/x', 'ignored')", b"body"),
    ],
)
def test_what_a_returned_value_becomes_on_the_wire(running: Loaded, result: str, body: bytes) -> None:
    assert running.csv(f"out = {result}").body == body


@pytest.mark.parametrize("given", ["text/csv", "", "no type", " a/b "])
def test_the_second_element_of_a_tuple_is_the_content_type_as_it_is(running: Loaded, given: str) -> None:
    response = running.csv(f"out = ('a,b', '{given}')")

    assert header(response.headers, "content-type") == given


@pytest.mark.parametrize("result", ["('lonely',)", "()"])
def test_a_tuple_too_short_for_a_content_type_is_an_error(running: Loaded, result: str) -> None:
    response = running.csv(f"out = {result}")

    assert (response.status, response.reason) == (500, "tuple index out of range")


@pytest.mark.parametrize("result", ["{1}", "object()", "[{1}]", "1j", "memoryview(b'')", "{(1, 2): 3}"])
def test_a_value_that_cannot_be_written_is_unavailable(running: Loaded, result: str) -> None:
    response = running.csv(f"out = {result}")

    assert (response.status, response.reason) == (503, None)
    assert json.loads(response.body)["message"] == "Unsupported model output data type."
    assert response.traps == ("output-not-supported",)


@pytest.mark.parametrize(
    "deadly",
    [
        "out = ('body', None)",
        "out = ('body', b'text/csv')",
        "out = ('body', 5)",
        "out = ('body', 'a/b\\r\\nX: y')",
        "out = []; out.append(out)",
        "out = '\\ud800'",
        "raise ValueError('\\ud800')",
        "context.set_response_header(0, 'X-A', 5)",
        "context.set_response_header(0, 'X-A', None)",
        "context.set_response_header(0, 'X A', 'b')",
        "context.set_response_header(0, 'X-A', 'b\\r\\nX-C: d')",
        "context.set_response_status('400')",
        "context.set_response_status(3.5)",
        "context.set_response_status(-1)",
        "context.set_response_status(2**31)",
        "context.set_response_status(201, 5)",
        "context.set_response_status(201, 'a\\r\\nb')",
    ],
)
def test_what_the_containers_worker_dies_of_is_not_answered(running: Loaded, deadly: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError)):
        running.csv(deadly)


@pytest.mark.parametrize("deadly", ["sys.exit(3)", "raise KeyboardInterrupt"])
def test_user_code_that_exits_is_not_answered_for(running: Loaded, deadly: str) -> None:
    with pytest.raises((SystemExit, KeyboardInterrupt)):
        running.csv(deadly)


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        ("202, 'Fine'", 202, "Fine"),
        ("201", 201, ""),
        ("201, None", 201, ""),
        ("None, 'x'", 200, "x"),
        ("0, 'x'", 0, "x"),
        ("1000, 'x'", 1000, "x"),
        ("True, 'x'", 1, "x"),
    ],
)
def test_any_status_that_fits_is_passed_on(running: Loaded, said: str, status: int, reason: str) -> None:
    response = running.csv(f"context.set_response_status({said}); out = 'x'")

    assert (response.status, response.reason) == (status, reason)


def test_headers_of_the_answer_keep_spelling_and_order_and_only_the_last_of_a_name(running: Loaded) -> None:
    response = running.csv(
        "[context.set_response_header(0, 'X-' + c, c) for c in 'ABCDEFGHIJKLMNOP']\n"
        "context.set_response_header(0, 'x-a', 'caf\\u00e9 \\u20ac')\nout = 'x'"
    )
    # As TorchServe 0.12 on Java 17 gave them.
    order = "X-B x-a X-D X-C X-F X-E X-H X-G X-J X-I X-L X-K X-N X-M X-P content-type X-O"
    assert [name for name, _ in response.headers] == order.split()
    assert header(response.headers, "x-a") == "café ?"


@pytest.mark.parametrize(
    ("exception", "reason"),
    [
        ("ValueError('bad value')", "bad value"),
        ("ValueError()", "Invalid Request"),
        ("MemoryError()", "Invalid Request"),
        ("ValueError('a\\r\\nb')", "a  b"),
        ("KeyError('k')", "'k'"),
        ("ValueError('  ')", "  "),
    ],
)
def test_any_exception_is_a_500_of_its_text_and_the_whole_traceback(
    running: Loaded, exception: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    response = running.csv(
        f"context.set_response_header(0, 'X-A', 'b')\ndef failing(): raise {exception}\nfailing()"
    )

    assert (response.status, response.reason) == (500, reason)
    assert response.body.replace(b"\r\n", b"  ").startswith(
        reason.encode() + b"\nTraceback (most recent call last):\n"
    )
    assert "in failing" in response.trace
    assert response.body.decode().endswith(response.trace)
    assert response.headers == (("X-A", "b"),)
    assert response.trace in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "reason", "body"),
    [
        ("422, 'No good', 'Bad\\nThing'", 422, "Bad Thing", b"No good\nTraceback"),
        ("422, '', ''", 422, "", b"\nTraceback"),
        ("None, 'm', 'p'", 200, "p", b"m\nTraceback"),
        ("700, 'm', 'p'", 700, "p", b"m\nTraceback"),
    ],
)
def test_the_toolkits_own_error_chooses_status_and_reason(
    running: Loaded, arguments: str, status: int, reason: str, body: bytes
) -> None:
    source = "from sagemaker_inference.errors import BaseInferenceToolkitError as E\nclass Mine(E): pass\n"
    response = running.csv(f"{source}raise Mine({arguments})")

    assert (response.status, response.reason) == (status, reason)
    assert response.body.startswith(body)


def test_an_error_that_only_looks_like_the_toolkits_is_a_500(running: Loaded) -> None:
    source = "class E(Exception):\n  status_code, message, phrase = 422, 'm', 'p'\nraise E('text')"

    assert running.csv(source).status == 500


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        ("MemoryError()", 507, "Out of resources"),
        ("ValueError('CUDA error')", 507, "Out of resources"),
        ("ValueError('x')", 503, "Prediction failed"),
        ("P('mine', 418)", 418, "mine"),
    ],
)
def test_what_gets_past_the_toolkit_is_answered_by_torchserve(
    running: Loaded, raised: str, code: int, message: str
) -> None:
    source = (
        "from ts.utils.util import PredictionException as P\nclass E(Exception):\n  def __str__(self): raise "
    )
    response = running.csv(f"{source}{raised}\nraise E()")

    assert json.loads(response.body) == {"code": code, "type": "InternalServerException", "message": message}
    assert response.status == code
