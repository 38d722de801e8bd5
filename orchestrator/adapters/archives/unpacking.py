"""Reading `model.tar.gz` with suspicion: somebody else may have made it.

The whole list of members is checked before a byte is written, and sizes are counted as they come.
"""

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

from orchestrator.adapters.archives import ustar
from orchestrator.adapters.archives.gunzip import reading
from orchestrator.adapters.archives.packing import unwritable
from orchestrator.core import archive
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import Contents, File

_FILE_MODE, _FOLDER_MODE = 0o644, 0o700


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
        raise unwritable(into, error) from error
    try:
        with reading(path) as read:
            _unpack(read, headers, into)
    except BaseException as error:
        shutil.rmtree(into, ignore_errors=True)
        if isinstance(error, OSError):
            raise unwritable(into, error) from error
        raise


@contextlib.contextmanager
def unpacked(path: str) -> Iterator[str]:
    """Yield a temporary folder with what the archive at ``path`` holds, which is gone afterwards.

    Raises:
        ArtifactError: If it is damaged or breaks a rule, or cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        into = str(Path(folder) / "model")
        extract(path, into)
        yield into


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
