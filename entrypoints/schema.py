"""What a model takes: named inputs of a dtype and a shape, and how a decoded request becomes them."""

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from .errors import InferenceError

DTYPES = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
    "float64": torch.float64,
}
WRAPPERS = ("inputs", "input", "instances", "X", "image", "images", "audio")
"""Keys that callers put around the value of the inputs: other servers' words, and the tasks' own."""

MAX_STACKED = 1024
"""How many examples of several requests go into one call: large requests must not add up to no memory."""

_BAD_REQUEST = 400
_EXACT_IN_FLOAT64 = 2**53
_FLOAT64_BYTES = 8


@dataclass(frozen=True)
class Input:
    """One input.

    Attributes:
        dtype: A key of `DTYPES`.
        shape: Of one example, without the batch dimension; -1 stands for any length. ``None`` takes any
            shape, the batch dimension included.
    """

    dtype: str
    shape: tuple[int, ...] | None

    @property
    def is_floating(self) -> bool:
        """Whether the input holds floating-point numbers."""
        return DTYPES[self.dtype].is_floating_point


@dataclass(frozen=True)
class Examples:
    """The inputs of one call of the model.

    Attributes:
        tensors: By the input's name, each with a batch dimension.
        single: Whether the caller sent one example without a batch dimension, and expects one answer.
        texts: What the tensors have yet to be made of, where that takes a tokenizer.
        stacks: Whether the first dimension of every tensor is known to count examples.
    """

    tensors: Mapping[str, torch.Tensor]
    single: bool
    texts: tuple[str, ...] = ()
    stacks: bool = False

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(next(iter(self.tensors.values()), self.texts))

    @classmethod
    def stack_requests(cls, several: Sequence["Examples"]) -> "Examples | None":
        """Join the examples of several requests for one call of the model, where that is the same question.

        The server calls this where it lets requests share calls; `answers.Prediction.split_answers` is the
        way back. Texts are not joined: short ones would be filled up to the length of their neighbours.

        Args:
            several: At least one.
        """
        kinds = {
            tuple((name, one.dtype, one.shape[1:]) for name, one in examples.tensors.items())
            for examples in several
        }
        fits = len(kinds) == 1 and all(examples.stacks and not examples.texts for examples in several)
        if not fits or sum(examples.count for examples in several) > MAX_STACKED:
            return None
        names = several[0].tensors
        joined = {name: torch.cat([examples.tensors[name] for examples in several]) for name in names}
        return cls(joined, single=False, stacks=True)


@dataclass(frozen=True)
class Schema:
    """The inputs of a model, by name; without any, a request is one float32 batch of any shape."""

    inputs: Mapping[str, Input] = field(default_factory=dict)

    @classmethod
    def of(cls, inputs: Mapping[str, Mapping[str, Any]]) -> "Schema":
        """Make a schema of ``{name: {"dtype": ..., "shape": [...]}}``, as the spec has it.

        Raises:
            ValueError: If a dtype is none of `DTYPES`.
        """
        if unknown := {spec["dtype"] for spec in inputs.values()} - set(DTYPES):
            raise ValueError(f"{min(unknown)!r} is no dtype of an input; there are {', '.join(DTYPES)}")
        return cls({name: Input(spec["dtype"], tuple(spec["shape"])) for name, spec in inputs.items()})

    def examples(self, value: object) -> Examples:
        """Turn a decoded request into tensors.

        Args:
            value: ``{name: numbers}``, the numbers alone where there is one input, a list of such objects, or
                one of these under a key of `WRAPPERS`. Numbers are nested lists, an array or a tensor.

        Raises:
            InferenceError: 400, naming the input, if a name, dtype or shape is another one.
        """
        given = self._by_name(value)
        wanted = self.inputs or dict.fromkeys(given, Input("float32", None))
        fitted = {name: _fitted(name, given[name], spec) for name, spec in wanted.items()}
        if len({(single, len(tensor)) for tensor, single in fitted.values()}) != 1:
            raise InferenceError(_BAD_REQUEST, "the inputs have different numbers of examples")
        tensors = {name: tensor for name, (tensor, _) in fitted.items()}
        # Without a schema nobody has said what the first dimension counts, unless there is only one.
        stacks = all(spec.shape is not None or len(tensors[name]) == 1 for name, spec in wanted.items())
        return Examples(tensors, single=any(single for _, single in fitted.values()), stacks=stacks)

    def _by_name(self, value: object) -> Mapping[str, object]:
        if isinstance(value, Mapping) and (key := self._wrapper(value)):
            value = value[key]
        if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
            rows = [self._checked(row) for row in value]
            return {name: [row.get(name) for row in rows] for name in rows[0]}
        if isinstance(value, Mapping):
            return self._checked(value)
        if len(self.inputs) > 1:
            raise InferenceError(_BAD_REQUEST, f"the body has to be an object with {self._names()}")
        return {next(iter(self.inputs), "input"): value}

    def _wrapper(self, value: Mapping[Any, object]) -> str | None:
        if len(value) != 1:
            return None
        key = next(iter(value))
        return key if key in WRAPPERS and key not in self.inputs else None

    def _checked(self, value: Mapping[Any, object]) -> Mapping[str, object]:
        if not value or (self.inputs and set(value) != set(self.inputs)):
            raise InferenceError(_BAD_REQUEST, f"the body has to be an object with exactly {self._names()}")
        return value

    def _names(self) -> str:
        return ", ".join(f"'{name}'" for name in self.inputs) or "an input"


