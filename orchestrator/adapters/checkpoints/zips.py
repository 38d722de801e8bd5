"""Zip files in which PyTorch saved a model: which members they have, and where those lie in the file.

Members that hold tensors are found but not read, nor is their CRC checked: there may be gigabytes of them.
"""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.checkpoints.zipdirectory import Directory, ZipMember, refused

MAX_READ_BYTES = 32 * 1024**2
"""What one member may hold that is read whole, such as a pickle."""

_TORCH_SAVE = re.compile(
    r"data\.pkl|data/(0|[1-9][0-9]*)|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id"
)


@dataclass(frozen=True, slots=True)
class ZipMembers:
    """The members of a zip file that PyTorch wrote.

    Attributes:
        path: Of the zip file.
        root: The folder that all members lie in; empty where there is none, as in exported programs of
            torch before 2.8.
        entries: By their name below ``root``, such as ``data/0``.
    """

    path: str
    root: str
    entries: Mapping[str, ZipMember]

    def read(self, name: str) -> bytes:
        """Return the content of a small member.

        Raises:
            ArtifactError: If it is absent, damaged or longer than `MAX_READ_BYTES`. Files saved after
                ``torch.serialization.set_crc32_options(False)`` count as damaged.
        """
        member = self.entries.get(name)
        if member is None:
            raise refused(self.path, f"has no member '{self.root}/{name}'")
        if max(member.size_bytes, member.stored_bytes) > MAX_READ_BYTES:
            raise refused(self.path, f"has a member '{self.root}/{name}' of more than {MAX_READ_BYTES} bytes")
        with Path(self.path).open("rb") as file:
            file.seek(member.offset)
            content = file.read(member.stored_bytes)
        if member.is_compressed:
            content = _inflated(content, member.size_bytes)
        if len(content) != member.size_bytes or zlib.crc32(content) != member.crc:
            raise refused(self.path, f"has a damaged member '{self.root}/{name}'")
        return content


def members(path: str, *, program: bool = False) -> ZipMembers:
    """Return what the zip file at ``path`` holds, having read its directory and headers only.

    Args:
        path: The file.
        program: Whether it is TorchScript or an exported program, which have members of all names and
            compress some. Otherwise it is a file of ``torch.save``, with the members of those and no other,
            none of them compressed.

    Raises:
        ArtifactError: If it is damaged, or made as PyTorch makes none.
    """
    with Path(path).open("rb") as file:
        found = Directory(path, file).members()
    roots = {name.partition("/")[0] for name in found}
    if len(roots) != 1 or not all("/" in name for name in found):
        if program:
            return ZipMembers(path, "", found)
        raise refused(path, "is a zip file whose members do not all lie in one folder")
    root = roots.pop()
    entries = {name[len(root) + 1 :]: member for name, member in found.items()}
    if not program:
        _check_torch_save(path, root, entries)
    return ZipMembers(path, root, entries)


def _inflated(content: bytes, size: int) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        # One byte more, so that content which unpacks to more than it says is seen to do so.
        return inflater.decompress(content, size + 1)
    except zlib.error:
        return b""


def _check_torch_save(path: str, root: str, entries: Mapping[str, ZipMember]) -> None:
    for name, member in entries.items():
        if not _TORCH_SAVE.fullmatch(name):
            raise refused(path, f"has a member {f'{root}/{name}'!r}, which torch.save does not write")
        if member.is_compressed:
            raise refused(path, f"has a compressed member '{root}/{name}', which torch.save does not write")
    if "data.pkl" not in entries:
        raise refused(path, f"has no member '{root}/data.pkl'")
