"""The bytes of members on their way into an archive, and whether they are still what they were."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from isal import isal_zlib

from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import File

CHUNK_BYTES = 1024 * 1024


def raw_chunks(member: Member) -> Iterator[bytes]:
    """Yield the content of ``member`` in pieces of at most 1 MiB.

    Raises:
        ArtifactError: If its file cannot be read, or is no regular file: a pipe would never end.
    """
    match member.content:
        case bytes() as content:
            yield from _cut(memoryview(content))
        case str() as path:
            yield from _read(member.path, path)
        case content:
            views = (memoryview(chunk) for chunk in content.chunks())
            for view in views:
                if view.nbytes:  # Python casts no view of a shape with a zero in it
                    yield from _cut(view.cast("B"))


def _cut(content: memoryview) -> Iterator[bytes]:
    # Copies: whoever made the content may use its buffer again while a chunk is still being compressed.
    for start in range(0, len(content), CHUNK_BYTES):
        yield bytes(content[start : start + CHUNK_BYTES])


def _read(name: str, path: str) -> Iterator[bytes]:
    try:
        # A pipe that nobody writes to would be waited for.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _unreadable(name, "it is no regular file")
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _unreadable(name, error.strerror or str(error)) from error


def _unreadable(name: str, why: str) -> ArtifactError:
    return ArtifactError(f"'{name}' cannot be put into the archive: {why}")


def digest(member: Member, moved: Callable[[int], None]) -> File:
    """Return the path, size and digest of ``member``, and the checksum that `chunks` goes by.

    Args:
        member: What is read, from beginning to end.
        moved: Told how many bytes have been read, chunk by chunk.

    Raises:
        ArtifactError: If its file cannot be read.
    """
    hashed = hashlib.sha256()
    size = checksum = 0
    # Hashing is the slowest part, so the next chunk is read, or made, in the meantime.
    with ThreadPoolExecutor(1, "sha256") as thread:
        hashing: Future[None] | None = None
        for chunk in raw_chunks(member):
            checksum = isal_zlib.crc32(chunk, checksum)
            size += len(chunk)
            if hashing is None and len(chunk) < CHUNK_BYTES:
                hashed.update(chunk)  # there is no next one to read, or it is small as well
            else:
                if hashing is not None:
                    hashing.result()
                hashing = thread.submit(hashed.update, chunk)
            moved(len(chunk))
    return File(member.path, size, hashed.hexdigest(), checksum)


def chunks(member: Member, file: File) -> Iterator[bytes]:
    """Yield the content of ``member``, which has to be what ``file`` says still.

    Never more bytes than ``file`` says, whatever has become of the member. A file that `digest` has read is
    told by its CRC-32: hashing everything a second time would take longer than compressing it, and nobody
    has to be kept from forging a file that is theirs.

    Raises:
        ArtifactError: If it has changed, at its end at the latest, or cannot be read.
    """
    hashed = hashlib.sha256()
    size = checksum = 0
    for chunk in raw_chunks(member):
        size += len(chunk)
        if size > file.size_bytes:
            raise _changed(member)
        if file.crc32 is None:
            hashed.update(chunk)
        else:
            checksum = isal_zlib.crc32(chunk, checksum)
        yield chunk
    same = hashed.hexdigest() == file.sha256 if file.crc32 is None else checksum == file.crc32
    if size != file.size_bytes or not same:
        raise _changed(member)


def _changed(member: Member) -> ArtifactError:
    return ArtifactError(f"'{member.path}' changed while it was being packaged", hint="package again")
