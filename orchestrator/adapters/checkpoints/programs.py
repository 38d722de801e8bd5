"""Turning an exported program into data: the graph as JSON, and its tensors by name.

Runs in the child process only, because `torch.export.load` unpickles. Which operators a program may call is
decided by the runtime (``entrypoints/operators.py``), which reads the result back before it is packaged; here
they only get names.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind

VERSION = 1
"""Of the form of the JSON; ``entrypoints/graphs.py`` reads it."""

_CONSTANTS = ((torch.dtype, "dtype"), (torch.layout, "layout"), (torch.memory_format, "memory_format"))
_STATE = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
_MUTATIONS = {
    OutputKind.BUFFER_MUTATION: _STATE,
    OutputKind.USER_INPUT_MUTATION: (InputKind.USER_INPUT,),
    # torch 2.4 has no mutation of parameters.
    getattr(OutputKind, "PARAMETER_MUTATION", None): _STATE,
}
# Higher-order operators that only call a part of the graph, and where in their arguments that part stands.
# A container computes without gradients, and an autocast that is off changes nothing.
_CALLS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4, "invoke_subgraph": 0}
_FIRST_INPUT = {"wrap_with_set_grad_enabled": 2, "wrap_with_autocast": 5, "invoke_subgraph": 2}
_AUTOCAST_ENABLED = 2


class ProgramError(ValueError):
    """The program does what cannot be kept as data."""


def described(program: ExportedProgram) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return the program as what JSON can say, and its tensors by name.

    Tensors that are one and the same have one name, so what is written to the one is seen by the other.

    Raises:
        ProgramError: If it cannot be kept as data, naming what stands in the way.
    """
    signature = program.graph_signature
    state, tensors = _state(program)
    graph = _Graph()
    outputs = graph.inline(
        program.graph_module, [{"node": spec.arg.name} for spec in signature.input_specs], ""
    )
    pairs = list(zip(signature.output_specs, outputs, strict=True))
    if other := [one.kind.name for one, _ in pairs if one.kind not in {*_MUTATIONS, OutputKind.USER_OUTPUT}]:
        raise ProgramError(f"it has an output of kind {other[0]}")
    spec = program.call_spec.in_spec
    if spec is None or program.call_spec.out_spec is None:
        raise ProgramError("it does not say how its inputs and outputs are nested")
    inputs = list(_inputs(program))
    return {
        "version": VERSION,
        "state": state,
        "parameters": list(_parameters(program, spec, inputs)),
        "inputs": inputs,
        "ranges": _ranges(program),
        "nodes": graph.nodes,
        "mutations": [
            [value["node"], _place(program, one)] for one, value in pairs if one.kind in _MUTATIONS
        ],
        "outputs": [value for one, value in pairs if one.kind == OutputKind.USER_OUTPUT],
        "structure": _tree(program.call_spec.out_spec),
    }, tensors


def _state(program: ExportedProgram) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    names: dict[tuple[object, ...], str] = {}
    state: dict[str, str] = {}
    tensors: dict[str, torch.Tensor] = {}
    for spec in program.graph_signature.input_specs:
        if spec.kind == InputKind.USER_INPUT:
            continue
        if spec.kind not in _STATE or spec.target is None:
            raise ProgramError(f"it needs '{spec.target or spec.arg}', which is no tensor ({spec.kind.name})")
        known = program.state_dict.get(spec.target)
        tensor = program.constants[spec.target] if known is None else known
        if not isinstance(tensor, torch.Tensor):
            raise ProgramError(f"its '{spec.target}' is {type(tensor).__name__}, no tensor")
        name = names.setdefault(_identity(tensor, spec.target), spec.target)
        state[spec.arg.name] = name
        tensors[name] = tensor.detach()
    return state, tensors


def _identity(tensor: torch.Tensor, name: str) -> tuple[object, ...]:
    if tensor.layout is not torch.strided or tensor.is_quantized or not tensor.numel():
        return (name,)
    return (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())


def _inputs(program: ExportedProgram) -> Iterator[dict[str, Any]]:
    placeholders = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    for spec in program.graph_signature.input_specs:
        if spec.kind != InputKind.USER_INPUT:
            continue
        name = spec.arg.name
        if isinstance(spec.arg, ConstantArgument):
            yield {"name": name, "constant": _literal(spec.arg.value)}
            continue
        value = placeholders[name].meta.get("val")
        if not isinstance(value, torch.Tensor):
            raise ProgramError(f"its input '{name}' is {type(value).__name__}, no tensor")
        yield {"name": name, "dtype": _name(value.dtype), "shape": [_length(one) for one in value.shape]}


def _length(length: int | torch.SymInt) -> int | str | None:
    if isinstance(length, int):
        return length
    expression = length.node.expr
    return str(expression) if expression.is_Symbol else None


def _ranges(program: ExportedProgram) -> dict[str, list[int | None]]:
    return {
        str(symbol): [max(0, _finite(bounds.lower) or 0), _finite(bounds.upper)]
        for symbol, bounds in program.range_constraints.items()
    }


def _finite(bound: object) -> int | None:
    # Infinity is one of two classes of PyTorch's, or of sympy's, from version to version.
    return int(str(bound)) if str(bound).lstrip("-").isdigit() else None


