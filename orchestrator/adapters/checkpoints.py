"""Files of trained weights; the one adapter that knows torch and safetensors, and imports them when asked.

Whatever comes in, safetensors goes out, so that nothing in the container unpickles.
"""

import contextlib
import importlib.util
import json
import pickle
import struct
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.core.archive import WEIGHTS
from orchestrator.core.errors import ArtifactError, MissingExtraError

if TYPE_CHECKING:
    import torch

_STATE_DICT_SUFFIXES = (".pt", ".pth", ".bin")
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 8 * 1024 * 1024
_MAX_NAME_BYTES = 255
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}
_DTYPES = {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "BF16", "F32", "F64"}
_SUPPORTED = ".safetensors; a state_dict saved by torch.save as .pt, .pth or .bin"
_SAVE = "in your training code: torch.save(model.state_dict(), 'model.pt')"
# What torch.load is led to by the bytes of a file that is no state_dict.
_UNREADABLE = (
    pickle.UnpicklingError,
    struct.error,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextlib.contextmanager
def weights(path: str, format_: str) -> Iterator[str]:
    """Yield the path of a safetensors file with the weights in ``path``.

    A safetensors file is yielded itself, once its header has been checked; a state_dict is converted to a
    temporary file. Tensors that share memory each get their own.

    Args:
        path: The file with the weights.
        format_: ``safetensors``, ``state-dict``, or ``auto``, which goes by the file's suffix.

    Raises:
        ArtifactError: If it is absent, damaged, or of another format.
        MissingExtraError: If torch or safetensors is not installed.
    """
    if any(importlib.util.find_spec(name) is None for name in ("torch", "safetensors")):
        raise MissingExtraError("torch", needed_for="reading a model's weights")
    if not Path(path).is_file():
        raise ArtifactError(
            f"there is no model file '{path}'",
            details=[("rule", "model.path in orchestrator.toml names the file with the trained weights")],
        )
    if _format_of(path, format_) == "safetensors":
        _check_safetensors(path)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        converted = str(Path(folder) / WEIGHTS)
        _convert(path, converted)
        yield converted


def _format_of(path: str, format_: str) -> str:
    suffix = Path(path).suffix.lower()
    if format_ == "auto":
        format_ = "safetensors" if suffix == ".safetensors" else "state-dict"
        if format_ == "state-dict" and suffix not in _STATE_DICT_SUFFIXES:
            raise _unsupported(path, f"files named '*{suffix}' are not supported")
    return format_


def _check_safetensors(path: str) -> None:
    from safetensors import SafetensorError, safe_open  # noqa: PLC0415 - an extra, and slow to import

    _check_header(path)
    try:
        # The library sees to offsets, shapes and sizes; what it lets pass, _check_header refuses.
        # As numpy's, because as torch's it would import torch, which takes seconds.
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
    except (SafetensorError, OSError) as error:
        raise _unsupported(path, f"it is damaged: {error}") from error
    if not names:
        raise _unsupported(path, "it holds no tensors")


def _check_header(path: str) -> None:
    with Path(path).open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        text = file.read(length) if length <= _MAX_HEADER_BYTES else b""
    if not text.startswith(b"{"):
        raise _unsupported(path, f"it has no safetensors header of at most {_MAX_HEADER_BYTES} bytes")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise _unsupported(path, f"its header is not JSON: {error}") from error
    for name, entry in header.items():
        if name != "__metadata__" and (problem := _entry_problem(name, entry)):
            raise _unsupported(path, problem)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name occurs twice")
    return unique


def _entry_problem(name: str, entry: object) -> str:
    if len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES or not name.isprintable():
        return f"it has a tensor with the unusable name {name[:_MAX_NAME_BYTES]!r}"
    if not isinstance(entry, dict) or set(entry) != _ENTRY_KEYS:
        return f"its header describes tensor '{name}' wrongly"
    return (
        ""
        if str(entry["dtype"]) in _DTYPES
        else f"tensor '{name}' has dtype {entry['dtype']}, which is not served"
    )


def _convert(path: str, converted: str) -> None:
    from safetensors.torch import save_file  # noqa: PLC0415 - an extra, and slow to import

    tensors = _state_dict(path)
    seen: set[int] = set()
    separate: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        own = tensor.detach().contiguous()
        # The format has no shared memory: tied weights are written once for each of their names.
        address = own.untyped_storage().data_ptr()
        separate[name] = own.clone() if address in seen else own
        seen.add(address)
    try:
        save_file(separate, converted)
    except (KeyError, ValueError, RuntimeError, OSError) as error:
        raise _unsupported(path, f"it cannot be converted to safetensors: {error}") from error
    _check_safetensors(converted)


def _state_dict(path: str) -> "dict[str, torch.Tensor]":
    import torch  # noqa: PLC0415 - an extra, and slow to import

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about TorchScript and old files, which the errors below name
            content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise _unsupported(path, f"it is no state_dict, or is damaged: {why}") from error
    if not isinstance(content, dict) or not content:
        raise _unsupported(path, f"it holds {type(content).__name__}, not a state_dict with tensors")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise _unsupported(path, f"its entry {name!r} is {type(tensor).__name__}, not a tensor")
        if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
            raise _unsupported(path, f"its tensor '{name}' is sparse, quantized or without content")
    return content


def _unsupported(path: str, why: str) -> ArtifactError:
    return ArtifactError(
        f"'{path}' cannot be packaged: {why}", details=[("supported", _SUPPORTED)], hint=_SAVE
    )
