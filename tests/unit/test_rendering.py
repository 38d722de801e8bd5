import ast
import math
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from orchestrator.adapters.rendering import entry_point, literal, render
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import EntryPointSpec, ModelSpec, Reference, Spec, TensorSpec
from tests.support.projects import LABELS, TARGET

SPEC = Spec(
    name="pets",
    root="/nowhere",
    model=ModelSpec("m.pt", Reference("src/net.py", "Net"), init_args=(("hidden", 128), ("rate", -0.5))),
    target=TARGET,
    entrypoint=EntryPointSpec(
        task="image-classification", labels=LABELS, inputs=(("image", TensorSpec("float32", (1, 2, -1))),)
    ),
)


def predict(spec: Spec) -> str:
    content = entry_point(spec)[0].content
    assert isinstance(content, bytes)
    return content.decode()


def keywords(spec: Spec) -> dict[str, str]:
    calls = (node for node in ast.walk(ast.parse(predict(spec))) if isinstance(node, ast.Call))
    call = next(call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "EntryPoint")
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}


def test_the_entry_point_says_what_the_spec_says() -> None:
    assert keywords(SPEC) == {
        "model": "make_model",
        "init_args": "{'hidden': 128, 'rate': -0.5}",
        "task": "ImageClassification(labels=['cat', 'dog', 'owl'])",
        "schema": "Schema.of({'image': {'dtype': 'float32', 'shape': [1, 2, -1]}})",
    }
    assert "from src.net import Net as make_model\n" in predict(SPEC)


def test_functions_of_the_user_are_imported_and_handed_over() -> None:
    asked = EntryPointSpec(
        preprocess=Reference("a/b.py", "model_fn"), postprocess=Reference("c.py", "EntryPoint")
    )
    spec = replace(SPEC, entrypoint=asked)
    assert "from a.b import model_fn as preprocess\nfrom c import EntryPoint as postprocess\n" in predict(
        spec
    )
    assert keywords(spec)["preprocess"] == "preprocess"
    assert keywords(spec)["postprocess"] == "postprocess"
    assert keywords(spec)["task"] == "Custom()"


def test_the_handler_functions_have_exactly_the_parameters_the_toolkit_counts() -> None:
    functions = [node for node in ast.parse(predict(SPEC)).body if isinstance(node, ast.FunctionDef)]
    assert {function.name: ast.unparse(function.args) for function in functions} == {
        "model_fn": "model_dir",
        "input_fn": "data, content_type",
        "predict_fn": "data, model",
        "output_fn": "prediction, accept, context=None",
    }


def test_the_entry_point_is_short_and_the_same_every_time() -> None:
    assert len(predict(SPEC).splitlines()) < 50
    assert predict(SPEC) == predict(SPEC)


def test_the_default_name_of_the_entry_point_says_the_same(tmp_path: Path) -> None:
    fallback = entry_point(SPEC)[1]
    assert fallback.path == "code/inference.py"
    assert isinstance(fallback.content, bytes)
    assert b"from predict import input_fn, model_fn, output_fn, predict_fn" in fallback.content


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan], {"a": [math.inf]}])
def test_a_number_without_a_literal_is_refused(value: float) -> None:
    with pytest.raises(SpecError, match="cannot be written"):
        literal(value)


@pytest.mark.parametrize("value", [b"x", (1,), {1: 2}, {"a": object()}, 1j])
def test_what_is_no_plain_value_is_refused(value: object) -> None:
    with pytest.raises(SpecError, match="cannot be written"):
        literal(value)  # type: ignore[arg-type]  # what a careless caller might pass


def test_a_label_that_occurs_twice_is_refused() -> None:
    asked = EntryPointSpec(task="image-classification", labels=("cat", "cat"))
    with pytest.raises(SpecError, match="twice"):
        entry_point(replace(SPEC, entrypoint=asked))


def test_labels_that_nothing_would_use_are_refused() -> None:
    with pytest.raises(SpecError, match="no effect with task 'custom'"):
        entry_point(replace(SPEC, entrypoint=EntryPointSpec(labels=("cat",))))


def test_a_template_that_asks_for_an_unknown_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("x = {{ absent }}", {})


def test_a_template_that_lets_a_value_in_as_text_is_found_out() -> None:
    with pytest.raises(SpecError, match="not what its template says"):
        render("x = {{ value }}", {"value": "7; import os"})
