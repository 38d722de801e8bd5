"""Reading safetensors files, and putting them into a module, without unpickling anything.

Format: 8 bytes little-endian header length, that many bytes of JSON, the tensors' bytes without a gap
(https://huggingface.co/docs/safetensors). Stricter than the library: no duplicate name, no unknown key in an
entry, no leading blank, at least one tensor. Weights in several files have an index beside them that says
which tensor lies where, as Hugging Face writes it.
"""

import json
import math
import mmap
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from .errors import WeightsError

FILE_NAME = "model.safetensors"
"""Where the weights lie in the model folder."""
INDEX_NAME = "model.safetensors.index.json"
"""What says which file has which tensor, where the weights are several files."""

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
    "U16": torch.uint16,
    "U32": torch.uint32,
    "U64": torch.uint64,
    "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 8 * 1024 * 1024
_MAX_NAME_BYTES = 255
_MAX_DIMENSIONS = 64
_MAX_LENGTH = 2**63 - 1
_MAX_SHOWN = 5
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}


@dataclass(frozen=True)
class _Tensor:
    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read_folder(model_dir: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Return the weights in ``model_dir``, of one file or of several with an index, as `read` does.

    Raises:
        WeightsError: If there are none, a file breaks a rule, or the index and its files disagree.
    """
    folder = Path(model_dir)
    if (folder / FILE_NAME).exists() or not (folder / INDEX_NAME).exists():
        return read(folder / FILE_NAME)
    index = _index(folder / INDEX_NAME)
    tensors: dict[str, torch.Tensor] = {}
    for file_name in sorted(set(index.values())):
        found = read(folder / file_name)
        if set(found) != {name for name, holder in index.items() if holder == file_name}:
            raise WeightsError(f"{file_name} has other tensors than {INDEX_NAME} says")
        tensors |= found
    return tensors


def _index(path: Path) -> dict[str, str]:
    """Return which file has which tensor; a file's name leads nowhere else."""
    try:
        index = json.loads(path.read_bytes(), object_pairs_hook=_unique)["weight_map"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path.name} cannot be read: {error!r}") from error
    if not isinstance(index, dict) or not index:
        raise WeightsError(f"{path.name} names no tensors")
    for file_name in index.values():
        if not isinstance(file_name, str) or Path(file_name).name != file_name:
            raise WeightsError(f"{path.name} names {file_name!r}, which is no file beside it")
    return index


def read(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """Return the tensors of the file at ``path``, on the CPU, mapped into memory and not yet read.

    Writing to one of them changes neither the file nor another tensor.

    Raises:
        WeightsError: If the file is absent, damaged, or breaks a rule of the format.
    """
    try:
        with Path(path).open("rb") as file:
            # Copy on write: processes share what none of them changes, and torch warns about tensors on
            # memory that it must not write to.
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError) as error:  # mmap's word for an empty file is ValueError
        raise WeightsError(f"{Path(path).name} cannot be read: {error}") from error
    try:
        start, entries = _header(content)
        tensors = [_entry(name, entry) for name, entry in entries.items() if name != "__metadata__"]
        _check_cover(tensors, len(content) - start)
    except WeightsError as error:
        raise WeightsError(f"{Path(path).name} {error}") from error.__cause__
    return {tensor.name: _view(content, start, tensor) for tensor in tensors}


def _header(content: mmap.mmap) -> tuple[int, dict[str, object]]:
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    start = _LENGTH_BYTES + length
    if len(content) < _LENGTH_BYTES or length > _MAX_HEADER_BYTES or start > len(content):
        raise WeightsError(f"has no complete header of at most {_MAX_HEADER_BYTES} bytes")
    text = content[_LENGTH_BYTES:start]
    if not text.startswith(b"{"):
        raise WeightsError("has a header that does not begin with '{'")
    try:
        return start, json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"has a header that is not JSON: {error}") from error


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name occurs twice")
    return unique


