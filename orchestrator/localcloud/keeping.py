"""The worlds on disk, so that they outlive the local cloud that they are in.

One row for each resource, written in the moment it changes: what was answered is kept even if the local cloud
is killed right after. Which members a world has, and of what types they are, is read off `World` itself.
"""

import contextlib
import dataclasses
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.world import Scope, World

if TYPE_CHECKING:
    from pydantic import TypeAdapter

WORLDS_FILE = "worlds.sqlite"
_FORMAT = 1
_TABLE = (
    "CREATE TABLE IF NOT EXISTS resources (account TEXT, region TEXT, field TEXT, name TEXT, content TEXT, "
    "PRIMARY KEY (account, region, field, name))"
)
# A row that is written again keeps its number, by which the rows are read: names stay in the order in which
# they were made.
_WRITE = (
    "INSERT INTO resources VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (account, region, field, name) DO UPDATE SET content = excluded.content"
)
_DELETE = "DELETE FROM resources WHERE account = ? AND region = ? AND field = ? AND name = ?"
_READ = "SELECT account, region, field, name, content FROM resources ORDER BY rowid"

_Row = tuple[str, str, str, str]
"""Account, region, member of the world, and the name below it; empty for a member without names."""


class Keeper:
    """Keeps every change of the worlds in a file.

    Args:
        folder: Where the file is, or is to be.

    Raises:
        OrchestratorError: If the file cannot be used, or another version wrote it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[_Row, str | None] = {}
        with self._reading():
            # From whatever thread: SQLite takes one after the other. It waits for no other process.
            self._file = sqlite3.connect(folder / WORLDS_FILE, timeout=0, check_same_thread=False)
            self._check_format()
            # With a log of its own, a commit is whole or not there, and waits for no disk.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.execute(_TABLE)
            self._file.execute(f"PRAGMA user_version = {_FORMAT}")

    def worlds(self) -> list[World]:
        """Return what was kept.

        Raises:
            OrchestratorError: If it cannot be read.
        """
        members: dict[Scope, dict[str, Any]] = {}
        adapters = _Adapters()
        with self._reading():
            for account, region, field, name, content in self._file.execute(_READ):
                found = members.setdefault(Scope(account, region), {})
                value = adapters.of(field).validate_python(json.loads(content))
                if adapters.is_named(field):
                    found.setdefault(field, {})[name] = value
                else:
                    found[field] = value
        return [World(scope, **found) for scope, found in members.items()]

    def keep(self, before: World, after: World) -> None:
        """Write a change, with what waits.

        Raises:
            ApiError: If it cannot be written; it is forgotten then.
        """
        waiting = dict(self._waiting)
        self._waiting.update(_changes(before, after))
        try:
            self._write()
        except sqlite3.Error as error:
            self._waiting = waiting
            raise self._unwritable(error) from error

    def note(self, before: World, after: World) -> None:
        """Write a change; if it cannot be written now, it waits for the next one."""
        self._waiting.update(_changes(before, after))
        with contextlib.suppress(sqlite3.Error):
            self._write()

    def forget(self) -> None:
        """Delete all that is kept.

        Raises:
            ApiError: If the file cannot be written.
        """
        self._waiting.clear()
        try:
            with self._file:
                self._file.execute("DELETE FROM resources")
        except sqlite3.Error as error:
            raise self._unwritable(error) from error

    def close(self) -> None:
        """Write what waits, as far as that is possible, and let the file go."""
        with contextlib.suppress(sqlite3.Error):
            self._write()
        self._file.close()

    def _write(self) -> None:
        if not self._waiting:
            return
        written = [(*row, content) for row, content in self._waiting.items() if content is not None]
        gone = [row for row, content in self._waiting.items() if content is None]
        with self._file:
            self._file.executemany(_WRITE, written)
            self._file.executemany(_DELETE, gone)
        self._waiting.clear()

    def _unwritable(self, error: sqlite3.Error) -> ApiError:
        return ApiError(
            "InternalFailure", f"the state folder '{self._folder}' cannot be written: {error}", status=500
        )

    def _check_format(self) -> None:
        found = self._file.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, _FORMAT}:
            raise ValueError(f"it has format {found}, this version reads {_FORMAT}")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, ValueError, TypeError, KeyError) as error:
            why = str(error).split("\n", maxsplit=1)[0]
            raise OrchestratorError(
                f"what is kept in '{self._folder}' cannot be used: {why}",
                hint="choose another folder for --state, or delete this one to begin anew",
            ) from error


class _Adapters:
    """What reads the members of a world, each made when its first row is read."""

    def __init__(self) -> None:
        self._types = {name: hint for name, hint in get_type_hints(World).items() if name != "scope"}
        self._made: dict[str, TypeAdapter[Any]] = {}

    def is_named(self, field: str) -> bool:
        """Tell whether the member has a row for each of its names."""
        return get_origin(self._types[field]) is Mapping

    def of(self, field: str) -> "TypeAdapter[Any]":
        """Return what reads a row of a member.

        Raises:
            KeyError: If worlds have no such member.
        """
        # Here: it takes a tenth of a second, which a local cloud that keeps nothing has no use for.
        from pydantic import TypeAdapter  # noqa: PLC0415 - see the line above

        if field not in self._made:
            wanted = self._types[field]
            self._made[field] = TypeAdapter(get_args(wanted)[1] if self.is_named(field) else wanted)
        return self._made[field]


def _changes(before: World, after: World) -> Iterator[tuple[_Row, str | None]]:
    """Yield the rows that one change writes; a row with ``None`` is to go."""
    scope = after.scope
    for field in dataclasses.fields(World):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old is new or field.name == "scope":
            continue
        row = (scope.account, scope.region, field.name)
        if not isinstance(new, Mapping):
            yield (*row, ""), _written(new)
            continue
        for name in old.keys() - new.keys():
            yield (*row, name), None
        for name, value in new.items():
            if name not in old or old[name] is not value:
                yield (*row, name), _written(value)


def _written(value: object) -> str:
    return json.dumps(value, default=_plain)


def _plain(value: object) -> object:
    """Return what JSON has for ``value``."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"a world cannot keep a {type(value).__name__}")
