"""Files of ``torch.save``: what they describe, and where in them the bytes of each tensor lie.

There are two forms (``torch/serialization.py``): since torch 1.6 a zip file with a pickle and a member for
each storage; before, and with ``_use_new_zipfile_serialization=False``, five pickles and then the storages.
The form of torch before 0.1.10, a tar file, is refused by `classify`.
"""

import mmap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.checkpoints import opcodes, symbols, zips
from orchestrator.adapters.checkpoints.classify import Layout
from orchestrator.adapters.checkpoints.rebuilding import Tensor, UnreadableError
from orchestrator.adapters.checkpoints.tensors import Located
from orchestrator.core.checkpoint import Code
from orchestrator.core.errors import ArtifactError

_PICKLE = "data.pkl"
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_COUNT_BYTES = 8
_LITTLE = b"little"


@dataclass(frozen=True, slots=True)
class TorchFile:
    """One file of ``torch.save``.

    Attributes:
        value: What was saved, as `symbols` reads it.
        storages: Where each storage lies: its first byte in the file, and how many they are.
        code: What unpickling it would run.
    """

    path: str
    value: object
    storages: Mapping[str, tuple[int, int]]
    code: tuple[Code, ...]

    def located(self, name: str, tensor: Tensor) -> Located:
        """Return where in the file the elements of ``tensor`` lie.

        Raises:
            ArtifactError: If they lie outside of its storage, or that is not in the file.
        """
        start, size_bytes = self.storages.get(tensor.storage.key, (0, -1))
        if tensor.end_bytes > size_bytes:
            raise damaged(self.path, f"the storage of tensor {name!r} is not in it as a whole")
        before = (
            tensor.storage.start_bytes + tensor.offset * tensor.dtype.item_bytes if tensor.end_bytes else 0
        )
        return Located(tensor.dtype, tensor.shape, tensor.strides, self.path, start + before)


def damaged(path: str, why: str) -> ArtifactError:
    """Return the error for a file that is not what it was when it was saved."""
    return ArtifactError(
        f"'{path}' is damaged or incomplete: {why}",
        hint="copy or save it again: torch.save(model.state_dict(), 'model.pt')",
    )


def read(path: str, layout: Layout) -> TorchFile:
    """Read the pickle of the file at ``path`` and look up its storages; their bytes are not read.

    Raises:
        ArtifactError: If the file is damaged, or was written on a processor of the other byte order.
    """
    try:
        return _read_zip(path) if layout is Layout.ZIP else _read_legacy(path)
    except (UnreadableError, ValueError, OSError) as error:
        raise damaged(path, str(error)) from error


def _read_zip(path: str) -> TorchFile:
    members = zips.members(path)
    if "byteorder" in members.entries and members.read("byteorder") != _LITTLE:
        raise _other_byte_order(path)
    pickle = members.read(_PICKLE)
    where = f"{members.root}/{_PICKLE}"
    described = symbols.read(pickle)
    findings = opcodes.walk(pickle, persistent_ids=True)
    storages = {
        name.removeprefix("data/"): (member.offset, member.size_bytes)
        for name, member in members.entries.items()
        if name.startswith("data/")
    }
    return TorchFile(path, described.value, storages, _codes(findings, where))


def _codes(findings: tuple[opcodes.Finding, ...], where: str) -> tuple[Code, ...]:
    return tuple(Code(f"{where} at {finding.offset}", finding.what) for finding in findings)


def _read_legacy(path: str) -> TorchFile:
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        magic = symbols.read(content)
        protocol = symbols.read(content, magic.end)
        if (magic.value, protocol.value) != (_MAGIC, _PROTOCOL):
            raise UnreadableError("it does not begin as torch.save begins a file")
        system = symbols.read(content, protocol.end)
        if not isinstance(system.value, dict) or system.value.get("little_endian") is not True:
            raise _other_byte_order(path)
        described = symbols.read(content, system.end)
        keys = symbols.read(content, described.end)
        storages = dict(_legacy_storages(content, described, keys))
        pickles = content[: keys.end]  # what follows are storages, which may be gigabytes
    findings = opcodes.walk(pickles, persistent_ids=True, legacy=True)
    return TorchFile(path, described.value, storages, _codes(findings, Path(path).name))


def _legacy_storages(
    content: mmap.mmap, described: symbols.Read, keys: symbols.Read
) -> Iterator[tuple[str, tuple[int, int]]]:
    position = keys.end
    for key in keys.value if isinstance(keys.value, list) else ():
        if not isinstance(key, str) or key not in described.storages:
            raise UnreadableError("it has a storage that nothing refers to")
        count = int.from_bytes(content[position : position + _COUNT_BYTES], "little", signed=True)
        position += _COUNT_BYTES
        size_bytes = count * described.storages[key].dtype.item_bytes
        if count < 0 or position + size_bytes > len(content):
            raise UnreadableError(f"it ends within the storage {key!r}")
        yield key, (position, size_bytes)
        position += size_bytes


def _other_byte_order(path: str) -> ArtifactError:
    return ArtifactError(
        f"'{path}' was saved on a processor of the other byte order (big-endian)",
        details=[("rule", "the safetensors format, and every container we serve in, is little-endian")],
        hint="load it with torch.load and save it again: torch.save(model.state_dict(), 'model.pt')",
    )
