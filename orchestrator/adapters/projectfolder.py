"""The folder of a new project on this machine's disk: it gets all of its files, or none."""

import contextlib
import os
import secrets
from pathlib import Path

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.projects import Draft

_FILE_MODE, _PROGRAM_MODE = 0o666, 0o777  # less what the user's umask takes away


class ProjectFolder:
    """The `Folder` port on the disk.

    Args:
        path: It may be there, with files in it, or not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    @property
    def name(self) -> str:
        """What it is called, ``.`` and ``..`` resolved."""
        return self._path.resolve().name

    def holds(self, path: str) -> bool:
        """Tell whether there is something at ``path``, be it a link to nothing."""
        return os.path.lexists(self._path / path)

    def obstacles(self, drafts: tuple[Draft, ...]) -> tuple[str, ...]:
        """Return the paths at which something else is, or that are below something that is no folder."""
        return tuple(draft.path for draft in drafts if self._is_obstructed(draft))

    def _is_obstructed(self, draft: Draft) -> bool:
        place = self._path / draft.path
        above = [folder for folder in place.parents if folder.is_relative_to(self._path)]
        if any(os.path.lexists(folder) and not folder.is_dir() for folder in above):
            return True
        if not os.path.lexists(place):
            return False
        try:
            return not place.is_file() or place.read_bytes() != draft.content
        except OSError:
            return True

    def add(self, drafts: tuple[Draft, ...]) -> None:
        """Write all of ``drafts``, or nothing.

        A folder that is not there appears with all its files at once. In one that is there, whatever was
        written goes again if the rest cannot be; it is not replaced, as it may be somebody's working folder.

        Raises:
            OrchestratorError: If it cannot be written to, is no folder, or somebody else was quicker.
        """
        try:
            with contextlib.ExitStack() as undo:
                _add(self._path, drafts, undo)
                undo.pop_all()
        except OSError as error:
            raise OrchestratorError(
                f"writing '{error.filename or self._path}': {error.strerror or error}",
                details=[("state", "nothing was written")],
                hint="make room, or name another folder",
            ) from error

    def repository(self) -> Path | None:
        """Return the top folder of the git repository that this one is in, if any."""
        folders = (self._path.resolve(), *self._path.resolve().parents)
        return next((folder for folder in folders if (folder / ".git").exists()), None)


def _add(target: Path, drafts: tuple[Draft, ...], undo: contextlib.ExitStack) -> None:
    is_new = not target.exists()
    into = target.with_name(f".{target.name}.draft-{secrets.token_hex(4)}") if is_new else target
    for draft in drafts:
        place = into / draft.path
        _make_folders(place.parent, undo)
        mode = _PROGRAM_MODE if draft.executable else _FILE_MODE
        handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        undo.callback(_forget, place)
        with os.fdopen(handle, "wb") as file:
            file.write(draft.content)
    if is_new:
        into.rename(target)


def _make_folders(folder: Path, undo: contextlib.ExitStack) -> None:
    """Make ``folder`` and what is missing above it; what others have put there by then is not undone."""
    if folder.is_dir():
        return
    _make_folders(folder.parent, undo)
    folder.mkdir()
    undo.callback(_forget, folder)


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
