"""`model.tar.gz` on disk: written the same way everywhere, read with suspicion.

Writing: sorted members, no owner, no time, level 1 (weights hardly compress). Reading: the whole list of
members is checked before a byte is written, and sizes are counted as they come.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from isal import igzip

from orchestrator.adapters import ustar
from orchestrator.adapters.gunzip import reading
from orchestrator.core import archive
from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import Contents, File

_CHUNK_BYTES = 1024 * 1024
_LEVEL = 1
_FILE_MODE, _FOLDER_MODE = 0o644, 0o700


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    def read(self, size: int) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        self.size_bytes += len(chunk)
        return chunk

    def described(self, path: str) -> File:
        return File(path, self.size_bytes, self._digest.hexdigest())


def digest(member: Member) -> File:
    """Return the path, size and digest of ``member``.

    Raises:
        ArtifactError: If its file cannot be read.
    """
    with _opened(member) as file:
        while file.read(_CHUNK_BYTES):
            pass
        return file.described(member.path)


@contextlib.contextmanager
def _opened(member: Member) -> Iterator[_Hashed]:
    try:
        with (
            BytesIO(member.content)
            if isinstance(member.content, bytes)
            else Path(member.content).open("rb") as file
        ):
            yield _Hashed(file)
    except OSError as error:
        raise ArtifactError(f"'{member.path}' cannot be put into the archive: {error.strerror}") from error


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
        raise _unwritable(out, error) from error
    os.close(handle)
    try:
        yield path
        Path(path).chmod(_FILE_MODE)
        Path(path).replace(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    finally:
        Path(path).unlink(missing_ok=True)


def write(path: str, members: Sequence[Member], files: Sequence[File]) -> None:
    """Write ``members`` to ``path``; the same members give the same bytes.

    Args:
        path: What is overwritten; `draft` makes one that is no loss.
        members: In any order.
        files: What `digest` said of each of them, so that what the manifest says is what is written.

    Raises:
        ArtifactError: If a member has changed since, the names break a rule, or the disk is full.
    """
    archive.check_paths([member.path for member in members])
    expected = {file.path: file for file in files}
    try:
        with (
            Path(path).open("wb") as raw,
            igzip.IGzipFile("", "wb", _LEVEL, raw, mtime=0) as zipped,  # type: ignore[no-untyped-call]  # isal has partial types
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK_BYTES) as tar,
        ):
            for member in sorted(members, key=lambda one: one.path):
                _add(tar, member, expected[member.path])
    except OSError as error:
        raise _unwritable(path, error) from error
    archive.check_size(sum(file.size_bytes for file in files), Path(path).stat().st_size)


def _add(tar: tarfile.TarFile, member: Member, expected: File) -> None:
    # Everything that a tar header can say about a machine or a moment stays at tarfile's zeros.
    header = tarfile.TarInfo(member.path)
    header.size = expected.size_bytes
    header.mode = _FILE_MODE
    with _opened(member) as file:
        tar.addfile(header, file)  # type: ignore[arg-type]  # read() is all that tarfile calls
        if file.read(1) or file.described(member.path) != expected:
            raise ArtifactError(f"'{member.path}' changed while it was being packaged", hint="package again")


def _unwritable(path: str, error: OSError) -> ArtifactError:
    return ArtifactError(
        f"'{path}' cannot be written: {error.strerror or error}", details=[("state", "nothing has changed")]
    )


def contents(path: str) -> Contents:
    """Read the whole archive and return what it holds; nothing is written.

    Raises:
        ArtifactError: If it is damaged or breaks a rule.
    """
    files: list[File] = []
    folders: list[str] = []
    manifest: bytes | None = None
    with reading(path) as read:
        for header, chunks in ustar.members(read):
            if header.is_folder:
                folders.append(header.path)
                continue
            kept = BytesIO()
            files.append(_described(header, chunks, kept if header.path == archive.MANIFEST else None))
            manifest = kept.getvalue() if header.path == archive.MANIFEST else manifest
            archive.check_count(len(files) + len(folders))
    archive.check_paths([file.path for file in files], folders)
    return Contents(tuple(sorted(files)), tuple(sorted(folders)), manifest)


def _described(header: ustar.Header, chunks: Iterator[bytes], kept: BytesIO | None) -> File:
    if kept is not None and header.size_bytes > archive.MAX_MANIFEST_BYTES:
        raise ArtifactError(f"the archive's manifest has more than {archive.MAX_MANIFEST_BYTES} bytes")
    hashed = hashlib.sha256()
    for chunk in chunks:
        hashed.update(chunk)
        if kept is not None:
            kept.write(chunk)
    return File(header.path, header.size_bytes, hashed.hexdigest())


def extract(path: str, into: str) -> None:
    """Unpack the archive at ``path`` to ``into``, a folder that must not exist yet.

    The archive need not be ours; whether it is what its manifest says is `contents`' question.

    Raises:
        ArtifactError: If it is damaged or breaks a rule, or cannot be written. ``into`` is gone then.
    """
    headers = _scan(path)
    try:
        Path(into).mkdir(mode=_FOLDER_MODE)
    except OSError as error:
        raise _unwritable(into, error) from error
    try:
        with reading(path) as read:
            _unpack(read, headers, into)
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, OSError):
            raise _unwritable(into, error) from error
        raise


def _scan(path: str) -> list[ustar.Header]:
    headers: list[ustar.Header] = []
    with reading(path) as read:
        for header, _ in ustar.members(read):
            headers.append(header)
            archive.check_count(len(headers))
    archive.check_paths(
        [header.path for header in headers if not header.is_folder],
        [header.path for header in headers if header.is_folder],
    )
    return headers


def _unpack(read: ustar.Read, headers: list[ustar.Header], into: str) -> None:
    root = os.open(into, os.O_RDONLY | os.O_DIRECTORY)
    try:
        expected = iter(headers)
        for header, chunks in ustar.members(read):
            if header != next(expected, None):
                raise ArtifactError("the archive changed while it was being unpacked", hint="try again")
            *folders, name = header.path.split("/")
            with _folder(root, [*folders, name] if header.is_folder else folders) as folder:
                if not header.is_folder:
                    _store(folder, name, chunks)
    finally:
        os.close(root)


@contextlib.contextmanager
def _folder(root: int, names: Sequence[str]) -> Iterator[int]:
    """Yield a descriptor of a folder below ``root``, made if need be; no link is followed on the way."""
    current = os.dup(root)
    try:
        for name in names:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=current)
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _store(folder: int, name: str, chunks: Iterator[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(name, flags, _FILE_MODE, dir_fd=folder), "wb") as file:
        file.writelines(chunks)
