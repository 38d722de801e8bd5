"""The directory of a zip file that a stranger may have made, read so that no other reader sees another one.

`zipfile` is lenient where torch's own reader is lenient in other ways: about bytes before the first header,
comments, where a record is looked for, entries that share bytes. What two readers could see differently is
refused. Layout: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5.3.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from orchestrator.core.errors import ArtifactError

MAX_MEMBERS = 200_000
MAX_DIRECTORY_BYTES = 64 * 1024**2
MAX_UNPACKED_BYTES = 1024**3
MAX_RATIO = 200
FREE_SIZE_BYTES = 1024**2
"""What the members may unpack to whatever their compressed size is: small files often compress well."""

_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # traditional, strong, and of the directory
_DESCRIPTOR_FOLLOWS = 0x0008
_UNKNOWN_16, _UNKNOWN_32 = 0xFFFF, 0xFFFFFFFF
_ZIP64_EXTRA = 0x0001
_WIDE_BYTES = 8
_LOCAL = struct.Struct("<L5H3L2H")
_CENTRAL = struct.Struct("<L6H3L5H2L")
_END = struct.Struct("<L4H2LH")
_END64 = struct.Struct("<LQ2H2L4Q")
_LOCATOR = struct.Struct("<LLQL")
_FIELD = struct.Struct("<2H")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = 0x04034B50, 0x02014B50, 0x06054B50
_END64_SIGN, _LOCATOR_SIGN = 0x06064B50, 0x07064B50


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One member of a zip file.

    Attributes:
        offset: Of the first byte of its content in the file.
        size_bytes: Unpacked.
        stored_bytes: In the file; the same unless it is compressed.
        crc: Of the unpacked content, as the directory says.
        is_compressed: Whether it is deflated.
    """

    offset: int
    size_bytes: int
    stored_bytes: int
    crc: int
    is_compressed: bool


def refused(path: str, why: str) -> ArtifactError:
    """Return the error that says what is wrong with the zip file at ``path``."""
    return ArtifactError(
        f"'{path}' {why}",
        details=[("rule", "a zip file is read only if it is one that PyTorch could have written")],
        hint="save the model again, or get an undamaged copy from whoever trained it",
    )


def _name_problem(name: str) -> str:
    if not name.isprintable() or "\\" in name:
        return "with an unusable name"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "with an absolute path, a folder's or one that leads out of it"
    return ""


