"""Running a program that `torch.export` made, from data: a graph, and the weights beside it.

`torch.export.load` is of no use in the container: it unpickles, and reads only files of its own time.
An interpreter of a few lines calls the same operators in the same order, so its answers are the same.
"""

import itertools
from collections.abc import Mapping, Sequence

import torch

from . import graphs, weights
from .errors import InferenceError, ModelError
from .graphs import Graph, Input, ModelDevice, Result

_BAD_REQUEST = 400


def read(model_dir: str) -> "Program":
    """Make the module that runs the program in ``model_dir``.

    Raises:
        ModelError: If the program is damaged, calls what programs may not call, or lacks a weight.
    """
    graph = graphs.read(model_dir)
    tensors = weights.read_folder(model_dir) if graph.state else {}
    if missing := set(graph.state.values()) - set(tensors):
        raise ModelError(f"the weights lack {min(missing)!r}, which {graphs.FILE_NAME} names")
    return Program(graph, tensors)


class Program(torch.nn.Module):
    """A module that computes what an exported program computes.

    Its weights are buffers, whatever they were: nobody trains in a container. What the program changes of
    them, such as a counter, stays changed for the next call, as in the program itself.
    """

    def __init__(self, graph: Graph, tensors: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self._graph = graph
        names = sorted(set(graph.state.values()))
        # A module's buffers cannot be called as the program's: those names have dots.
        self._buffer_names = {name: f"tensor_{number}" for number, name in enumerate(names)}
        for name, own in self._buffer_names.items():
            self.register_buffer(own, tensors[name])
        self.register_buffer("_place", torch.empty(0), persistent=False)

    @property
    def input_names(self) -> tuple[str, ...]:
        """What the program calls its arguments, in their order."""
        return tuple(self._graph.parameters)

    def forward(self, *args: object, **kwargs: object) -> object:
        """Run the program; its arguments are taken by position or by name.

        Raises:
            InferenceError: 400 if an argument is not what the program was exported for.
        """
        values = self._state() | self._given(args, kwargs)
        device = self.get_buffer("_place").device
        for node in self._graph.nodes:
            positional = [_resolved(arg, values, device) for arg in node.args]
            named = {name: _resolved(arg, values, device) for name, arg in node.kwargs.items()}
            values[node.name] = node.call(*positional, **named)
            del positional, named
            for name in node.spent:
                del values[name]
        for result, place in self._graph.mutations:
            _tensor(values[place]).copy_(_tensor(values[result]))
        outputs = (_resolved(output, values, device) for output in self._graph.outputs)
        return self._graph.structure.restore(outputs)

    def _state(self) -> dict[str, object]:
        buffers = {name: self.get_buffer(own) for name, own in self._buffer_names.items()}
        return {node: buffers[name] for node, name in self._graph.state.items()}

    def _given(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, object]:
        parameters, inputs = self._graph.parameters, iter(self._graph.inputs)
        given = dict(zip(parameters, args, strict=False))
        if len(args) > len(parameters) or given.keys() & kwargs or kwargs.keys() - parameters:
            raise InferenceError(_BAD_REQUEST, f"the program takes {', '.join(parameters) or 'nothing'}")
        given |= kwargs
        values: dict[str, object] = {}
        lengths: dict[str, int] = {}
        for name, tree in parameters.items():
            try:
                # What was left out when the program was exported was None then, and need not be given now.
                found = list(tree.flatten(given.get(name)))
            except ValueError as error:
                raise InferenceError(_BAD_REQUEST, f"input '{name}': {error}") from error
            for wanted, value in zip(itertools.islice(inputs, len(found)), found, strict=True):
                if problem := _problem(wanted, value, lengths, self._graph):
                    raise InferenceError(_BAD_REQUEST, f"input '{name}' {problem}")
                values[wanted.name] = value
        return values


def _problem(wanted: Input, value: object, lengths: dict[str, int], graph: Graph) -> str:
    """Say what is wrong with an argument: the graph has the lengths of export built in, and checks few."""
    if wanted.dtype is None:
        same = type(value) is type(wanted.constant) and value == wanted.constant
        return "" if same else f"is {wanted.constant!r} in this program, and cannot be anything else"
    if not isinstance(value, torch.Tensor) or value.dtype != wanted.dtype:
        kind = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
        return f"is {kind}, not {wanted.dtype}"
    if len(value.shape) != len(wanted.shape):
        return f"has {len(value.shape)} dimensions, not {len(wanted.shape)}"
    problems = (
        _length_problem(length, given, lengths, graph)
        for length, given in zip(wanted.shape, value.shape, strict=True)
    )
    problem = next(filter(None, problems), "")
    return problem and f"has shape {list(value.shape)}: {problem}"


def _length_problem(length: int | str | None, given: int, lengths: dict[str, int], graph: Graph) -> str:
    if length is None:
        return ""
    if isinstance(length, int):
        return "" if given == length else f"{given} is {length} in this program"
    low, high = graph.ranges.get(length, (0, None))
    if given < low or (high is not None and given > high):
        return f"{given} is not from {low} to {'any' if high is None else high}"
    known = lengths.setdefault(length, given)
    return "" if given == known else f"{given} is {known} elsewhere, and both have to be the same"


def _resolved(value: object, values: Mapping[str, object], device: torch.device) -> object:
    if isinstance(value, Result):
        return values[value.node]
    if isinstance(value, list):
        return [_resolved(one, values, device) for one in value]
    return device if isinstance(value, ModelDevice) else value


def _tensor(value: object) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise ModelError(f"the program writes to a {type(value).__name__}")
    return value
