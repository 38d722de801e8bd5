"""Entry points are found, loaded and called as the real toolkit does."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.core.errors import ArtifactError
from orchestrator.serving.contract import read
from orchestrator.serving.entrypoint import open_import_path
from orchestrator.serving.handler import Handler
from orchestrator.serving.messages import Request, Response
from tests.support.entrypoints_samples import ECHO

Load = Callable[..., Handler]

STAGES = """
import json
def input_fn(data, content_type): return data
def predict_fn(data, model): return model
def output_fn(prediction, accept): return prediction
"""
# The request's body says what output_fn returns.
RETURNING = """
def model_fn(model_dir): return None
def input_fn(data, content_type): return eval(data)
def predict_fn(data, model): return data
def output_fn(prediction, accept): return prediction
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Make an archive of the given files, load it, and forget it afterwards."""
    path, modules, inherited = list(sys.path), set(sys.modules), os.environ.get("PYTHONPATH")

    def _load(files: dict[str, str] | str, **environment: str) -> Handler:
        files = {"code/inference.py": files} if isinstance(files, str) else files
        for name, source in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(source)
        open_import_path(tmp_path)
        return Handler.load(tmp_path, read(environment, code=(), cores=1))

    yield _load
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]
    del os.environ["PYTHONPATH"]
    os.environ.update({} if inherited is None else {"PYTHONPATH": inherited})


def request(body: bytes = b"", **headers: str) -> Request:
    return Request(
        tuple((name.replace("_", "-"), value) for name, value in headers.items()), body, "request-1"
    )


def answer(handler: Handler, body: str = "") -> Response:
    return handler.answer(request(body.encode(), content_type="text/csv"))


def content(response: Response) -> object:
    assert response.status == 200, response.body
    return json.loads(response.body)


def test_code_comes_before_the_model_folder_and_both_before_the_rest(load: Load, tmp_path: Path) -> None:
    load({"code/inference.py": ECHO, "inference.py": "raise RuntimeError('the wrong one')"})
    assert sys.path[:2] == [str(tmp_path / "code"), str(tmp_path)]
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path / "code")


def test_an_entry_point_at_the_root_is_found_too(load: Load) -> None:
    assert answer(load({"inference.py": ECHO})).status == 200


def test_a_dotted_program_is_a_module_in_a_package(load: Load) -> None:
    files = {"code/src/__init__.py": "", "code/src/predict.py": ECHO}
    assert answer(load(files, SAGEMAKER_PROGRAM="src.predict")).status == 200


def test_an_entry_point_imports_what_lies_beside_it(load: Load) -> None:
    files = {
        "code/inference.py": f"import beside, pkg.mod\n{STAGES}"
        "def model_fn(model_dir): return str(beside.V + pkg.mod.V)",
        "code/beside.py": "V = 1",
        "code/pkg/__init__.py": "",
        "code/pkg/mod.py": "V = 41",
    }
    assert content(answer(load(files))) == 42


@pytest.mark.parametrize("program", ["nope.py", "src/predict.py"])
def test_an_entry_point_that_is_not_there_is_an_error_not_a_silent_default(load: Load, program: str) -> None:
    with pytest.raises(ArtifactError, match="default functions are not supported yet"):
        load({"code/src/predict.py": ECHO}, SAGEMAKER_PROGRAM=program)


@pytest.mark.parametrize("missing", ["model_fn", "input_fn", "predict_fn", "output_fn"])
def test_a_missing_handler_function_is_named(load: Load, missing: str) -> None:
    with pytest.raises(ArtifactError, match=f"does not define '{missing}': the container's default"):
        load(ECHO.replace(missing, "other"))


def test_transform_fn_stands_for_the_three_stages(load: Load) -> None:
    handler = load("""
def model_fn(model_dir): return "M"
def transform_fn(model, data, content_type, accept): return [model, data, content_type, accept]
""")
    assert content(answer(handler, "1,2")) == ["M", "1,2", "text/csv", "application/json"]


@pytest.mark.parametrize("stage", ["input_fn", "predict_fn", "output_fn"])
def test_transform_fn_beside_a_stage_it_replaces_is_a_conflict(load: Load, stage: str) -> None:
    with pytest.raises(ArtifactError, match=f"'transform_fn' together with '{stage}'"):
        load(f"def model_fn(d): ...\ndef transform_fn(m, d, c, a): ...\ndef {stage}(a, b): ...")


def test_pre_model_fn_and_model_warmup_fn_surround_model_fn(load: Load) -> None:
    handler = load("""
