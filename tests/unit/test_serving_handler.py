"""Requests are answered as the real toolkit and TorchServe's worker answer them."""

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
FORM = ("Content-Type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=b")


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


@pytest.fixture
def running(load: Loading) -> Loaded:
    return load(RUNNING)


def test_transform_fn_stands_for_the_three_stages(load: Loading) -> None:
    archive = load("""
def model_fn(model_dir): return "M"
def transform_fn(model, data, content_type, accept): return [model, data, content_type, accept]
""")
    assert json.loads(archive.csv("1,2").body) == ["M", "1,2", "text/csv", "application/json"]


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


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", "str"),
        ("text/csv", "str"),
        ("Application/JSON", "bytearray"),
        ("application/json; charset=utf-8", "bytearray"),
        ("application/x-npy", "bytearray"),
        ("", "bytearray"),
    ],
)
def test_only_json_and_csv_arrive_as_text_compared_whole(load: Loading, content_type: str, kind: str) -> None:
    response = load(ECHO).ask(b"[1]", ("Content-Type", content_type))

    assert json.loads(response.body)["input"] == [kind, "b'[1]'", content_type]


@pytest.mark.parametrize(
    ("names", "given"),
    [
        (("ContentType",), "1"),
        (("content-Type",), "1"),
        (("Content-Type-Foo",), "1"),
        (("CONTENT-TYPE",), None),
        (("XContent-Type",), None),
        (("ContentType", "Content-Type"), "1"),
        (("Content-Type", "content-type"), "2"),
        (("content-type", "Content-Type"), "1"),
        (("Content-Type", "Content-Type"), "2"),
    ],
)
def test_the_content_type_is_the_first_header_called_so_in_the_containers_order(
    load: Loading, names: tuple[str, ...], given: str | None
) -> None:
    headers = [(name, str(number)) for number, name in enumerate(names, 1)]

    assert json.loads(load(ECHO).ask(b"", *headers).body)["input"][2] == given


def test_a_body_that_is_to_be_text_and_is_none_is_an_error_in_pythons_words(load: Loading) -> None:
    response = load(ECHO).ask(b"\xff", ("Content-Type", "text/csv"))

    assert (response.status, response.reason) == (
        500,
        "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    )


@pytest.mark.parametrize(
    ("body", "arrives"),
    [
        (b"", None),
        (b"a=1", None),
        (b"body", None),
        (b"body=", b""),
        (b"a=1&body=x%20y+z%41", b"x y zA"),
        (b"body=1&body=2", b"2"),
        (b"body=%ff", b"\xff"),
        (b"body=1;body=2", b"1;body=2"),
        (b"b%6fdy=q", b"q"),
        (b"body=1\r\n", b"1"),
        (b"BODY=1", None),
        (b"body&a=1", b""),
    ],
)
def test_a_form_is_parsed_before_the_entry_point_sees_it(
    load: Loading, body: bytes, arrives: bytes | None
) -> None:
    archive = load(RUNNING.replace("exec(data, scope)", 'scope["out"] = repr(data)'))
    expected = None if arrives is None else bytearray(arrives)

    assert archive.ask(body, FORM).body.decode() == repr(expected)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"body=%zz", "Invalid hex byte at index '0' in string: '%zz'"),
        (b"body=a%4", "Invalid hex byte at index '1' in string: 'a%4'"),
        (b"%zz=1&body=2", "Bad string: '%zz'"),
        (b"=x&body=1", "java.lang.IllegalArgumentException: empty name"),
        (b"&&body=1", "java.lang.IllegalArgumentException: empty name"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused_in_nettys_words(
    load: Loading, body: bytes, message: str
) -> None:
    response = load(ECHO).ask(body, FORM)

    assert response.status == 500
    assert json.loads(response.body) == {"code": 500, "type": "ErrorDataDecoderException", "message": message}


@pytest.mark.parametrize(
    ("content_type", "head", "arrives"),
    [
        (MULTIPART[1], 'form-data; name="body"', b"hello"),
        (MULTIPART[1], 'form-data; name="body"; filename="x"', b"hello"),
        (MULTIPART[1], 'form-data; name="a"', None),
        ('multipart/form-data; boundary="b"', 'form-data; name="body"', b"hello"),
        ("multipart/mixed; boundary=b", 'form-data; name="body"', "raw"),
        ("multipart/form-data", 'form-data; name="body"', "raw"),
        ("Multipart/Form-Data; boundary=b", 'form-data; name="body"', "raw"),
    ],
)
def test_of_a_multipart_form_the_part_called_body_arrives(
    load: Loading, content_type: str, head: str, arrives: bytes | str | None
) -> None:
    archive = load(RUNNING.replace("exec(data, scope)", 'scope["out"] = repr(data)'))
    body = f"--b\r\nContent-Disposition: {head}\r\n\r\nhello\r\n--b--\r\n".encode()
    expected = body if arrives == "raw" else arrives

    answer = archive.ask(body, ("Content-Type", content_type)).body.decode()
    assert answer == repr(None if expected is None else bytearray(expected))  # type: ignore[arg-type]  # bytes by now


def test_fields_of_the_query_are_inputs_beside_the_body(running: Loaded) -> None:
    body = b"out = context.get_all_request_header(0)"
    answer = running.ask(body, ("Content-Type", "text/x"), query="a=b&body=z&c=%20d&a=e")

    assert list(json.loads(answer.body).items()) == [
        ("a", {"content-type": ""}),
        ("body", {"content-type": "text/x"}),
        ("c", {"content-type": ""}),
        ("Content-Type", "text/x"),
    ]


def test_headers_come_in_the_order_of_a_java_hash_map_the_last_of_a_name_counts(running: Loaded) -> None:
    names = ("Host", "Content-Type", "X-A", "X-A", "x-b", "ACCEPT", "Content-Length", "X-Code", "Connection")
    headers = [(name, str(number)) for number, name in enumerate(names)]
    answer = running.ask("out = context.get_all_request_header(0)", *headers)

    # As TorchServe 0.12 on Java 17 gave them.
    order = ["body", "ACCEPT", "X-Code", "Connection", "Host", "x-b", "Content-Length", "X-A", "Content-Type"]
    assert list(json.loads(answer.body)) == order
    assert json.loads(answer.body)["X-A"] == "3"


@pytest.mark.parametrize(
    ("headers", "accept"),
    [
        ((), "text/plain"),
        ((("Accept", "*/*"),), "text/plain"),
        ((("Accept", ""),), "text/plain"),
        ((("ACCEPT", "text/x"),), "text/plain"),
        ((("accept", "text/x"),), "text/x"),
        ((("Accept", ""), ("accept", "text/x")), "text/x"),
        ((("accept", "text/csv, */*"),), "text/csv, */*"),
        ((("Accept", "application/json;q=0.5"),), "application/json;q=0.5"),
    ],
)
def test_the_default_accept_replaces_none_or_any_and_nothing_else(
    load: Loading, headers: tuple[tuple[str, str], ...], accept: str
) -> None:
    response = load(ECHO, accept="text/plain").ask(b"", *headers)

    assert json.loads(response.body)["accept"] == accept
    assert header(response.headers, "content-type") == accept
    assert response.reason == ""


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
