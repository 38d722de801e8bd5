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
from orchestrator.core import syntax
from orchestrator.core.archive import ENTRY_POINT, FALLBACK, Member
from orchestrator.core.checkpoint import Kind
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import EntryPointSpec, Literal, ModelSpec, Reference, Spec, is_identifier
from orchestrator.core.tasks import check_options

__all__ = ["entry_point", "literal", "render", "runtime", "versions"]

_NEUTRAL = "neutral_{}"
_OLDEST_PYTHON = (3, 10)

Value = Literal | Reference


def _runtime(module: str, name: str) -> Reference:
    return Reference(f"orchestrator_runtime/{module}.py", name)


_LOADERS = {
    Kind.SAFETENSORS: _runtime("loaders", "FromClass"),
    Kind.TORCHSCRIPT: _runtime("loaders", "TorchScript"),
    Kind.EXPORTED: _runtime("loaders", "Exported"),
    Kind.HUGGING_FACE: _runtime("loaders", "HuggingFace"),
}
_TASKS = {
    "custom": _runtime("custom", "Custom"),
    "image-classification": _runtime("image_classification", "ImageClassification"),
    "text-classification": _runtime("text_classification", "TextClassification"),
    "tabular": _runtime("tabular", "Tabular"),
    "audio": _runtime("audio", "Audio"),
    "embeddings": _runtime("embeddings", "Embeddings"),
}


def entry_point(spec: Spec, kind: Kind) -> tuple[Member, ...]:
    """Return `code/predict.py`, and `code/inference.py`, which says the same under the default name.

    Args:
        spec: What the user asks for.
        kind: How the model lies in the archive, and so what loads it.

    Raises:
        SpecError: If a value of the spec has no literal in Python, has no effect, or says a thing twice; or
            if the weights need a class and the spec names none.
    """
    predict = render(template("predict.py.j2"), _values(spec, kind))
    fallback = render(template("inference.py.j2"), {})
    return Member(ENTRY_POINT, predict.encode()), Member(FALLBACK, fallback.encode())


def _values(spec: Spec, kind: Kind) -> dict[str, Value]:
    asked = spec.entrypoint
    _check_model(spec.model, kind)
    _check_options(asked)
    return {
        "loader": _LOADERS[kind],
        "task": _TASKS[asked.task],
        "model": spec.model.class_,
        "init_args": dict(spec.model.init_args),
        "options": dict(asked.options),
        "inputs": {name: {"dtype": one.dtype, "shape": list(one.shape)} for name, one in asked.inputs},
        "preprocess": asked.preprocess,
        "postprocess": asked.postprocess,
    }


def _check_model(model: ModelSpec, kind: Kind) -> None:
    if model.class_ is None and kind is Kind.SAFETENSORS:
        raise SpecError(
            f"model.class is missing, and '{model.path}' holds only weights",
            hint="name the class of the model: class = 'src/net.py:Net'",
        )
    if model.class_ is None and model.init_args:
        raise SpecError(
            "model.init_args has no effect without model.class",
            hint="take the key out, or name what is called with it: class = 'src/net.py:Net'",
        )


def _check_options(asked: EntryPointSpec) -> None:
    options = dict(asked.options)
    check_options(asked.task, options)
    for option, reason in (("labels", "answers are by label"), ("features", "rows are by feature")):
        names = options.get(option)
        if isinstance(names, list) and len(set(map(str, names))) != len(names):
            raise SpecError(
                f"entrypoint.{option} names one twice", details=[("rule", f"{reason}: every name once")]
            )


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
    expected = _Holes(values).visit(syntax.parse(_filled(source, neutral), _OLDEST_PYTHON))
    if ast.dump(expected) != ast.dump(syntax.parse(text, _OLDEST_PYTHON)):
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