import json
LOG = []
def pre_model_fn(model_dir): LOG.append("pre")
def model_fn(model_dir): LOG.append("model"); return "M"
def model_warmup_fn(model_dir, model): LOG.append("warm:" + model)
def input_fn(data, content_type): return data
def predict_fn(data, model): return LOG
def output_fn(prediction, accept): return prediction
""")
    assert content(answer(handler)) == ["pre", "model", "warm:M"]


def test_what_model_fn_raises_is_not_hidden(load: Load) -> None:
    with pytest.raises(ZeroDivisionError):
        load(f"{STAGES}\ndef model_fn(model_dir): return 1 / 0")


def test_the_model_folder_is_passed_to_model_fn(load: Load, tmp_path: Path) -> None:
    assert answer(load(f"{STAGES}\ndef model_fn(model_dir): return model_dir")).body == str(tmp_path).encode()


def test_one_parameter_more_is_the_context_whatever_it_is_called(load: Load) -> None:
    handler = load("""
def model_fn(model_dir, context=None): return context.model_name
def input_fn(data, content_type, anything): return anything.get_request_id()
def predict_fn(data, model): return [data, model]
def output_fn(prediction, accept, *rest): return [*prediction, rest[0].system_properties["server_name"]]
""")
    assert content(answer(handler)) == ["request-1", "model", "MMS"]


def test_star_args_count_as_one_parameter_so_every_request_fails(load: Load) -> None:
    handler = load("""
def model_fn(model_dir): return None
def input_fn(*args): return args
def predict_fn(data, model): return data
def output_fn(prediction, accept): return "x"
""")
    response = answer(handler)
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
    ],
)
def test_only_json_and_csv_arrive_as_text_compared_whole(load: Load, content_type: str, kind: str) -> None:
    response = load(ECHO).answer(request(b"[1]", content_type=content_type))
    assert content(response) == {"input": [kind, "b'[1]'", content_type], "accept": "application/json"}


def test_a_missing_content_type_is_none(load: Load) -> None:
    assert content(load(ECHO).answer(request(b"x"))) == {
        "input": ["bytearray", "b'x'", None],
        "accept": "application/json",
    }


@pytest.mark.parametrize(
    ("content_type", "body", "arrives"),
    [
        ("multipart/form-data; boundary=b", b"--b--", "None"),
        ("application/x-www-form-urlencoded", b"a=1", "None"),
        ("application/x-www-form-urlencoded", b"a=1&body=2", "bytearray(b'2')"),
    ],
)
def test_forms_are_parsed_before_the_entry_point_sees_them(
    load: Load, content_type: str, body: bytes, arrives: str
) -> None:
    source = RETURNING.replace("eval(data)", "repr(data)")
    assert load(source).answer(request(body, content_type=content_type)).body.decode() == arrives


@pytest.mark.parametrize(
    ("headers", "accept"),
    [
        ({}, "text/plain"),
        ({"accept": "*/*"}, "text/plain"),
        ({"accept": "text/csv, */*"}, "text/csv, */*"),
        ({"accept": "application/json;q=0.5"}, "application/json;q=0.5"),
    ],
)
def test_the_default_accept_replaces_none_or_any_and_nothing_else(
    load: Load, headers: dict[str, str], accept: str
) -> None:
    handler = load(ECHO, SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT="text/plain")
    response = handler.answer(request(b"", **headers))
    assert json.loads(response.body)["accept"] == accept
    assert dict(response.headers)["content-type"] == accept


@pytest.mark.parametrize(
    ("result", "body"),
    [
        ("'text'", b"text"),
        ("b'raw'", b"raw"),
        ("bytearray(b'raw')", b"raw"),
        ("{'a': 1, 'b': [1, 2]}", b'{\n  "a": 1,\n  "b": [\n    1,\n    2\n  ]\n}'),
        ("None", b"null"),
        ("True", b"true"),
        ("('body', 'text/x')", b"body"),
        ("('body', 'text/x', 'ignored')", b"body"),
    ],
)
def test_what_a_returned_value_becomes_on_the_wire(load: Load, result: str, body: bytes) -> None:
    assert answer(load(RETURNING), result).body == body


def test_the_second_element_of_a_tuple_is_the_content_type(load: Load) -> None:
    assert dict(answer(load(RETURNING), "('a,b', 'text/csv')").headers)["content-type"] == "text/csv"


@pytest.mark.parametrize("result", ["('lonely',)", "()"])
def test_a_tuple_too_short_for_a_content_type_is_an_error(load: Load, result: str) -> None:
    response = answer(load(RETURNING), result)
    assert (response.status, response.body.splitlines()[0]) == (500, b"tuple index out of range")


@pytest.mark.parametrize("result", ["{1}", "object()", "[{1}]", "1j"])
def test_a_value_that_cannot_be_written_is_unavailable(load: Load, result: str) -> None:
    response = answer(load(RETURNING), result)
    assert response.status == 503
    assert json.loads(response.body) == {
        "code": 503,
        "type": "InternalServerException",
        "message": "Unsupported model output data type.",
    }


@pytest.mark.parametrize("result", ["('body', None)", "('body', b'text/csv')"])
def test_a_content_type_that_is_no_text_costs_the_worker_its_life(load: Load, result: str) -> None:
    handler = load(RETURNING)
    with pytest.raises(TypeError, match="content type"):
        answer(handler, result)


@pytest.mark.parametrize(
    ("exception", "first_line"),
    [
        ("ValueError('bad value')", "bad value"),
        ("ValueError()", "Invalid Request"),
        ("MemoryError()", "Invalid Request"),
        ("ValueError('h\u00e9llo \u4f60\u597d')", "h\u00e9llo \u4f60\u597d"),
        ("ValueError('\\ud800')", "\\ud800"),
    ],
)
def test_any_exception_is_a_500_of_its_text_and_the_whole_traceback(
    load: Load, exception: str, first_line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    response = answer(load(f"def failing(): raise {exception}\n{RETURNING}"), "failing()")
    first, _, trace = response.body.decode().partition("\n")
    assert (response.status, first) == (500, first_line)
    assert trace.startswith("Traceback (most recent call last):\n")
    assert "in failing" in trace
    assert "content-type" not in dict(response.headers)
    assert "Transform failed for model\nTraceback" in capsys.readouterr().err


TOOLKIT_ERROR = """
class Refusal(Exception):
    def __init__(self, status_code, message, phrase):
        self.status_code, self.message, self.phrase = status_code, message, phrase
