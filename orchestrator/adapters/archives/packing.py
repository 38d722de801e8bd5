"""Writing `model.tar.gz`: the same members give the same bytes, as a stream that may go anywhere."""

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from orchestrator.adapters.archives import reading, ustar
from orchestrator.adapters.archives.deflating import gzipped
from orchestrator.core import archive, secrets
from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import File

_FILE_MODE = 0o644
_FOLDER_MODE = 0o700


def stream(members: Sequence[Member], files: Sequence[File]) -> Iterator[bytes]:
    """Yield the archive of ``members``; nothing but the members decides about its bytes.

    Its last bytes come only once everything has turned out right, so what has been written until an exception
    is no archive.

    Args:
        members: In any order.
        files: What `reading.digest` said of each of them, so that what the manifest says is what is written.

    Raises:
        ArtifactError: If a member has changed since or cannot be read, or the archive would break a rule that
            readers keep.
    """
    archive.check_paths([member.path for member in members])
    expected = {file.path: file for file in files}
    ordered = sorted(members, key=lambda member: member.path)
    count = _Count()
    last = b""
    for chunk in gzipped(count.of(_tar([(member, expected[member.path]) for member in ordered]))):
        if last:
            yield last
        last = chunk
        count.compressed_bytes += len(chunk)
    archive.check_size(count.size_bytes, count.compressed_bytes)
    yield last


class _Count:
    """How much has gone by, before and after compression."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.compressed_bytes = 0

    def of(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size_bytes += len(piece)
            yield piece


def _tar(members: Iterable[tuple[Member, File]]) -> Iterator[bytes]:
    for member, file in members:
        yield ustar.header_of(file.path, file.size_bytes)
        yield from reading.chunks(member, file)
        yield bytes(-file.size_bytes % ustar.BLOCK_BYTES)
    yield bytes(2 * ustar.BLOCK_BYTES)


@contextlib.contextmanager
def draft(out: str) -> Iterator[str]:
    """Yield a path beside ``out`` that replaces it at the end; after an exception, ``out`` is as it was.

    Raises:
        ArtifactError: If the folder cannot be written to.
    """
    folder = Path(out).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=".", suffix=".tar.gz", dir=folder)
    except OSError as error:
        raise unwritable(out, error) from error
    os.close(handle)
    try:
        yield path
        Path(path).chmod(_FILE_MODE)
        Path(path).replace(out)
    except OSError as error:
        raise unwritable(out, error) from error
    finally:
        Path(path).unlink(missing_ok=True)


def write(path: str, chunks: Iterable[bytes]) -> None:
    """Write what `stream` yields to ``path``, which is overwritten; `draft` makes one that is no loss.

    Raises:
        OSError: If the disk is full, or anything else keeps it from being written; `draft` and `stage` name
            the place that the user knows.
    """
    with Path(path).open("wb") as file:
        file.writelines(chunks)


def stage(into: str, members: Sequence[Member]) -> None:
    """Lay ``members`` out in the new folder ``into``, as the container finds them.

    The model's files are linked to, so that trying a large one costs nothing. What lies in ``code/`` is
    copied: a module that looks beside its own file has to find what the archive holds, and no more.

    Raises:
        ArtifactError: If a name breaks a rule, or the folder is there already or cannot be written to.
    """
    archive.check_paths([member.path for member in members])
    try:
        Path(into).mkdir(mode=_FOLDER_MODE)
        for member in members:
            place = Path(into, member.path)
            place.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(member.content, str) and not member.path.startswith(f"{archive.CODE}/"):
                place.symlink_to(Path(member.content).absolute())
            else:
                write(str(place), reading.raw_chunks(member))
    except OSError as error:
        raise unwritable(into, error) from error


def secret_in(member: Member) -> str:
    """Return which kind of secret ``member`` is or holds; empty if none is known.

    Raises:
        ArtifactError: If its file cannot be read.
    """
    head = bytearray()
    for chunk in reading.raw_chunks(member):
        head += chunk
        if len(head) > secrets.MAX_TEXT_BYTES:
            break
    return secrets.found_in(member.path, bytes(head))


def unwritable(path: str, error: OSError) -> ArtifactError:
    """Return the error for a place that cannot be written to."""
    return ArtifactError(
        f"'{path}' cannot be written: {error.strerror or error}", details=[("state", "nothing has changed")]
    )