def _fitted(name: str, value: object, spec: Input) -> tuple[torch.Tensor, bool]:
    tensor = _tensor(name, value, spec)
    if spec.shape is None:
        if not tensor.numel():
            raise InferenceError(_BAD_REQUEST, f"input '{name}' holds no example")
        return (tensor, False) if tensor.ndim else (tensor.reshape(1), True)
    shape = tuple(tensor.shape)
    single = len(shape) == len(spec.shape)
    example = shape if single else shape[1:]
    if len(example) != len(spec.shape) or any(
        want not in {-1, have} for want, have in zip(spec.shape, example, strict=True)
    ):
        raise InferenceError(
            _BAD_REQUEST, f"input '{name}' has shape {list(shape)}, not {list(spec.shape)} or a batch of that"
        )
    if not single and shape[0] == 0:
        raise InferenceError(_BAD_REQUEST, f"input '{name}' holds no example")
    if not tensor.numel() and 0 not in spec.shape:
        raise InferenceError(_BAD_REQUEST, f"input '{name}' has an example of no numbers")
    return (tensor.unsqueeze(0) if single else tensor), single


def _tensor(name: str, value: object, spec: Input) -> torch.Tensor:
    dtype = DTYPES[spec.dtype]
    if isinstance(value, torch.Tensor):
        return value.to(dtype)
    numbers = value if isinstance(value, np.ndarray) else _array(name, value)
    if numbers.dtype.kind not in "biuf":
        raise InferenceError(
            _BAD_REQUEST, f"input '{name}' holds something that is no number of up to 64 bits"
        )
    if not spec.is_floating:
        return _shared(_whole(name, numbers, spec.dtype))
    if numbers.dtype.kind == "b":
        raise InferenceError(_BAD_REQUEST, f"input '{name}' holds booleans, not numbers")
    try:
        with np.errstate(over="raise"):
            exact = numbers.astype(np.float64 if dtype is torch.float64 else np.float32, copy=False)
    except FloatingPointError:
        raise _too_large(name, spec) from None
    tensor = _shared(exact)
    if tensor.dtype is dtype:
        return tensor
    half = tensor.to(dtype)
    if not torch.isfinite(half).all() and np.isfinite(exact).all():
        raise _too_large(name, spec)
    return half


def _too_large(name: str, spec: Input) -> InferenceError:
    return InferenceError(_BAD_REQUEST, f"input '{name}' has a number that is too large for {spec.dtype}")


def _shared(numbers: npt.NDArray[Any]) -> torch.Tensor:
    # torch takes no strides below zero, and warns about memory that it must not write to.
    return torch.from_numpy(np.require(numbers, requirements=("C", "ALIGNED", "WRITEABLE")))


def _array(name: str, value: object) -> npt.NDArray[Any]:
    try:
        return packed(value) if isinstance(value, list) else np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise InferenceError(_BAD_REQUEST, f"input '{name}' has rows of different lengths") from None


def packed(rows: list[Any]) -> npt.NDArray[Any]:
    """Return what `numpy.asarray` does of nested lists, in half the time where they hold floats.

    Raises:
        ValueError: If the lists have different lengths.
    """
    shape, first = [len(rows)], rows
    flat: Iterable[Any] = rows
    while first and isinstance(first[0], list):
        first = first[0]
        level = list(flat)
        if set(map(type, level)) != {list} or set(map(len, level)) != {len(first)}:
            return np.asarray(rows)
        shape.append(len(first))
        flat = chain.from_iterable(level)
    if not first or type(first[0]) is not float:
        return np.asarray(rows)
    numbers = bytearray(math.prod(shape) * _FLOAT64_BYTES)
    try:
        struct.pack_into(f"{math.prod(shape)}d", numbers, 0, *flat)
    except struct.error:  # not only floats
        return np.asarray(rows)
    return np.frombuffer(numbers, dtype=np.float64).reshape(shape)


def _whole(name: str, numbers: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    if (dtype == "bool") != (numbers.dtype.kind == "b") and numbers.size:
        raise InferenceError(_BAD_REQUEST, f"input '{name}' holds {numbers.dtype.name}, not {dtype}")
    if numbers.dtype.kind == "f":
        # Beyond 2**53 a double has lost whole numbers: better no answer than one to another question.
        lossless = np.abs(numbers) <= _EXACT_IN_FLOAT64
        if not (lossless & (numbers == np.trunc(numbers))).all():
            raise InferenceError(_BAD_REQUEST, f"input '{name}' has a number that is not a whole {dtype}")
    if dtype != "bool" and numbers.size:
        limits = np.iinfo(dtype)
        if int(numbers.min()) < limits.min or int(numbers.max()) > limits.max:
            raise InferenceError(
                _BAD_REQUEST, f"input '{name}' has a number that is out of range for {dtype}"
            )
    return numbers.astype(dtype, copy=False)


def folded(rows: Any, schema: Schema) -> Any:  # noqa: ANN401 - a CSV's rows, or a task's own idea of them
    """Give the rows of a CSV the shape of the one input, where a row holds one flattened example."""
    shape = next(iter(schema.inputs.values())).shape if len(schema.inputs) == 1 else None
    if shape and -1 not in shape and math.prod(shape) == rows.shape[1]:
        return rows.reshape(len(rows), *shape)
    return rows
