"""`init` on a real disk: all files of a project or none, and none that was there is touched."""

import json
import os
import resource
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.adapters import scaffold
from orchestrator.adapters.projectfolder import ProjectFolder
from orchestrator.cli import boundary, main
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.projects import RECIPES, Draft
from orchestrator.core.tasks import OPTIONS


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def short_files() -> Iterator[None]:
    """Let no file of this process be longer than 2 kB: as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def run(*arguments: str) -> int:
    return boundary.run(main.cli, ("init", *arguments))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("task", OPTIONS)
def test_every_task_that_a_spec_can_name_has_a_project(task: str, tmp_path: Path) -> None:
    assert run("demo", "--task", task) == 0
    there = files(tmp_path / "demo")
    assert {
        "orchestrator.toml",
        "train.py",
        "artifacts/model.safetensors",
        ".gitignore",
        "ci/check.sh",
    } <= there
    assert not any(name.endswith((".j2", "about.md")) for name in there)
    assert f'"{task}"' in (tmp_path / "demo" / "orchestrator.toml").read_text("utf-8")


def test_what_was_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("demo", "--task", "image", "--ci", "github", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["task"], told["ci"]) == ("demo", "image-classification", "github")
    assert set(told["written"]) == files(tmp_path / "demo")


def test_programs_can_be_run_and_files_have_the_users_usual_mode(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run("demo") == 0
    finally:
        os.umask(before)
    modes = {
        name: stat.S_IMODE((tmp_path / "demo" / name).stat().st_mode) for name in ("ci/check.sh", "train.py")
    }
    assert modes == {"ci/check.sh": 0o750, "train.py": 0o640}
    assert stat.S_IMODE((tmp_path / "demo").stat().st_mode) == 0o750


def test_the_folder_one_is_in_becomes_a_project_beside_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run("--name", "owl") == 0
    assert 'name    = "owl"' in (tmp_path / "orchestrator.toml").read_text("utf-8")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("path", ["README.md", "src", "ci"])
def test_whatever_is_in_the_way_is_named_and_nothing_is_written(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / path).write_text("mine")
    assert run() == 3
    assert f"{path}" in capsys.readouterr().err
    assert files(tmp_path) == {path}


def test_a_link_to_nothing_is_in_the_way_too(tmp_path: Path) -> None:
    (tmp_path / "train.py").symlink_to("gone")
    assert run() == 3
    assert [entry.name for entry in tmp_path.iterdir()] == ["train.py"]


@pytest.mark.usefixtures("short_files")
@pytest.mark.parametrize("folder", ["demo", ".", "a/b/c"])
def test_a_full_disk_leaves_nothing_behind(
    folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--name", "x", "--task", "image") == 1
    assert "nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run("file/demo") == 1
    assert "file': File exists" in capsys.readouterr().err


def test_what_somebody_else_writes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    drafts = (Draft("a.txt", b"new"), Draft("sub/b.txt", b"new"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("theirs")  # between looking and writing
    with pytest.raises(OrchestratorError, match="File exists"):
        ProjectFolder(tmp_path).add(drafts)
    assert files(tmp_path) == {"sub/b.txt"}
    assert (tmp_path / "sub" / "b.txt").read_text() == "theirs"


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_added_to_a_project_and_nothing_else(recipe: str, tmp_path: Path) -> None:
    assert run() == 0
    before = files(tmp_path)
    assert run("--ci", recipe) == 0
    added = files(tmp_path) - before
    assert added == {draft.path for draft in scaffold.recipe(recipe)} - before
    assert {"ci/plan.sh", "ci/deploy.sh"} < added
    assert run("--ci", recipe) == 0


def test_a_recipe_below_the_top_of_a_repository_is_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    assert run("demo", "--ci", "github") == 0
    assert f"top folder only, which is '{tmp_path}'" in capsys.readouterr().err
    assert run(".", "--name", "x", "--ci", "github") == 0
    assert "top folder" not in capsys.readouterr().err


def test_an_unset_variable_is_not_the_folder_one_is_in(tmp_path: Path) -> None:
    assert run("") == 2
    assert list(tmp_path.iterdir()) == []
