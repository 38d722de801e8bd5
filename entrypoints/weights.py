"""Reading a safetensors file, and putting it into a module, without unpickling anything.

Format: 8 bytes little-endian header length, that many bytes of JSON, the tensors' bytes without a gap
(https://huggingface.co/docs/safetensors). Stricter than the library: no duplicate name, no unknown key in an
entry, no leading blank, at least one tensor.
"""

import json
import math
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from .errors import WeightsError

FILE_NAME = "model.safetensors"
"""Where the weights lie in the model folder."""

_DTYPES = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
}
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 8 * 1024 * 1024
_MAX_NAME_BYTES = 255
_MAX_SHOWN = 5
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class _Tensor:
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Return the tensors of the file at ``path``, on the CPU, mapped into memory and not yet read.

    Writing to one of them changes neither the file nor another tensor.

    Raises:
        WeightsError: If the file is absent, damaged, or breaks a rule of the format.
    """
    try:
        with Path(path).open("rb") as file:
            # Copy on write, because torch warns about tensors on memory it must not write to.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:  # mmap's word for an empty file is ValueError
        raise WeightsError(f"{FILE_NAME} cannot be read: {error}") from error
    start, entries = _header(content)
    tensors = [_entry(name, entry) for name, entry in entries.items() if name != "__metadata__"]
    _check_cover(tensors, len(content) - start)
    return {tensor.name: _view(content, start, tensor) for tensor in tensors}


def _header(content: mmap.mmap) -> tuple[int, dict[str, object]]:
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if len(content) < _LENGTH_BYTES or length > _MAX_HEADER_BYTES or start > len(content):
        raise WeightsError(f"{FILE_NAME} has no complete header of at most {_MAX_HEADER_BYTES} bytes")
    text = content[_LENGTH_BYTES:start]
    if not text.startswith(b"{"):
        raise WeightsError(f"the header of {FILE_NAME} does not begin with '{{'")
    try:
        return start, json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"the header of {FILE_NAME} is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name occurs twice")
    return unique


def _entry(name: str, entry: object) -> _Tensor:
    if len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES or not name.isprintable():
        raise WeightsError(f"{FILE_NAME} has a tensor with the unusable name {name[:_MAX_NAME_BYTES]!r}")
    if not isinstance(entry, dict) or set(entry) != _ENTRY_KEYS or str(entry["dtype"]) not in _DTYPES:
        raise WeightsError(
            f"{FILE_NAME} describes tensor {name!r} wrongly, or with a dtype that is not served"
        )
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _lengths(shape) or not _lengths(offsets) or len(offsets) != len(("begin", "end")):
        raise WeightsError(f"{FILE_NAME} has no valid shape and offsets for tensor {name!r}")
    tensor = _Tensor(name, _DTYPES[str(entry["dtype"])], tuple(shape), *offsets)
    if math.prod(tensor.shape) * tensor.dtype.itemsize != tensor.end - tensor.begin:
        raise WeightsError(
            f"{FILE_NAME} has another number of bytes for tensor {name!r} than its shape needs"
        )
    return tensor


def _lengths(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_cover(tensors: list[_Tensor], size: int) -> None:
    if not tensors:
        raise WeightsError(f"{FILE_NAME} has no tensors")
    position = 0
    for tensor in sorted(tensors, key=lambda one: (one.begin, one.end)):
        if tensor.begin != position:
            raise WeightsError(f"{FILE_NAME} has a gap or an overlap before tensor {tensor.name!r}")
        position = tensor.end
    if position != size:
        raise WeightsError(f"{FILE_NAME} has {size} bytes of tensors, its header describes {position}")


def _view(content: mmap.mmap, start: int, tensor: _Tensor) -> torch.Tensor:
    count = math.prod(tensor.shape)
    if count == 0:  # torch.frombuffer refuses an empty span
        return torch.empty(tensor.shape, dtype=tensor.dtype)
    begin = start + tensor.begin
    if begin % tensor.dtype.itemsize:
        # The format does not promise alignment; processors other than x86 need it.
        aligned = bytearray(content[begin : start + tensor.end])
        return torch.frombuffer(aligned, dtype=tensor.dtype).reshape(tensor.shape)
    return torch.frombuffer(content, dtype=tensor.dtype, count=count, offset=begin).reshape(tensor.shape)


def fit(tensors: Mapping[str, torch.Tensor], module: torch.nn.Module) -> None:
    """Copy ``tensors`` into ``module``: every parameter and persistent buffer, and nothing else.

    Raises:
        WeightsError: Naming the missing, unexpected and mis-shaped tensors. The module is unchanged then.
    """
    wanted = module.state_dict()
    shapes = [
        f"{name} is {list(tensors[name].shape)}, not {list(wanted[name].shape)}"
        for name in wanted
        if name in tensors and tensors[name].shape != wanted[name].shape
    ]
    problems = [
        _named("missing", [name for name in wanted if name not in tensors]),
        _named("unexpected", [name for name in tensors if name not in wanted]),
        _named("mis-shaped", shapes),
    ]
    if any(problems):
        raise WeightsError(
            f"the weights do not fit {type(module).__name__}: {'; '.join(filter(None, problems))}"
        )
    module.load_state_dict(dict(tensors), strict=True)


def _named(problem: str, names: list[str]) -> str:
    if not names:
        return ""
    rest = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return f"{problem} {', '.join(names[:_MAX_SHOWN])}{rest}"
