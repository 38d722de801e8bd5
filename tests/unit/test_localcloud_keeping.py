"""The file of the worlds: what it does when it cannot be read or written."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.keeping import WORLDS_FILE, Keeper
from orchestrator.localcloud.wire import parsed
from orchestrator.localcloud.world import Record, Scope, World
from orchestrator.localcloud.worlds import Worlds

EMPTY = World(Scope("123456789012", "eu-west-1"))


def holding(*names: str, text: str = "") -> World:
    return replace(EMPTY, models={name: Record(name, {"text": text}, 1.0) for name in names})


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    made = Keeper(tmp_path)
    yield made
    made.close()


@contextlib.contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Let nobody else write the file."""
    with contextlib.closing(sqlite3.connect(folder / WORLDS_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_change_is_on_disk_once_it_is_made(tmp_path: Path, keeper: Keeper) -> None:
    Worlds(keeper).change(holding("a", "b"))
    # Not closed: another reads it as after a kill.
    other = Keeper(tmp_path)
    assert other.worlds() == [holding("a", "b")]
    other.close()


def test_what_is_asked_for_and_cannot_be_written_is_refused_and_not_done(
    keeper: Keeper, tmp_path: Path
) -> None:
    worlds = Worlds(keeper)
    worlds.change(holding("a"))
    with unwritable(tmp_path):
        with pytest.raises(ApiError, match=r"the state folder '.*' cannot be written: ") as caught:
            worlds.change(holding("a", "b"))
        assert (caught.value.code, caught.value.status) == ("InternalFailure", 500)
        assert worlds.at(EMPTY.scope) == holding("a")
        worlds.change(worlds.at(EMPTY.scope))  # what only looks goes on
    worlds.change(holding("a", "c"))
    assert keeper.worlds() == [holding("a", "c")]


def test_what_comes_to_pass_and_cannot_be_written_is_written_with_the_next_change(
    keeper: Keeper, tmp_path: Path
) -> None:
    worlds = Worlds(keeper)
    worlds.change(holding("a"))
    with unwritable(tmp_path):
        worlds.put(holding("a", "b"))
        assert worlds.at(EMPTY.scope) == holding("a", "b")
        assert keeper.worlds() == [holding("a")]
    worlds.change(holding("a", "b", "c"))
    assert keeper.worlds() == [holding("a", "b", "c")]


def test_a_world_that_is_closed_keeps_nothing_more(keeper: Keeper) -> None:
    worlds = Worlds(keeper)
    worlds.change(holding("a"))
    worlds.close()
    keeper.forget()
    worlds.put(holding("a", "b"))
    assert keeper.worlds() == []


def test_names_stay_in_the_order_in_which_they_were_made(keeper: Keeper) -> None:
    worlds = Worlds(keeper)
    for count in range(1, 5):
        worlds.change(holding(*("d", "b", "c", "a")[:count]))
    worlds.change(holding("d", "b", "c", "a", text="later"))
    assert list(keeper.worlds()[0].models) == ["d", "b", "c", "a"]


def test_a_file_of_another_version_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / WORLDS_FILE) as file:
        file.execute("PRAGMA user_version = 7")
    file.close()
    with pytest.raises(
        OrchestratorError, match="cannot be used: it has format 7, this version reads 1"
    ) as caught:
        Keeper(tmp_path)
    assert caught.value.hint is not None
    assert str(tmp_path) in str(caught.value)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / WORLDS_FILE).write_bytes(b"something else" * 1000)
    with pytest.raises(OrchestratorError, match="cannot be used: file is not a database"):
        Keeper(tmp_path)


@pytest.mark.parametrize(
    ("field", "content"),
    [("models", "{}"), ("models", "not JSON"), ("models", '{"name": 1}'), ("no-such-member", "{}")],
)
def test_a_row_that_is_no_resource_is_refused(
    tmp_path: Path, keeper: Keeper, field: str, content: str
) -> None:
    with sqlite3.connect(tmp_path / WORLDS_FILE) as file:
        file.execute("INSERT INTO resources VALUES ('1', 'r', ?, 'n', ?)", (field, content))
    file.close()
    with pytest.raises(OrchestratorError, match=r"what is kept in '.*' cannot be used"):
        keeper.worlds()


@pytest.mark.parametrize("body", [rb'{"Value": "\ud800"}', rb'{"Value": ["\uDFFF"]}'])
def test_half_a_character_is_no_request_since_it_could_not_be_kept(body: bytes) -> None:
    with pytest.raises(ApiError, match="not JSON") as caught:
        parsed(body)
    assert caught.value.code == "SerializationException"
    assert parsed(rb'{"Value": "\ud83e\udd89"}') == {"Value": "\U0001f989"}
