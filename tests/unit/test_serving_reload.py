"""What counts as a change of the files that a reload watches."""

import os
from pathlib import Path

import pytest

from orchestrator.serving.preparing.changes import marks


def test_what_python_and_editors_leave_beside_files_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "net.py").touch()
    before = marks([tmp_path])
    for name in (".net.py.swp", "net.py~", "__pycache__/net.pyc", ".git/index", "net.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert marks([tmp_path]) == before
    os.utime(tmp_path / "net.py", (0, 0))
    assert marks([tmp_path]) != before


def test_a_file_that_is_named_counts_whatever_it_is_called(tmp_path: Path) -> None:
    hidden = tmp_path / ".env"
    hidden.touch()
    assert list(marks([hidden])) == [hidden]


def test_what_is_not_there_has_no_mark(tmp_path: Path) -> None:
    lost = tmp_path / "lost"
    lost.symlink_to(tmp_path / "nowhere")
    assert marks([tmp_path / "missing", lost]) == {}


@pytest.mark.parametrize("change", ["write", "replace", "touch", "remove"])
def test_each_kind_of_change_shows(tmp_path: Path, change: str) -> None:
    file, other = tmp_path / "net.py", tmp_path.parent / f"{tmp_path.name}-other"
    file.write_text("1")
    os.utime(file, (1, 1))
    before = marks([tmp_path])
    match change:
        case "write":
            file.write_text("22")
        case "replace":
            other.write_text("2")
            os.utime(other, (1, 1))
            other.replace(file)
        case "touch":
            os.utime(file, (2, 2))
        case _:
            file.unlink()
    assert marks([tmp_path]) != before


def test_files_that_links_lead_to_count(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "folder" / "link"
    link.parent.mkdir()
    real.write_text("1")
    link.symlink_to(real)
    before = marks([link.parent])
    real.write_text("22")
    assert marks([link.parent]) != before
