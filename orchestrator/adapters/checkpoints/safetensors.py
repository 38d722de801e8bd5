"""Headers of safetensors files: which tensors they hold and where, without reading one of them.

Format: 8 bytes little-endian header length, that many bytes of JSON, the tensors' bytes without a gap
(https://huggingface.co/docs/safetensors). Stricter than the library, which takes leading blanks, unknown
keys, duplicate names on one span and files without tensors: what is let pass here, the runtime reads.

A sharded model is an index, in JSON, that says which of the files beside it holds each tensor.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.checkpoints import documents
from orchestrator.adapters.checkpoints.dtypes import BY_CODE, DType
from orchestrator.adapters.checkpoints.tensors import (
    MAX_DIMENSIONS,
    MAX_LENGTH,
    Located,
    contiguous,
    is_possible,
    name_problem,
)
from orchestrator.core.archive import broken_rule
from orchestrator.core.errors import ArtifactError

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 8 * 1024 * 1024
_METADATA = "__metadata__"
_ENTRY_KEYS = {"dtype", "shape", "data_offsets"}
_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Header:
    """What a safetensors file, or all shards of a model, hold.

    Attributes:
        tensors: In the order of the file.
        metadata: What the writer says about it; text only.
        files: The paths of all files with tensors.
    """

    tensors: Mapping[str, Located]
    metadata: Mapping[str, str]
    files: tuple[str, ...]


class _BrokenError(ValueError):
    """A rule that the file breaks, as it is shown."""


def read(path: str) -> Header:
    """Read the header of the safetensors file at ``path`` and check it against the file's length.

    Raises:
        ArtifactError: If it breaks a rule of the format, or holds what the runtime does not read.
    """
    try:
        return _read(path)
    except (ValueError, OSError) as error:
        raise _damaged(path, str(error)) from error


def _read(path: str) -> Header:
    with documents.opened(path) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        start = LENGTH_BYTES + length
        if start > size_bytes or length > MAX_HEADER_BYTES:
            raise _BrokenError(
                f"it claims a header of {length} bytes: more than the file has, or than {MAX_HEADER_BYTES}"
            )
        entries = _entries(file.read(length))
    metadata = _metadata(entries.pop(_METADATA, {}))
    tensors = {name: _located(name, entry, path, start) for name, entry in entries.items()}
    _check_cover(tensors, start, size_bytes)
    return Header(tensors, metadata, (path,))


def read_sharded(index: str) -> Header:
    """Read the index of a sharded model and the headers of all its shards.

    Raises:
        ArtifactError: If index and shards are not about the same tensors, or one of them is broken.
    """
    shards = weight_map(index, _SUFFIX)
    folder = Path(index).parent
    headers = {name: read(str(folder / name)) for name in sorted(set(shards.values()))}
    for shard, header in headers.items():
        named = {name for name, file in shards.items() if file == shard}
        if odd := sorted(named ^ set(header.tensors)):
            where = f"missing in '{shard}'" if odd[0] in named else f"in '{shard}', and not as the index says"
            raise _damaged(index, f"tensor {odd[0]!r} is {where}")
    tensors = {name: headers[shards[name]].tensors[name] for name in shards}
    files = tuple(header.files[0] for header in headers.values())
    metadata = {key: text for header in headers.values() for key, text in header.metadata.items()}
    return Header(tensors, metadata, files)


def weight_map(index: str, suffix: str) -> dict[str, str]:
    """Return which file beside ``index`` holds each tensor; none of the files is opened.

    Raises:
        ArtifactError: If it is no index, or names a file that does not lie beside it or ends otherwise.
    """
    try:
        return _weight_map(index, suffix)
    except (ValueError, OSError) as error:
        raise _damaged(index, str(error)) from error


def _weight_map(index: str, suffix: str) -> dict[str, str]:
    shards = documents.read(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise _BrokenError("it has no 'weight_map'")
    for shard in shards.values():
        if not isinstance(shard, str) or "/" in shard or broken_rule(shard) or not shard.endswith(suffix):
            raise _BrokenError(f"it names {_shown(shard)}, which is no '*{suffix}' file beside it")
    return shards


def _entries(text: bytes) -> dict[str, object]:
    if not text.startswith(b"{"):
        raise _BrokenError("its header does not begin with '{'")
    return documents.parse(text)


def _metadata(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise _BrokenError(f"its {_METADATA} is not a mapping of text to text")
    return value


def _located(name: str, entry: object, path: str, start: int) -> Located:
    if problem := name_problem(name):
        raise _BrokenError(f"{problem}, unlike {name[:255]!r}")
    if not isinstance(entry, dict) or set(entry) != _ENTRY_KEYS:
        raise _BrokenError(
            f"it describes tensor {name!r} by other keys than {', '.join(sorted(_ENTRY_KEYS))}"
        )
    dtype = _dtype(name, entry["dtype"])
    shape, offsets = entry["shape"], entry["data_offsets"]
    if not _lengths(shape) or not _lengths(offsets) or len(offsets) != len(("begin", "end")):
        raise _BrokenError(f"it has no valid shape and offsets for tensor {name!r}")
    if math.prod(shape) * dtype.item_bytes != offsets[1] - offsets[0]:
        raise _BrokenError(f"it has another number of bytes for tensor {name!r} than its shape needs")
    if not is_possible(tuple(shape), dtype.item_bytes):
        raise _BrokenError(f"tensor {name!r} is empty, but of a shape that PyTorch cannot make")
    return Located(dtype, tuple(shape), contiguous(tuple(shape)), path, start + offsets[0])


def _dtype(name: str, code: object) -> DType:
    if not isinstance(code, str) or code not in BY_CODE:
        raise _BrokenError(
            f"tensor {name!r} has the dtype {_shown(code)}, not one of those served: {', '.join(BY_CODE)}"
        )
    return BY_CODE[code]


def _shown(value: object) -> str:
    return repr(value[:80]) if isinstance(value, str) else f"a {type(value).__name__}"


def _lengths(values: object) -> bool:
    # Numbers of any length, and any number of them, would take for ever to multiply.
    return (
        isinstance(values, list)
        and len(values) <= MAX_DIMENSIONS
        and all(type(value) is int and 0 <= value <= MAX_LENGTH for value in values)
    )


def _check_cover(tensors: Mapping[str, Located], start: int, size_bytes: int) -> None:
    if not tensors:
        raise _BrokenError("it holds no tensors")
    ordered = sorted(tensors.items(), key=lambda item: (item[1].offset, item[1].size_bytes))
    ends = [start, *(tensor.offset + tensor.size_bytes for _, tensor in ordered)]
    for (name, tensor), end in zip(ordered, ends, strict=False):
        if tensor.offset != end:
            raise _BrokenError(f"there is a gap or an overlap before tensor {name!r}")
    if ends[-1] != size_bytes:
        raise _BrokenError(f"it has {size_bytes} bytes, its header describes {ends[-1]}")


def _damaged(path: str, why: str) -> ArtifactError:
    return ArtifactError(
        f"'{path}' is no safetensors file that can be served: {why}",
        details=[("rule", "https://huggingface.co/docs/safetensors; tensors without a gap or an overlap")],
        hint="save it again: safetensors.torch.save_file(model.state_dict(), 'model.safetensors')",
    )
