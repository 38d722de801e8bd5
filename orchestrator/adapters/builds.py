"""What has been packaged on this machine, so that an unchanged project is not packaged again.

A hint and no more: whatever is damaged, foreign or gone counts as not remembered, and failing to remember
fails nothing.
"""

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_FILE, _LOCK = "builds.json", "builds.lock"
_VERSION = 1
_MAX_REMEMBERED = 100
_MAX_BYTES = 4 * 1024**2
_FOLDER_MODE, _FILE_MODE = 0o700, 0o600
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class BuildsFile:
    """A file in the user's state folder.

    Attributes:
        folder: Made when something is first remembered, for nobody else to read.
    """

    folder: Path

    def standing(self, out: str, identity: str, facts: Mapping[str, str]) -> bool:
        """Tell whether ``out`` is still the archive that was remembered with this identity and these facts.

        Only the file's size, time and inode are compared: its bytes are what `verify` is for.
        """
        record = _record(out, identity, facts)
        return record is not None and record in self._records()

    def remember(self, out: str, identity: str, facts: Mapping[str, str]) -> None:
        """Remember the archive at ``out``, which has just been written and tried."""
        record = _record(out, identity, facts)
        if record is None:
            return
        with contextlib.suppress(OSError), self._alone():
            others = [known for known in self._records() if known.get("path") != record["path"]]
            self._replace([*others, record][-_MAX_REMEMBERED:])

    def _records(self) -> list[Record]:
        try:
            document = json.loads(self._content())
            builds = document["builds"] if document["version"] == _VERSION else []
            return [record for record in builds if isinstance(record, dict)]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return []

    def _content(self) -> bytes:
        handle = os.open(self.folder / _FILE, os.O_RDONLY | os.O_NONBLOCK | _NO_FOLLOW)
        with os.fdopen(handle, "rb") as file:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode) or state.st_uid != os.getuid():
                raise PermissionError(self.folder / _FILE)
            return file.read(_MAX_BYTES)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from writing between our reading and our writing."""
        self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        state = self.folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
            raise NotADirectoryError(self.folder)
        handle = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | _NO_FOLLOW, _FILE_MODE)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _replace(self, records: list[Record]) -> None:
        handle, draft = tempfile.mkstemp(prefix=".builds-", dir=self.folder)  # for the owner only: 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"version": _VERSION, "builds": records}, file, indent=1)
            Path(draft).replace(self.folder / _FILE)
        finally:
            Path(draft).unlink(missing_ok=True)


def _record(out: str, identity: str, facts: Mapping[str, str]) -> Record | None:
    """Return what is remembered of the archive at ``out``; ``None`` if there is none, or only a link."""
    try:
        path = Path(out).parent.resolve() / Path(out).name
        state = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(state.st_mode):
        return None
    return {
        "path": str(path),
        "size_bytes": state.st_size,
        "mtime_ns": state.st_mtime_ns,
        "inode": state.st_ino,
        "identity": identity,
        "facts": dict(facts),
    }
