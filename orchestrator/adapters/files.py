"""Small files that are either what they were or what they are to be, whatever happens in between."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from orchestrator.adapters.processes import is_no_process
from orchestrator.core.errors import OrchestratorError, RefusedError

_DRAFT = ".draft-"
_OWNERS_ONLY = 0o600


def write(path: str, content: bytes, *, mode: int = _OWNERS_ONLY) -> None:
    """Write ``content`` to the file ``path``, whole or not at all.

    It is written to a draft beside it, made durable, and renamed: a full disk and a kill leave what was there
    before. A draft that a killed process has left behind is removed by who writes the same file next.

    Args:
        path: The file.
        content: What is to be in it.
        mode: Who may do what with it.

    Raises:
        OrchestratorError: If it cannot be written; what was there is still there.
    """
    with _told(path):
        _write(Path(path), content, mode)


def replace(path: str, content: bytes) -> None:
    """Do what `write` does to a file that is somebody's own: its mode stays, and a link to it stays a link.

    Raises:
        OrchestratorError: If it is not there, or cannot be written; what was there is still there.
    """
    with _told(path):
        target = Path(path).resolve(strict=True)
        _write(target, content, stat.S_IMODE(target.stat().st_mode))


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OrchestratorError(
            f"writing '{path}': {error.strerror or error}",
            details=[("state", "the file is what it was before")],
            hint="make room, or name another file",
        ) from error


def read(path: str, limit_bytes: int) -> bytes:
    """Return what is in the file ``path``.

    Raises:
        RefusedError: If it is longer than any of its kind; no more of it was read.
        OrchestratorError: If it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as error:
        raise OrchestratorError(f"reading '{path}': {error.strerror or error}") from error
    if len(content) > limit_bytes:
        raise RefusedError(
            f"reading '{path}': it is longer than {limit_bytes} bytes, and no such file is",
            details=[("state", "nothing has changed")],
            hint="name another file",
        )
    return content


def _write(target: Path, content: bytes, mode: int) -> None:
    _remove_left_drafts(target)
    # With our process in its name: it tells who may have left it behind.
    handle, draft = tempfile.mkstemp(prefix=f".{target.name}{_DRAFT}{os.getpid()}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(handle, mode)
            file.flush()
            os.fsync(handle)
        Path(draft).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink(missing_ok=True)
        raise
    _make_durable(target.parent)


def _make_durable(folder: Path) -> None:
    """Make a rename survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_left_drafts(target: Path) -> None:
    beginning = f".{target.name}{_DRAFT}"
    for entry in list(target.parent.iterdir()):
        pid = entry.name.removeprefix(beginning).partition("-")[0]
        if entry.name.startswith(beginning) and pid.isdecimal() and is_no_process(int(pid)):
            with contextlib.suppress(OSError):
                entry.unlink(missing_ok=True)
