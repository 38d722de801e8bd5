"""Unpacking gzip, with a limit on what comes out."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from isal import igzip
from isal.igzip_lib import IsalError

from orchestrator.core.archive import check_size
from orchestrator.core.errors import ArtifactError

_CHUNK_BYTES = 1024 * 1024
_REBUILD = "get it again, or build it again: orchestrator package"


@contextlib.contextmanager
def reading(path: str) -> Iterator[Callable[[int], bytes]]:
    """Yield a reader of the archive's unpacked bytes, and see to it that nothing follows them.

    Raises:
        ArtifactError: If it is absent or damaged, or unpacks to too much; a failure of the reader's user is
            left alone.
    """
    with contextlib.ExitStack() as stack:
        try:
            raw = stack.enter_context(Path(path).open("rb"))
        except FileNotFoundError as error:
            raise ArtifactError(
                f"there is no archive '{path}'", hint="build it: orchestrator package"
            ) from error
        except OSError as error:
            raise _damaged(path, error) from error
        unpacked = _Unpacked(raw, path)
        yield unpacked.exactly
        unpacked.rest()


class _Unpacked:
    """The bytes in a gzip file, counted against the archive's limits as they come."""

    def __init__(self, raw: BinaryIO, path: str) -> None:
        self._path = path
        self._compressed_bytes = os.fstat(raw.fileno()).st_size
        self._size_bytes = 0
        self._stream = igzip.IGzipFile(fileobj=raw, mode="rb")  # type: ignore[no-untyped-call]  # partial types

    def _read(self, size: int) -> bytes:
        try:
            content: bytes = self._stream.read(size)
        except (EOFError, ValueError, IsalError, OSError) as error:  # type: ignore[misc]  # isal types it as a value
            raise _damaged(self._path, error) from error
        self._size_bytes += len(content)
        check_size(self._size_bytes, self._compressed_bytes)
        return content

    def exactly(self, size: int) -> bytes:
        content = self._read(size) if size else b""
        while len(content) < size:
            more = self._read(size - len(content))
            if not more:
                raise _damaged(self._path, EOFError("it ends in the middle of a member"))
            content += more
        return content

    def rest(self) -> None:
        # To the end, because gzip's checksum comes last.
        while chunk := self._read(_CHUNK_BYTES):
            if any(chunk):
                raise _damaged(self._path, ValueError("something follows its last member"))


def _damaged(path: str, error: Exception) -> ArtifactError:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return ArtifactError(f"'{path}' is damaged or incomplete: {why}", hint=_REBUILD)