def _entry(name: str, entry: object) -> _Tensor:
    if len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES or not name.isprintable():
        raise WeightsError(f"has a tensor with the unusable name {name[:_MAX_NAME_BYTES]!r}")
    if not isinstance(entry, dict) or set(entry) != _ENTRY_KEYS or str(entry["dtype"]) not in _DTYPES:
        raise WeightsError(f"describes tensor {name!r} wrongly, or with a dtype that is not served")
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _lengths(shape) or not _lengths(offsets) or len(offsets) != len(("begin", "end")):
        raise WeightsError(f"has no valid shape and offsets for tensor {name!r}")
    tensor = _Tensor(name, _DTYPES[str(entry["dtype"])], tuple(shape), *offsets)
    if math.prod(tensor.shape) * tensor.dtype.itemsize != tensor.end - tensor.begin:
        raise WeightsError(f"has another number of bytes for tensor {name!r} than its shape needs")
    if math.prod(length or 1 for length in tensor.shape) * tensor.dtype.itemsize > _MAX_LENGTH:
        raise WeightsError(f"has a tensor {name!r} that is empty, but of a shape that PyTorch cannot make")
    return tensor


def _lengths(values: object) -> bool:
    # Numbers of any length, and any number of them, would take for ever to multiply.
    return (
        isinstance(values, list)
        and len(values) <= _MAX_DIMENSIONS
        and all(type(value) is int and 0 <= value <= _MAX_LENGTH for value in values)
    )


def _check_cover(tensors: list[_Tensor], size: int) -> None:
    if not tensors:
        raise WeightsError("has no tensors")
    position = 0
    for tensor in sorted(tensors, key=lambda one: (one.begin, one.end)):
        if tensor.begin != position:
            raise WeightsError(f"has a gap or an overlap before tensor {tensor.name!r}")
        position = tensor.end
    if position != size:
        raise WeightsError(f"has {size} bytes of tensors, its header describes {position}")


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
    """Make ``tensors`` the weights of ``module``: every parameter and persistent buffer, and nothing else.

    Memory that they are mapped to is used as it is. What has another dtype or device than the module's own
    tensor is converted to it, and what the class ties stays tied, as `torch.nn.Module.load_state_dict` does.

    Raises:
        WeightsError: Naming the missing, unexpected and mis-shaped tensors. The module is unchanged then.
    """
    wanted: dict[str, torch.Tensor] = module.state_dict(keep_vars=True)
    _check_fit(tensors, wanted, type(module).__name__)
    ties = _ties(wanted)
    if _has_views(module):
        # Whoever looks at another tensor's memory sees new values only if they are written to that memory.
        module.load_state_dict(dict(tensors), strict=True)
        return
    fitted = {name: _like(wanted[name], tensors[names[-1]]) for names in ties for name in names}
    module.load_state_dict(fitted, strict=True, assign=True)
    for first, *others in ties:
        for other in others:
            _assign(module, other, _tensor_at(module, first))


def _check_fit(tensors: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], owner: str) -> None:
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
        raise WeightsError(f"the weights do not fit {owner}: {'; '.join(filter(None, problems))}")


def _ties(state: Mapping[str, torch.Tensor]) -> list[list[str]]:
    """Return the names of each tensor that a module has, tied ones together."""
    names: defaultdict[int, list[str]] = defaultdict(list)
    for name, tensor in state.items():
        names[id(tensor)].append(name)
    return list(names.values())


def _has_views(module: torch.nn.Module) -> bool:
    """Tell whether a tensor of ``module`` lies in the memory of another one."""
    distinct = {id(tensor): tensor for tensor in _everything(module) if tensor.numel() and not tensor.is_meta}
    places = [tensor.untyped_storage().data_ptr() for tensor in distinct.values()]
    return len(set(places)) != len(places)


def _everything(module: torch.nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
    for part in module.modules():  # a plain attribute is in no list of the module's
        yield from (value for value in vars(part).values() if isinstance(value, torch.Tensor))


def _like(own: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    if own.is_meta:
        return given.to(own.dtype)
    if (own.dtype, own.device, own.stride()) == (given.dtype, given.device, given.stride()):
        return given
    return torch.empty_like(own, requires_grad=False).copy_(given)


def _tensor_at(module: torch.nn.Module, name: str) -> object:
    owner, _, attribute = name.rpartition(".")
    return getattr(module.get_submodule(owner), attribute)


def _assign(module: torch.nn.Module, name: str, tensor: object) -> None:
    owner, _, attribute = name.rpartition(".")
    setattr(module.get_submodule(owner), attribute, tensor)


def _named(problem: str, names: list[str]) -> str:
    if not names:
        return ""
    rest = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
    return f"{problem} {', '.join(names[:_MAX_SHOWN])}{rest}"
