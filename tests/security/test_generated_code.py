"""Values of a spec that try to become code."""

import ast
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters.rendering import entry_point, literal, render
from orchestrator.core.checkpoint import Kind
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import EntryPointSpec, Literal, ModelSpec, Reference, Spec, TensorSpec
from tests.support.projects import TARGET

CODE = [
    'x"\nimport os\nos.abort()\n"',
    "x'\nimport os\n'",
    '"""\nimport os\n"""',
    "{{ 7 * 7 }}",
    "{% for x in y %}",
    "{# x #}",
    "\\",
    "\\'",
    "x\\\nimport os",
    "__import__('os').abort()",
    "\u2028import os",
    "\x00",
    "\r\nimport os\r\n",
    "ﬁ",
    "\u202e",
]
ATTACKS = [*CODE, "neutral_options", "neutral_model", "neutral_task", "neutral_loader"]
SPEC = Spec(name="x", root="/", model=ModelSpec("m.pt", Reference("net.py", "Net")), target=TARGET)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def tree(spec: Spec) -> ast.Module:
    content = entry_point(spec, Kind.SAFETENSORS)[0].content
    assert isinstance(content, bytes)
    return ast.parse(content.decode())


def labelled(*labels: str) -> EntryPointSpec:
    return EntryPointSpec(task="image-classification", options=(("labels", list(labels)),))


def shape(spec: Spec) -> list[str]:
    return [type(node).__name__ for node in ast.walk(tree(spec))]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_label_that_looks_like_code_stays_a_label(attack: str) -> None:
    harmless = replace(SPEC, entrypoint=labelled("a", "b"))
    hostile = replace(SPEC, entrypoint=labelled(attack, "b"))
    assert shape(hostile) == shape(harmless)
    assert any(isinstance(node, ast.Constant) and node.value == attack for node in ast.walk(tree(hostile)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_argument_or_an_input_that_looks_like_code_stays_a_value(attack: str) -> None:
    model = replace(SPEC.model, init_args=((attack, {attack: [attack]}),))
    hostile = replace(
        SPEC, model=model, entrypoint=EntryPointSpec(inputs=((attack, TensorSpec(attack, (1,))),))
    )
    imported = [node.module for node in ast.walk(tree(hostile)) if isinstance(node, ast.ImportFrom)]
    assert imported == [
        "orchestrator_runtime.entrypoint",
        "orchestrator_runtime.loaders",
        "orchestrator_runtime.schema",
        "orchestrator_runtime.custom",
        "net",
    ]


@pytest.mark.parametrize("attack", [*CODE, "class", "match", "__init__", "a b", "", "ﬁ"])
def test_a_name_that_is_no_plain_identifier_is_refused(attack: str) -> None:
    for reference in (Reference("net.py", attack), Reference(f"{attack}.py", "Net")):
        with pytest.raises(SpecError):
            entry_point(replace(SPEC, model=replace(SPEC.model, class_=reference)), Kind.SAFETENSORS)


@settings(deadline=None)
@given(PLAIN)
def test_every_plain_value_evaluates_back_to_itself(value: Literal) -> None:
    found = ast.literal_eval(literal(value))
    assert repr(found) == repr(value)


@settings(deadline=None)
@given(PLAIN)
def test_every_plain_value_enters_a_template_and_nothing_else_does(value: Literal) -> None:
    text = render("x = {{ value | literal }}\n", {"value": value})
    (statement,) = ast.parse(text).body
    assert isinstance(statement, ast.Assign)
    assert repr(ast.literal_eval(statement.value)) == repr(value)