class Directory:
    """The central directory of one zip file, and what it says of each member."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    def members(self) -> dict[str, ZipMember]:
        """Return the members by their full name, having read the directory and the headers only.

        Raises:
            ArtifactError: If the file is damaged, or readers could differ about it.
        """
        count, start, size = self._bounds()
        if count > MAX_MEMBERS or size > MAX_DIRECTORY_BYTES:
            raise self._wrong(f"has more than {MAX_MEMBERS} members, or too long names")
        table = self._read(start, size)
        found: dict[str, ZipMember] = {}
        spans: list[tuple[int, int]] = []
        position = 0
        for _ in range(count):
            name, member, header, position = self._entry(table, position)
            found[name] = member
            spans.append((header, member.offset + member.stored_bytes))
        if position != size or len({name.casefold() for name in found}) != count:
            raise self._wrong("names a member twice, or has a damaged directory")
        self._check_spans(sorted(spans), start)
        self._check_sizes(found)
        return found

    def _bounds(self) -> tuple[int, int, int]:
        """Return how many entries the directory has, where it starts and how long it is."""
        end = self._size - _END.size
        signature, disk, first_disk, here, count, size, start, comment = self._unpack(_END, end)
        if signature != _END_SIGN or comment or disk or first_disk or here != count:
            raise self._wrong("does not end as a zip file does: it is cut off, or has something appended")
        locator = end - _LOCATOR.size
        if locator >= 0 and self._unpack(_LOCATOR, locator)[0] == _LOCATOR_SIGN:
            count, size, start, end = self._bounds64(locator)
        elif _UNKNOWN_32 in {size, start} or count == _UNKNOWN_16:
            raise self._wrong("has a damaged directory")
        if start + size != end:
            raise self._wrong("has bytes that belong to no member")
        return count, start, size

    def _bounds64(self, locator: int) -> tuple[int, int, int, int]:
        _, _, position, disks = self._unpack(_LOCATOR, locator)
        signature, length, _, _, disk, first_disk, here, count, size, start = self._unpack(_END64, position)
        # Python looks for this record right before its locator, other readers where the locator says.
        if position + _END64.size != locator or length != _END64.size - 12 or signature != _END64_SIGN:
            raise self._wrong("has a damaged directory")
        if disks > 1 or disk or first_disk or here != count:
            raise self._wrong("is a part of a zip file")
        return count, size, start, position

    def _entry(self, table: bytes, position: int) -> tuple[str, ZipMember, int, int]:
        """Return one entry's name, the member, where its header is, and where the next entry begins."""
        try:
            fields = _CENTRAL.unpack_from(table, position)
        except struct.error:
            raise self._wrong("has a damaged directory") from None
        signature, _, _, flags, method, _, _, crc, stored, size, name_size, extra_size, comment = fields[:13]
        *_, header = fields
        name_end = position + _CENTRAL.size + name_size
        raw, extra = table[name_end - name_size : name_end], table[name_end : name_end + extra_size]
        if signature != _CENTRAL_SIGN or comment or fields[13]:
            raise self._wrong("has a damaged directory")
        size, stored, header = self._wide(extra, size, stored, header)
        name = self._name(raw)
        if flags & _ENCRYPTED:
            raise self._wrong(f"has an encrypted member '{name}'")
        if method not in {_STORED, _DEFLATED} or (method == _STORED and stored != size):
            raise self._wrong(f"has a member '{name}' packed in a way that PyTorch does not use")
        offset = self._content_offset(header, raw, (flags, method, crc, stored, size))
        return name, ZipMember(offset, size, stored, crc, method == _DEFLATED), header, name_end + extra_size

    def _wide(self, extra: bytes, *values: int) -> list[int]:
        """Return the values with those that need 64 bits taken from the extra field."""
        wide = b""
        while len(extra) >= _FIELD.size:
            kind, length = _FIELD.unpack_from(extra)
            content, extra = extra[_FIELD.size :][:length], extra[_FIELD.size + length :]
            if kind == _ZIP64_EXTRA:
                wide = content
        if len(wide) < _WIDE_BYTES * values.count(_UNKNOWN_32):
            raise self._wrong("has a damaged directory")
        parts = iter([wide[at : at + _WIDE_BYTES] for at in range(0, len(wide), _WIDE_BYTES)])
        return [int.from_bytes(next(parts), "little") if value == _UNKNOWN_32 else value for value in values]

    def _name(self, raw: bytes) -> str:
        try:
            name = raw.decode()
        except UnicodeDecodeError:
            name = raw.decode("latin-1")
            raise self._wrong(f"has a member {name!r} whose name is not UTF-8") from None
        if problem := _name_problem(name):
            raise self._wrong(f"has a member {name!r} {problem}")
        return name

    def _content_offset(self, header: int, raw: bytes, expected: tuple[int, int, int, int, int]) -> int:
        """Return where the content begins, having compared the header before it with the directory."""
        fields = self._unpack(_LOCAL, header)
        signature, _, flags, method, _, _, crc, stored, size, name_size, extra_size = fields
        name_end = header + _LOCAL.size + name_size
        same = (signature, flags, method) == (_LOCAL_SIGN, *expected[:2])
        if not flags & _DESCRIPTOR_FOLLOWS:
            size, stored = self._wide(self._read(name_end, extra_size), size, stored)
            same = same and (crc, stored, size) == expected[2:]
        if not same or self._read(header + _LOCAL.size, name_size) != raw:
            raise self._wrong(f"describes its member {raw.decode()!r} in two ways")
        return name_end + extra_size

    def _check_spans(self, spans: list[tuple[int, int]], directory: int) -> None:
        ends = [0, *(end for _, end in spans)]
        starts = [*(start for start, _ in spans), directory]
        if starts[0] != 0 or any(start < end for start, end in zip(starts, ends, strict=True)):
            raise self._wrong("has members that lie over one another, or something before the first")

    def _check_sizes(self, found: Mapping[str, ZipMember]) -> None:
        packed = [member for member in found.values() if member.is_compressed]
        unpacked = sum(member.size_bytes for member in packed)
        if (
            unpacked > MAX_UNPACKED_BYTES
            or unpacked > MAX_RATIO * sum(m.stored_bytes for m in packed) + FREE_SIZE_BYTES
        ):
            raise self._wrong("would unpack to far more than it is")

    def _unpack(self, form: struct.Struct, position: int) -> tuple[int, ...]:
        return form.unpack(self._read(position, form.size))

    def _read(self, position: int, size: int) -> bytes:
        if position < 0 or position + size > self._size:
            raise self._wrong("is a zip file that is cut off or damaged")
        self._file.seek(position)
        return self._file.read(size)

    def _wrong(self, why: str) -> ArtifactError:
        return refused(self._path, why)
