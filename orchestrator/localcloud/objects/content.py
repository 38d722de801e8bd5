"""What is in objects: pieces of files, which are deleted when nothing refers to them any more.

No descriptor is kept: a file is opened when it is read. It cannot be gone then, for whoever reads holds a
reference to it, also while the object is replaced or deleted.
"""

import hashlib
import secrets
import shutil
import weakref
from collections.abc import Callable, Container, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

CHUNK_BYTES = 1024 * 1024
"""How much of an object is in memory at a time while it is read."""

_NAME_BYTES = 16


class StoredFile:
    """A file that holds (a part of) objects, and is discarded with the last reference to this.

    Args:
        path: Where it is.
        discard: Deletes it, at once or later.
    """

    def __init__(self, path: Path, discard: Callable[[Path], None]) -> None:
        self.path = path
        # Not at the end of the process: objects may outlive it.
        weakref.finalize(self, discard, path).atexit = False


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of a file.

    Attributes:
        begin: Where they begin in the file.
        size: How many they are.
    """

    file: StoredFile
    begin: int
    size: int


@dataclass(frozen=True)
class Content:
    """What is in an object, or in a part of one that is being uploaded.

    Attributes:
        pieces: One after the other.
        md5: In hexadecimal, of the whole; ``None`` if nobody has needed it yet.
        checksums: That were verified, by algorithm, as S3 writes them.
    """

    pieces: tuple[Piece, ...] = ()
    md5: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """In bytes."""
        return sum(piece.size for piece in self.pieces)

    def between(self, begin: int, end: int) -> "Content":
        """Return a part of it, from ``begin`` up to and without ``end``; nothing is copied."""
        found: list[Piece] = []
        at = 0
        for piece in self.pieces:
            first, last = max(begin - at, 0), min(end - at, piece.size)
            if first < last:
                found.append(Piece(piece.file, piece.begin + first, last - first))
            at += piece.size
        return Content(tuple(found))

    def chunks(self) -> Generator[bytes]:
        """Return all of it, about a megabyte at a time."""
        for piece in self.pieces:
            with piece.file.path.open("rb", buffering=0) as opened:
                opened.seek(piece.begin)
                left = piece.size
                while left:
                    chunk = opened.read(min(CHUNK_BYTES, left))
                    if not chunk:
                        raise EOFError(f"'{piece.file.path.name}' is shorter than it was")
                    left -= len(chunk)
                    yield chunk

    def read(self) -> bytes:
        """Return all of it at once: for what is small by its nature."""
        return b"".join(self.chunks())

    def hashed(self) -> str:
        """Return its MD5 in hexadecimal, and read all of it if need be."""
        if self.md5 is not None:
            return self.md5
        made = hashlib.md5(usedforsecurity=False)
        for chunk in self.chunks():
            made.update(chunk)
        return made.hexdigest()


class Store:
    """A folder of files that hold objects.

    Args:
        folder: Made when the first one comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._deferred: list[Path] | None = None

    def new_file(self) -> StoredFile:
        """Return a file that is not there yet; nobody else gets the same."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.file(secrets.token_hex(_NAME_BYTES))

    def file(self, name: str) -> StoredFile:
        """Return the file of that name, which nobody else has."""
        return StoredFile(self.folder / Path(name).name, self._discard)

    def kept(self, value: bytes) -> Content:
        """Return ``value`` as a content with a file of its own, or none if it is empty."""
        md5 = hashlib.md5(value, usedforsecurity=False).hexdigest()
        if not value:
            return Content((), md5)
        file = self.new_file()
        file.path.write_bytes(value)
        return Content((Piece(file, 0, len(value)),), md5)

    def defer(self) -> None:
        """Delete discarded files no more: something on disk may still refer to them."""
        self._deferred = []

    def discarded(self) -> list[Path]:
        """Return the files that were discarded since this was last asked, for whoever deletes them now."""
        if not self._deferred:
            return []
        taken, self._deferred = self._deferred, []
        return taken

    def keep_only(self, names: Container[str]) -> None:
        """Delete every file but these."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.name not in names:
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete every file."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _discard(self, path: Path) -> None:
        if self._deferred is None:
            path.unlink(missing_ok=True)
        else:
            self._deferred.append(path)
