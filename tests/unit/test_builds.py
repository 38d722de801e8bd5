import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.adapters.builds import BuildsFile

FACTS = {"golden": "ab", "atol": "0.1"}


@pytest.fixture
def out(tmp_path: Path) -> str:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(b"archive")
    return str(path)


@pytest.fixture
def builds(tmp_path: Path, out: str) -> BuildsFile:
    found = BuildsFile(tmp_path / "state" / "orchestrator")
    found.remember(out, "identity", FACTS)
    return found


def rewrite(path: str, content: bytes) -> None:
    draft = Path(f"{path}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def test_an_archive_stands_as_long_as_nothing_about_it_changes(builds: BuildsFile, out: str) -> None:
    assert builds.standing(out, "identity", FACTS)
    assert BuildsFile(builds.folder).standing(os.path.relpath(out), "identity", dict(reversed(FACTS.items())))
    assert not builds.standing(out, "another", FACTS)
    assert not builds.standing(out, "identity", {**FACTS, "golden": "cd"})
    assert not builds.standing(f"{out}.other", "identity", FACTS)


def test_an_archive_that_was_written_over_touched_or_removed_does_not_stand(
    builds: BuildsFile, out: str
) -> None:
    state = Path(out).stat()
    rewrite(out, b"archivE")
    os.utime(out, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert not builds.standing(out, "identity", FACTS)  # another inode
    builds.remember(out, "identity", FACTS)
    os.utime(out, ns=(0, 0))
    assert not builds.standing(out, "identity", FACTS)
    builds.remember(out, "identity", FACTS)
    Path(out).unlink()
    assert not builds.standing(out, "identity", FACTS)


def test_a_link_in_the_place_of_the_archive_does_not_stand(builds: BuildsFile, out: str) -> None:
    Path(out).rename(f"{out}.moved")
    Path(out).symlink_to(f"{out}.moved")
    assert not builds.standing(out, "identity", FACTS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b'{"version": 2, "builds": []}',
        b'{"version": 1, "builds": 7}',
        b'{"version": 1, "builds": [7, {}]}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_or_foreign_record_is_ignored_and_written_anew(
    builds: BuildsFile, out: str, content: bytes
) -> None:
    (builds.folder / "builds.json").write_bytes(content)
    assert not builds.standing(out, "identity", FACTS)
    builds.remember(out, "identity", FACTS)
    assert builds.standing(out, "identity", FACTS)


def test_what_is_remembered_is_for_nobody_else_to_read(builds: BuildsFile) -> None:
    assert builds.folder.stat().st_mode & 0o777 == 0o700
    modes = {file.name: file.stat().st_mode & 0o777 for file in builds.folder.iterdir()}
    assert modes == {"builds.json": 0o600, "builds.lock": 0o600}


def test_links_are_not_followed(builds: BuildsFile, out: str, tmp_path: Path) -> None:
    record = builds.folder / "builds.json"
    record.rename(tmp_path / "elsewhere.json")
    record.symlink_to(tmp_path / "elsewhere.json")
    assert not builds.standing(out, "identity", FACTS)
    before = (tmp_path / "elsewhere.json").read_bytes()
    builds.remember(out, "other", FACTS)
    assert (tmp_path / "elsewhere.json").read_bytes() == before
    assert builds.standing(out, "other", FACTS)
    builds.folder.rename(tmp_path / "moved")
    builds.folder.symlink_to(tmp_path / "moved")
    builds.remember(out, "third", FACTS)
    assert not builds.standing(out, "third", FACTS)


def test_a_state_folder_that_cannot_be_made_fails_nothing(out: str) -> None:
    builds = BuildsFile(Path("/dev/null/state"))
    builds.remember(out, "identity", FACTS)
    assert not builds.standing(out, "identity", FACTS)


def test_the_latest_hundred_are_kept(builds: BuildsFile, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.tar.gz" for number in range(101)]
    for path in paths:
        path.write_bytes(b"x")
        builds.remember(str(path), "identity", FACTS)
    standing = [builds.standing(str(path), "identity", FACTS) for path in paths]
    assert standing == [False, *[True] * 100]
    assert len(json.loads((builds.folder / "builds.json").read_bytes())["builds"]) == 100


def test_two_that_remember_at_once_lose_nothing(builds: BuildsFile, tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.tar.gz" for number in range(16)]
    for path in paths:
        path.write_bytes(b"x")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: builds.remember(str(path), "identity", FACTS), paths))
    assert all(builds.standing(str(path), "identity", FACTS) for path in paths)