def refuse(status): raise Refusal(status, "No good", "Bad Thing")
"""


@pytest.mark.parametrize(("given", "status"), [(400, 400), (422, 422), (599, 599)])
def test_an_error_like_the_toolkits_own_chooses_its_status(load: Load, given: int, status: int) -> None:
    response = answer(load(TOOLKIT_ERROR + RETURNING), f"refuse({given})")
    assert response.status == status
    assert response.body.startswith(b"No good\nTraceback")


@pytest.mark.parametrize("given", ["99", "1000", "'400'", "None"])
def test_a_status_no_server_can_send_becomes_500(load: Load, given: str) -> None:
    assert answer(load(TOOLKIT_ERROR + RETURNING), f"refuse({given})").status == 500


def test_user_code_that_exits_is_not_answered_for(load: Load) -> None:
    handler = load(RETURNING)
    with pytest.raises(SystemExit):
        answer(handler, "exit(1)")


def test_a_request_knows_nothing_of_the_one_before(load: Load) -> None:
    handler = load("""
def model_fn(model_dir): return None
def input_fn(data, content_type, context):
    if data == "first":
        context.set_response_status(202, "Fine", 0)
        context.set_response_header(0, "X-Amzn-SageMaker-Custom-Attributes", "mine")
    return context.get_request_header(0, "X-Once")
def predict_fn(data, model): return data
def output_fn(prediction, accept): return [prediction]
""")
    first = handler.answer(request(b"first", content_type="text/csv", x_once="1"))
    assert (first.status, json.loads(first.body)) == (202, ["1"])
    assert dict(first.headers)["x-amzn-sagemaker-custom-attributes"] == "mine"
    second = answer(handler)
    assert (second.status, content(second)) == (200, [None])
    assert "x-amzn-sagemaker-custom-attributes" not in dict(second.headers)
