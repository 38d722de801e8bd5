"""Reading ``exported.json``: the graph of an exported program, as data.

The file is our own, written at packaging from what `torch.export.save` wrote, because `torch.export.load`
unpickles. Its JSON holds numbers, texts, truth values, null and lists as they are; all else is an object with
one key that says what it is, such as ``{"node": "relu"}`` or ``{"dtype": "float32"}``.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from . import operators
from .errors import ModelError

FILE_NAME = "exported.json"
VERSION = 1


@dataclass(frozen=True)
class Result:
    """Stands for what the node of that name has computed."""

    node: str


class ModelDevice:
    """Stands for the device that the model is on, wherever the program was exported."""


@dataclass(frozen=True)
class Node:
    """One call of an operator.

    Attributes:
        spent: The nodes whose results nobody needs after this one.
    """

    name: str
    call: Callable[..., Any]
    args: Sequence[object]
    kwargs: Mapping[str, object]
    spent: tuple[str, ...]


@dataclass(frozen=True)
class Tree:
    """How values are nested: ``*`` for a value itself, else ``tuple``, ``list`` or ``dict`` of trees."""

    kind: str
    keys: tuple[str | int, ...] = ()
    children: tuple["Tree", ...] = ()

    @property
    def leaves(self) -> int:
        """How many values it holds."""
        return 1 if self.kind == "*" else sum(child.leaves for child in self.children)

    def flatten(self, value: object) -> Iterator[object]:
        """Yield the values in ``value``.

        Raises:
            ValueError: If it is nested in another way.
        """
        if self.kind == "*":
            yield value
            return
        if isinstance(value, dict) is not (self.kind == "dict") or not isinstance(value, dict | list | tuple):
            raise ValueError(f"a {self.kind} is expected, not {type(value).__name__}")
        if len(value) != len(self.children) or (isinstance(value, dict) and set(value) != set(self.keys)):
            raise ValueError(f"a {self.kind} of {len(self.children)} is expected, not of {len(value)}")
        parts = [value[key] for key in self.keys] if isinstance(value, dict) else value
        for child, part in zip(self.children, parts, strict=True):
            yield from child.flatten(part)

    def restore(self, values: Iterator[object]) -> object:
        """Return ``values`` nested again."""
        if self.kind == "*":
            return next(values)
        parts = [child.restore(values) for child in self.children]
        if self.kind == "dict":
            return dict(zip(self.keys, parts, strict=True))
        return tuple(parts) if self.kind == "tuple" else parts


@dataclass(frozen=True)
class Input:
    """A value that the caller gives.

    Attributes:
        name: Of the node; empty if nothing in the graph stands for it.
        dtype: ``None`` if it is no tensor but always the same ``constant``.
        shape: A number is a fixed length, a text one that may vary, ``None`` one that follows from others.
    """

    name: str
    dtype: torch.dtype | None = None
    shape: tuple[int | str | None, ...] = ()
    constant: object = None


@dataclass(frozen=True)
class Graph:
    """A program.

    Attributes:
        state: For each node that stands for a weight, its name in the weights' file.
        parameters: The arguments by name, in order, and how each is nested.
        inputs: What the arguments hold, in order.
        ranges: The least and the greatest value of each length that may vary; ``None`` is no limit.
        mutations: Pairs of a result and the node of the weight or input that it has to be written to.
    """

    state: Mapping[str, str]
    parameters: Mapping[str, Tree]
    inputs: tuple[Input, ...]
    ranges: Mapping[str, tuple[int, int | None]]
    nodes: tuple[Node, ...]
    mutations: tuple[tuple[str, str], ...]
    outputs: Sequence[object]
    structure: Tree


def read(model_dir: str) -> Graph:
    """Read the program in the model folder.

    Raises:
        ModelError: If it is absent or damaged, or calls what programs may not call.
    """
    try:
        content = json.loads((Path(model_dir) / FILE_NAME).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{FILE_NAME} cannot be read: {error}") from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise ModelError(f"{FILE_NAME} is not of version {VERSION}, which this runtime reads")
    try:
        return _graph(content)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ModelError(f"{FILE_NAME} is damaged: {type(error).__name__}: {error}") from error


def _graph(content: dict[str, Any]) -> Graph:
    outputs = literal(content["outputs"])
    mutations = tuple((str(result), str(place)) for result, place in content["mutations"])
    kept = {*results(outputs), *(name for pair in mutations for name in pair)}
    graph = Graph(
        state={name: str(weight) for name, weight in content["state"].items()},
        parameters={name: _tree(tree) for name, tree in content["parameters"]},
        inputs=tuple(_input(one) for one in content["inputs"]),
        ranges={name: (low, high) for name, (low, high) in content["ranges"].items()},
        nodes=tuple(_nodes(content["nodes"], kept)),
        mutations=mutations,
        outputs=outputs,
        structure=_tree(content["structure"]),
    )
    _check_order(graph, kept)
    if (graph.structure.leaves, sum(tree.leaves for tree in graph.parameters.values())) != (
        len(outputs),
        len(graph.inputs),
    ):
        raise ValueError("its inputs or outputs are not as many as it says")
    return graph


def _nodes(written: Sequence[dict[str, Any]], kept: set[str]) -> Iterable[Node]:
    needed = set(kept)
    last_first: list[Node] = []
    for one in reversed(written):
        args, kwargs = literal(one["args"]), {name: literal(arg) for name, arg in one["kwargs"].items()}
        used = {*results(args), *results(list(kwargs.values()))}
        # A result that nobody ever uses is dropped at once.
        spent = tuple(sorted((used | {one["name"]}) - needed))
        needed |= used
        last_first.append(Node(one["name"], operators.find(one["target"]), args, kwargs, spent))
    return reversed(last_first)


def _check_order(graph: Graph, kept: set[str]) -> None:
    known = {*graph.state, *(one.name for one in graph.inputs)}
    for node in graph.nodes:
        used = {*results(node.args), *results(list(node.kwargs.values()))}
        if node.name in known or not used <= known:
            raise ValueError(f"node {node.name!r} is not in its place")
        known.add(node.name)
    if not kept <= known:
        raise ValueError(f"there is no node {min(kept - known)!r}")


def results(value: object) -> Iterator[str]:
    """Yield the names of the nodes that ``value`` refers to."""
    if isinstance(value, Result):
        yield value.node
    elif isinstance(value, list):
        for one in value:
            yield from results(one)


def literal(written: Any) -> Any:  # noqa: ANN401 - what JSON can say, and what a program's argument can be
    """Return what ``written`` stands for."""
    if isinstance(written, list):
        return [literal(one) for one in written]
    if not isinstance(written, dict):
        return written
    ((kind, value),) = written.items()
    if kind == "node":
        return Result(str(value))
    if kind == "device":
        return ModelDevice()
    if kind == "float":
        return {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[value]
    if kind == "complex":
        return complex(literal(value[0]), literal(value[1]))
    wanted = {"dtype": torch.dtype, "layout": torch.layout, "memory_format": torch.memory_format}[kind]
    return _constant(wanted, value)


def _constant(kind: type, name: str) -> Any:  # noqa: ANN401 - one of three kinds of PyTorch's constants
    found = vars(torch).get(name)  # not getattr, with which PyTorch imports some of its parts
    if not isinstance(found, kind):
        raise ModelError(f"PyTorch {torch.__version__} has no {kind.__name__} {name!r}")
    return found


def _input(written: dict[str, Any]) -> Input:
    if "constant" in written:
        return Input(written["name"], constant=literal(written["constant"]))
    shape = tuple(written["shape"])
    if not all(one is None or type(one) in {int, str} for one in shape):
        raise ValueError(f"the shape of input {written['name']!r} is {shape}")
    return Input(written["name"], _constant(torch.dtype, written["dtype"]), shape)


def _tree(written: Any) -> Tree:  # noqa: ANN401 - what JSON can say
    if written == "*":
        return Tree("*")
    ((kind, parts),) = written.items()
    if kind == "dict":
        return Tree(kind, tuple(key for key, _ in parts), tuple(_tree(part) for _, part in parts))
    if kind not in {"tuple", "list"}:
        raise ValueError(f"values cannot be nested as {kind!r}")
    return Tree(kind, (), tuple(map(_tree, parts)))
