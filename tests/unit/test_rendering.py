import ast
import dataclasses
import importlib
import math
import re
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from orchestrator.adapters.rendering import entry_point, literal, render
from orchestrator.core.checkpoint import Kind
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import EntryPointSpec, ModelSpec, Reference, Spec, TensorSpec
from orchestrator.core.tasks import OPTIONS
from tests.support.projects import LABELS, TARGET

SPEC = Spec(
    name="pets",
    root="/nowhere",
    model=ModelSpec("m.pt", Reference("src/net.py", "Net"), init_args=(("hidden", 128), ("rate", -0.5))),
    target=TARGET,
    entrypoint=EntryPointSpec(
        task="image-classification",
        options=(("labels", list(LABELS)),),
        inputs=(("image", TensorSpec("float32", (1, 2, -1))),),
    ),
)


def predict(spec: Spec, kind: Kind = Kind.SAFETENSORS) -> str:
    content = entry_point(spec, kind)[0].content
    assert isinstance(content, bytes)
    return content.decode()


def keywords(spec: Spec, kind: Kind = Kind.SAFETENSORS) -> dict[str, str]:
    calls = (node for node in ast.walk(ast.parse(predict(spec, kind))) if isinstance(node, ast.Call))
    call = next(call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "EntryPoint")
    return {str(keyword.arg): ast.unparse(keyword.value) for keyword in call.keywords}


def test_the_entry_point_says_what_the_spec_says() -> None:
    assert keywords(SPEC) == {
        "loader": "Loader(make_model, {'hidden': 128, 'rate': -0.5})",
        "task": "Task(**{'labels': ['cat', 'dog', 'owl']})",
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
    assert keywords(spec)["task"] == "Task(**{})"


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
    fallback = entry_point(SPEC, Kind.SAFETENSORS)[1]
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


@pytest.mark.parametrize(("option", "task"), [("labels", "image-classification"), ("features", "tabular")])
def test_a_name_that_occurs_twice_is_refused(option: str, task: str) -> None:
    asked = EntryPointSpec(task=task, options=((option, ["cat", "cat"]),))
    with pytest.raises(SpecError, match=f"entrypoint.{option} names one twice"):
        predict(replace(SPEC, entrypoint=asked))


def test_an_option_that_the_task_does_not_know_is_refused() -> None:
    with pytest.raises(SpecError, match="no effect with task 'custom'"):
        predict(replace(SPEC, entrypoint=EntryPointSpec(options=(("labels", ["cat"]),))))


@pytest.mark.parametrize("task", OPTIONS)
def test_every_task_of_the_spec_is_a_class_of_the_runtime_that_knows_its_options(task: str) -> None:
    text = predict(replace(SPEC, entrypoint=EntryPointSpec(task=task)))
    (module, name) = re.findall(r"from orchestrator_runtime\.(\w+) import (\w+) as Task", text)[0]
    fields = dataclasses.fields(getattr(importlib.import_module(f"entrypoints.{module}"), name))
    assert set(OPTIONS[task]) <= {field.name for field in fields}


@pytest.mark.parametrize(
    ("kind", "loader"),
    [
        (Kind.SAFETENSORS, "FromClass"),
        (Kind.TORCHSCRIPT, "TorchScript"),
        (Kind.EXPORTED, "Exported"),
        (Kind.HUGGING_FACE, "HuggingFace"),
    ],
)
def test_every_kind_of_model_has_its_loader_in_the_runtime(kind: Kind, loader: str) -> None:
    assert f"from orchestrator_runtime.loaders import {loader} as Loader\n" in predict(SPEC, kind)
    assert callable(getattr(importlib.import_module("entrypoints.loaders"), loader))


def test_a_model_that_says_what_to_run_needs_no_class() -> None:
    spec = replace(SPEC, model=ModelSpec("model.pt", None))
    assert keywords(spec, Kind.TORCHSCRIPT)["loader"] == "Loader()"
    assert "make_model" not in predict(spec, Kind.EXPORTED)


def test_weights_without_a_class_are_refused_and_arguments_for_no_class_too() -> None:
    with pytest.raises(SpecError, match=r"model.class is missing, and 'm.pt' holds only weights"):
        predict(replace(SPEC, model=ModelSpec("m.pt", None)))
    with pytest.raises(SpecError, match=r"model.init_args has no effect without model.class"):
        predict(replace(SPEC, model=replace(SPEC.model, class_=None)), Kind.TORCHSCRIPT)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("task", OPTIONS)
def test_the_entry_point_is_written_for_every_python_of_the_containers(kind: Kind, task: str) -> None:
    asked = EntryPointSpec(
        task, Reference("a.py", "pre"), Reference("a.py", "post"), (("x", TensorSpec("int64", ())),)
    )
    for member in entry_point(replace(SPEC, entrypoint=asked), kind):
        assert isinstance(member.content, bytes)
        for minor in range(10, 14):
            ast.parse(member.content, feature_version=(3, minor))


def test_a_template_that_asks_for_an_unknown_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        render("x = {{ absent }}", {})


def test_a_template_that_lets_a_value_in_as_text_is_found_out() -> None:
    with pytest.raises(SpecError, match="not what its template says"):
        render("x = {{ value }}", {"value": "7; import os"})
