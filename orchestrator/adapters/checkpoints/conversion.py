"""A safetensors file that is made while it is read: it is never on disk, and never in memory as a whole.

The header comes first, then the bytes of each tensor straight from the file that it lies in. Tensors whose
elements do not lie one after another are put in order part by part; those that share elements, such as tied
weights, are written once for each of their names, because the format has no shared memory.

The same tensors give the same bytes: they come by the size of their elements, largest first, then by name, so
that each one is aligned (as the safetensors library sorts them, ``safetensors/src/tensor.rs``).
"""

import json
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orchestrator.adapters.checkpoints.safetensors import LENGTH_BYTES, MAX_HEADER_BYTES
from orchestrator.adapters.checkpoints.tensors import Located, is_possible, name_problem
from orchestrator.core.archive import MAX_SIZE_BYTES
from orchestrator.core.errors import ArtifactError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CHUNK_BYTES = 1024 * 1024
_ALIGNMENT_BYTES = 8


@dataclass(frozen=True, slots=True)
class Converted:
    """The content of a safetensors file (`orchestrator.core.archive.Content`)."""

    header: bytes
    tensors: tuple[Located, ...]

    @property
    def size_bytes(self) -> int:
        """How many bytes the file has."""
        return len(self.header) + sum(tensor.size_bytes for tensor in self.tensors)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield the file's bytes from the beginning.

        Raises:
            ArtifactError: If a file that the tensors lie in has changed since it was looked at.
        """
        yield self.header
        with ExitStack() as stack:
            files: dict[str, BinaryIO] = {}
            for tensor in self.tensors:
                if tensor.path not in files:
                    files[tensor.path] = stack.enter_context(_opened(tensor.path))
                yield from _content(files[tensor.path], tensor)


def converted(path: str, tensors: Mapping[str, Located]) -> Converted:
    """Return the safetensors file that holds ``tensors``, which were found in ``path``.

    Raises:
        ArtifactError: If one of them has a name or an element type that the runtime does not read, or they
            are too many or too large.
        MissingExtraError: If one has to be put in order, which takes numpy, and that is not installed.
    """
    for name, tensor in tensors.items():
        _check(path, name, tensor)
    if any(not tensor.is_contiguous for tensor in tensors.values()):
        _check_numpy()
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.item_bytes, name))
    ordered = tuple(tensors[name] for name in names)
    made = Converted(_header(names, ordered), ordered)
    if len(made.header) > MAX_HEADER_BYTES:
        raise refused(
            path, f"it has {len(names)} tensors, whose names fill more than {MAX_HEADER_BYTES} bytes"
        )
    if made.size_bytes > MAX_SIZE_BYTES:
        raise refused(
            path, f"its tensors have {made.size_bytes} bytes, at most {MAX_SIZE_BYTES} are packaged"
        )
    return made


def refused(path: str, why: str) -> ArtifactError:
    """Return the error for tensors that are read, but cannot be packaged."""
    return ArtifactError(
        f"'{path}' cannot be packaged: {why}",
        details=[
            ("rule", "weights are packaged as dense tensors of real numbers, in the safetensors format")
        ],
        hint="convert or leave out that tensor before torch.save; `orchestrator inspect FILE` shows all",
    )


def _check(path: str, name: str, tensor: Located) -> None:
    if problem := name_problem(name):
        raise refused(path, f"{problem}, unlike {name[:255]!r}")
    if not tensor.dtype.code:
        raise refused(path, f"tensor '{name}' is {tensor.dtype.name}, which is not served")
    if not is_possible(tensor.shape, tensor.dtype.item_bytes):
        raise refused(path, f"tensor '{name}' is empty, but of a shape that PyTorch cannot make")


def _check_numpy() -> None:
    try:
        import numpy as np  # noqa: F401, PLC0415 - an extra, only asked whether it is there
    except ImportError as error:
        raise MissingExtraError(
            "torch", needed_for="putting the elements of a strided tensor in order"
        ) from error


def _header(names: list[str], tensors: tuple[Located, ...]) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}  # transformers reads no file without it
    position = 0
    for name, tensor in zip(names, tensors, strict=True):
        end = position + tensor.size_bytes
        entries[name] = {
            "dtype": tensor.dtype.code,
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNMENT_BYTES)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def _opened(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb", buffering=0)
    except OSError as error:
        raise _changed(path) from error


def _content(file: BinaryIO, tensor: Located) -> Iterator[bytes | memoryview]:
    if os.fstat(file.fileno()).st_size < tensor.offset + tensor.span_bytes:
        raise _changed(tensor.path)
    return _copied(file, tensor) if tensor.is_contiguous else _ordered(file, tensor)


def _copied(file: BinaryIO, tensor: Located) -> Iterator[bytes]:
    # Read, not mapped: a mapped file that is cut off meanwhile kills the process.
    position, end = tensor.offset, tensor.offset + tensor.size_bytes
    while position < end:
        chunk = os.pread(file.fileno(), min(CHUNK_BYTES, end - position), position)
        if not chunk:
            raise _changed(tensor.path)
        position += len(chunk)
        yield chunk


def _ordered(file: BinaryIO, tensor: Located) -> Iterator[memoryview]:
    import numpy as np  # noqa: PLC0415 - an extra, and slow to import

    start = tensor.offset - tensor.offset % mmap.ALLOCATIONGRANULARITY
    length = tensor.offset - start + tensor.span_bytes
    item = tensor.dtype.item_bytes
    # As integers: numpy has no word for bfloat16, and must not touch the bits of a NaN.
    mapped = mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
    flat = np.frombuffer(mapped, dtype=f"u{item}", offset=tensor.offset - start)
    # What a dimension of one element would step by never matters, and may be any number.
    pairs = zip(tensor.shape, tensor.strides, strict=True)
    steps = [stride * item if length > 1 else 0 for length, stride in pairs]
    yield from _blocks(np.lib.stride_tricks.as_strided(flat, tensor.shape, steps, writeable=False))


def _blocks(array: "npt.NDArray[np.unsignedinteger]") -> Iterator[memoryview]:
    import numpy as np  # noqa: PLC0415 - as above

    rows = max(1, CHUNK_BYTES * len(array) // array.nbytes)
    for first in range(0, len(array), rows):
        part = array[first : first + rows]
        if part.nbytes > CHUNK_BYTES and part.ndim > 1:
            yield from _blocks(part[0])
        else:
            yield np.ascontiguousarray(part).data.cast("B")


def _changed(path: str) -> ArtifactError:
    return ArtifactError(f"'{path}' has changed while it was being packaged", hint="package it again")
