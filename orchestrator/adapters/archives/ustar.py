"""The headers of tar streams: our own, and those of a stranger.

Only regular files and folders are read, in ustar or GNU headers with the few PAX records that ordinary tools
write. `tarfile` is not used for that: it follows header fields of any size, strips leading slashes silently
and knows kinds of members that an archive of a model has no use for. Layout: POSIX.1-2001, pax, "ustar
Interchange Format".
"""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.core.archive import check_count, check_size
from orchestrator.core.errors import ArtifactError

BLOCK_BYTES = 512

Read = Callable[[int], bytes]
"""Return exactly as many bytes as asked for, or raise."""

_CHUNK_BYTES = 1024 * 1024
_MAX_PAX_BYTES = 64 * 1024
_REGULAR, _FOLDER, _PAX = frozenset({b"0", b"\0"}), b"5", b"x"
_CHECKSUM = slice(148, 156)
_BINARY, _NEGATIVE = 0x80, 0x40
_FILE_MODE = 0o644
_MAX_HEADERS_EACH = 2  # a PAX header and the member's own
_MAX_LENGTH_DIGITS = len(str(_MAX_PAX_BYTES))


@dataclass(frozen=True, slots=True)
class Header:
    """One member; ``path`` is as given, but for one leading ``./`` and one trailing ``/``."""

    path: str
    size_bytes: int
    is_folder: bool


def header_of(path: str, size_bytes: int) -> bytes:
    """Return the header of a regular file: ustar where that is enough, with PAX records where not.

    Everything that a header can say about a machine or a moment stays at `tarfile`'s zeros.
    """
    described = tarfile.TarInfo(path)
    described.size = size_bytes
    described.mode = _FILE_MODE
    return described.tobuf(tarfile.PAX_FORMAT)


def members(read: Read) -> Iterator[tuple[Header, Iterator[bytes]]]:
    """Yield each member and its content in chunks; what is not taken of the content is skipped.

    The folder ``./``, which ``tar -C folder .`` puts first, is left out.

    Raises:
        ArtifactError: If the stream is no tar archive, or has a member of a kind that is refused.
    """
    records: dict[str, str] | None = None
    headers = 0
    while any(block := read(BLOCK_BYTES)):
        headers += 1
        check_count(headers // _MAX_HEADERS_EACH)
        _check(block)
        kind, size = block[156:157], _number(block[124:136])
        if kind == _PAX:
            if size > _MAX_PAX_BYTES:
                raise _refused("it has a PAX header of more than 64 KiB")
            if records is not None:
                raise _refused("it has two PAX headers for one member")
            records = _records(b"".join(_content(read, size)))
            continue
        header = _header(block, kind, size, records or {})
        check_size(header.size_bytes)
        content = _content(read, header.size_bytes)
        records = None
        if header.path not in {"", "."}:
            yield header, content
        for _ in content:
            pass


def _content(read: Read, size: int) -> Iterator[bytes]:
    for position in range(0, size, _CHUNK_BYTES):
        yield read(min(_CHUNK_BYTES, size - position))
    read(-size % BLOCK_BYTES)


def _check(block: bytes) -> None:
    blanked = sum(block) - sum(block[_CHECKSUM]) + ord(" ") * (_CHECKSUM.stop - _CHECKSUM.start)
    if block[257:262] not in {b"ustar", b"\0" * 5} or _number(block[_CHECKSUM]) != blanked:
        raise _refused("a header is damaged, or this is no tar archive")


def _number(field: bytes) -> int:
    if field[0] & _BINARY:
        # GNU's way of writing sizes of 8 GiB and more, in two's complement.
        if field[0] & _NEGATIVE:
            raise _refused("a header holds a negative number")
        return int.from_bytes(bytes([field[0] & ~_BINARY]) + field[1:], "big")
    text = field.strip(b"\0 ")
    if not all(digit in b"01234567" for digit in text):
        raise _refused("a header holds a number that is none")
    return int(text or b"0", 8)


def _records(content: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    start = 0
    while start < len(content):
        space = content.find(b" ", start, start + _MAX_LENGTH_DIGITS + 1)
        length = content[start : max(space, start)]
        end = start + int(length) if length.isdigit() else 0
        key, equals, value = content[space + 1 : end].partition(b"=")
        if not equals or not value.endswith(b"\n") or end > len(content):
            raise _refused("a PAX header is damaged")
        found[key.decode("utf-8", "replace")] = value[:-1].decode("utf-8", "surrogateescape")
        start = end
    return found


def _header(block: bytes, kind: bytes, size: int, records: dict[str, str]) -> Header:
    name = block[:100].partition(b"\0")[0].decode("utf-8", "surrogateescape")
    prefix = block[345:500].partition(b"\0")[0].decode("utf-8", "surrogateescape")
    is_posix = block[257:263] == b"ustar\0"  # GNU keeps times where POSIX keeps the prefix
    path = records.get("path", f"{prefix}/{name}" if prefix and is_posix else name)
    if (kind not in _REGULAR and kind != _FOLDER) or any(key.startswith("GNU.sparse") for key in records):
        raise _refused(f"{path[:100]!r} is neither a regular file nor a folder")
    is_folder = kind == _FOLDER or (kind == b"\0" and path.endswith("/"))
    size = _size(size, records)
    if is_folder and size:
        raise _refused(f"the folder {path[:100]!r} has content")
    return Header(
        path.removeprefix("./").removesuffix("/") if is_folder else path.removeprefix("./"), size, is_folder
    )


def _size(size: int, records: dict[str, str]) -> int:
    if "size" not in records:
        return size
    said = records["size"]
    if not (said.isascii() and said.isdigit()) or size not in {0, int(said[:20])}:
        raise _refused("a PAX header gives another size than the member's own")
    return int(said[:20])


def _refused(why: str) -> ArtifactError:
    return ArtifactError(f"the archive is refused: {why}")