def _parameters(program: ExportedProgram, spec: Any, inputs: Sequence[dict[str, Any]]) -> Iterator[list[Any]]:  # noqa: ANN401 - torch's TreeSpec has no stable home
    positional, named = _children(spec)
    trees = [*map(_tree, _children(positional)), *map(_tree, _children(named))]
    signature = program.module_call_graph[0].signature
    names = list(signature.forward_arg_names or ()) if signature is not None else []
    if len(names) != len(trees):
        # An older file does not keep them; an input that is not nested is called as its node.
        plain = len(trees) == len(inputs)
        fallback = [one["name"] if plain else f"input_{number}" for number, one in enumerate(inputs)]
        names = [*fallback[: len(_children(positional))], *named.context]
    return ([name, tree] for name, tree in zip(names, trees, strict=True))


def _tree(spec: Any) -> Any:  # noqa: ANN401 - as above, and what JSON can say
    if spec.is_leaf():
        return "*"
    parts = [_tree(child) for child in _children(spec)]
    if issubclass(spec.type, dict):
        keys = list(spec.context)
        if not all(isinstance(key, str | int) for key in keys):
            raise ProgramError(f"it takes or gives a dict with the keys {keys}")
        return {"dict": [list(pair) for pair in zip(keys, parts, strict=True)]}
    if spec.type in {tuple, list} or issubclass(spec.type, tuple):
        return {"list" if spec.type is list else "tuple": parts}
    raise ProgramError(f"it takes or gives {spec.type.__name__}; dict, list, tuple and tensors can be kept")


def _children(spec: Any) -> list[Any]:  # noqa: ANN401 - as above
    return list(spec.children() if hasattr(spec, "children") else spec.children_specs)


def _place(program: ExportedProgram, mutated: Any) -> str:  # noqa: ANN401 - an OutputSpec, which is not exported
    kinds = _MUTATIONS[mutated.kind]
    for spec in program.graph_signature.input_specs:
        if spec.kind in kinds and mutated.target in {spec.target, spec.arg.name}:
            return str(spec.arg.name)
    raise ProgramError(f"it writes to '{mutated.target}', which it does not have")


class _Graph:
    """The calls of a program in order, those of its parts among them."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def inline(self, module: torch.fx.GraphModule, given: Sequence[Any], prefix: str) -> list[Any]:
        """Add the calls of ``module``, and return what stands for its outputs."""
        known: dict[torch.fx.Node, Any] = {}
        inputs = iter(given)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                known[node] = next(inputs)
            elif node.op == "get_attr":
                known[node] = _part_of(module, str(node.target))
            elif node.op == "call_function":
                known[node] = self._call(node, known, prefix)
            elif node.op == "output":
                return [_literal(one, known) for one in _as_list(node.args[0])]
            else:
                raise ProgramError(f"it has a node '{node.name}' of kind {node.op}")
        raise ProgramError("a part of it has no output")

    def _call(self, node: torch.fx.Node, known: dict[torch.fx.Node, Any], prefix: str) -> Any:  # noqa: ANN401 - what JSON can say
        target = _target(node.target)
        if target.startswith("higher_order."):
            return self._part(target, node, known, prefix)
        if target == "torch._C._set_grad_enabled":
            return None
        if target == "operator.getitem" and isinstance(results := known.get(node.all_input_nodes[0]), list):
            return results[int(str(node.args[1]))]
        name = prefix + node.name
        args = [_literal(one, known) for one in node.args]
        kwargs = {key: _literal(one, known) for key, one in node.kwargs.items()}
        self.nodes.append({"name": name, "target": target, "args": args, "kwargs": kwargs})
        return {"node": name}

    def _part(
        self, target: str, node: torch.fx.Node, known: dict[torch.fx.Node, Any], prefix: str
    ) -> list[Any]:
        operator = target.removeprefix("higher_order.")
        at = _CALLS.get(operator)
        if at is None or (operator == "wrap_with_autocast" and node.args[_AUTOCAST_ENABLED]):
            raise ProgramError(f"it calls {target}, which cannot be kept as data")
        part = node.args[at]
        graph = known[part] if isinstance(part, torch.fx.Node) else None
        if not isinstance(graph, torch.fx.GraphModule):
            raise ProgramError(f"its {target} calls no part of it")
        first = _FIRST_INPUT[operator]
        given = [_literal(one, known) for one in node.args[first:]]
        return self.inline(graph, given, f"{prefix}{node.name}.")


def _part_of(module: torch.fx.GraphModule, name: str) -> torch.fx.GraphModule:
    part = getattr(module, name, None)
    if not isinstance(part, torch.fx.GraphModule):
        raise ProgramError(f"its graph holds '{name}', which is no part of it but {type(part).__name__}")
    return part


def _target(target: Any) -> str:  # noqa: ANN401 - whatever a graph calls
    if isinstance(target, torch._ops.HigherOrderOperator):  # noqa: SLF001 - the class has no public name
        return f"higher_order.{target.__name__}"
    if isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - likewise
        return str(target)
    module, name = getattr(target, "__module__", ""), getattr(target, "__qualname__", str(target))
    return f"{str(module).removeprefix('_')}.{name}"


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 - what a graph puts out
    return list(value) if isinstance(value, tuple | list) else [value]


def _literal(value: Any, known: dict[torch.fx.Node, Any] | None = None) -> Any:  # noqa: ANN401 - an argument of any operator
    if isinstance(value, torch.fx.Node):
        return (known or {})[value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else {"float": str(value)}
    if isinstance(value, complex):
        return {"complex": [_literal(value.real), _literal(value.imag)]}
    if isinstance(value, list | tuple):
        return [_literal(one, known) for one in value]
    if isinstance(value, torch.device):
        return {"device": None}
    for kind, name in _CONSTANTS:
        if isinstance(value, kind):
            return {name: _name(value)}
    raise ProgramError(f"it has an argument of type {type(value).__name__}, which cannot be kept as data")


def _name(constant: object) -> str:
    return str(constant).removeprefix("torch.")
