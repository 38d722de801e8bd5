"""Generated Python, which must hold nothing that the spec's values could smuggle in.

A value enters a template as a literal or as a checked identifier, never as text. Before a file is used, its
syntax tree is compared with that of the same template rendered with neutral values, whose places have been
filled by building nodes instead of text: the two must be equal, node for node.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

import jinja2

from orchestrator.adapters.bundled import runtime, template, versions
from orchestrator.core.archive import ENTRY_POINT, FALLBACK, Member
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import EntryPointSpec, Literal, Reference, Spec, is_identifier

__all__ = ["entry_point", "literal", "render", "runtime", "versions"]

_NEUTRAL = "neutral_{}"
_OLDEST_PYTHON = (3, 10)

Value = Literal | Reference


def entry_point(spec: Spec) -> tuple[Member, ...]:
    """Return `code/predict.py`, and `code/inference.py`, which says the same under the default name.

    Raises:
        SpecError: If a value of the spec has no literal in Python.
    """
    predict = render(template("predict.py.j2"), _values(spec))
    fallback = render(template("inference.py.j2"), {})
    return Member(ENTRY_POINT, predict.encode()), Member(FALLBACK, fallback.encode())


def _values(spec: Spec) -> dict[str, Value]:
    asked = spec.entrypoint
    return {
        "model": spec.model.class_,
        "init_args": dict(spec.model.init_args),
        "labels": _labels(asked),
        "inputs": {name: {"dtype": one.dtype, "shape": list(one.shape)} for name, one in asked.inputs},
        "preprocess": asked.preprocess,
        "postprocess": asked.postprocess,
    }


def _labels(asked: EntryPointSpec) -> Literal:
    if asked.task == "custom":
        if asked.labels:
            raise SpecError(
                "entrypoint.labels has no effect with task 'custom'",
                hint="set entrypoint.task to 'image-classification', or let postprocess return the labels",
            )
        return None
    if len(set(asked.labels)) != len(asked.labels):
        raise SpecError(
            "entrypoint.labels names a label twice",
            details=[("rule", "answers are by label: one for each class")],
        )
    return list(asked.labels)


def render(source: str, values: Mapping[str, Value]) -> str:
    """Render the template ``source``, and prove that ``values`` have added nothing to it but themselves.

    Args:
        source: Jinja2, in which every value passes the filter ``literal``, or ``name`` for a part of a
            `Reference`. A value is used at most once. ``None`` may be tested for.
        values: By the template's name for them.

    Raises:
        SpecError: If a value has no literal, or is no identifier.
    """
    text = _filled(source, values)
    neutral = {key: None if value is None else _neutral(key, value) for key, value in values.items()}
    expected = _Holes(values).visit(ast.parse(_filled(source, neutral), feature_version=_OLDEST_PYTHON))
    if ast.dump(expected) != ast.dump(ast.parse(text, feature_version=_OLDEST_PYTHON)):
        raise SpecError("the generated code is not what its template says, so it is not used")
    return text


def _filled(source: str, values: Mapping[str, Value]) -> str:
    environment = jinja2.Environment(  # noqa: S701 - the output is Python; every value is a literal or a name
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"literal": literal, "name": _name}
    return environment.from_string(source).render(values)


def _neutral(key: str, value: Value) -> Value:
    mark = _NEUTRAL.format(key)
    return Reference(f"{mark}.py", mark) if isinstance(value, Reference) else mark


@dataclass
class _Holes(ast.NodeTransformer):
    """Fills the neutral values of a tree with the real ones."""

    values: Mapping[str, Value]

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        for key, value in self.values.items():
            if node.value == _NEUTRAL.format(key) and value is not None and not isinstance(value, Reference):
                return _built(value)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        for key, value in self.values.items():
            if node.module == _NEUTRAL.format(key) and isinstance(value, Reference):
                alias = ast.alias(name=value.name, asname=node.names[0].asname)
                return ast.ImportFrom(module=value.module, names=[alias], level=0)
        return node


def _built(value: Literal) -> ast.expr:
    match value:
        case list():
            return ast.List(elts=[_built(item) for item in value], ctx=ast.Load())
        case dict():
            keys: list[ast.expr | None] = [ast.Constant(key) for key in value]
            return ast.Dict(keys=keys, values=[_built(item) for item in value.values()])
        case int() | float() if not isinstance(value, bool) and math.copysign(1, value) < 0:
            return ast.UnaryOp(op=ast.USub(), operand=ast.Constant(-value))
        case _:
            return ast.Constant(value)


def literal(value: Literal) -> str:
    r"""Return the Python literal of ``value``.

    >>> literal({"a": ["x\"\n", -1.5, None]})
    '{\'a\': [\'x"\\n\', -1.5, None]}'

    Raises:
        SpecError: If it has none: a number that is NaN or infinite, or anything but plain values.
    """
    match value:
        case None | bool() | int() | str():
            return repr(value)
        case float() if math.isfinite(value):
            return repr(value)
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case dict() if all(isinstance(key, str) for key in value):
            return f"{{{', '.join(f'{key!r}: {literal(item)}' for key, item in value.items())}}}"
        case _:
            raise SpecError(
                f"{value!r} cannot be written into the entry point",
                details=[("rule", "finite numbers, text, booleans, lists and tables of these")],
            )


def _name(text: str) -> str:
    if not all(map(is_identifier, text.split("."))):
        raise SpecError(f"{text!r} is no name that Python can import")
    return text
