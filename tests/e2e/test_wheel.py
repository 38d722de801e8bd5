"""The wheel: just the files it should have, and the main job done from it in a fresh environment."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.support.commands import write_files
from tests.support.installed import Installed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def expected_files() -> set[str]:
    """Return every file of the three source folders under the name it has in the wheel."""
    named = {
        "orchestrator": ROOT / "orchestrator",
        "orchestrator/infra": ROOT / "infra",
        "orchestrator/templates": ROOT / "templates",
        "orchestrator/entrypoints": ROOT / "entrypoints",
    }
    ours = {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in named.items()
        for pattern in ("**/*.py", "**/*.j2", "**/*.html", "**/*.css", "**/*.js", "**/*.yaml", "py.typed")
        for path in folder.glob(pattern)
    }
    # What projects begin with has files of any kind, weights among them.
    begun = {
        f"orchestrator/templates/{path.relative_to(ROOT / 'templates').as_posix()}"
        for path in (ROOT / "templates").glob("*/**/*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return ours | begun


def test_the_wheel_has_just_the_files_of_the_source_folders(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {name for name in names if ".dist-info/" not in name} == expected_files()
    metadata = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    assert metadata == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "top_level.txt",
    }


def test_the_main_job_works_from_the_wheel_in_a_fresh_environment(
    installed: Installed, tmp_path: Path
) -> None:
    project, state = tmp_path / "project", tmp_path / "state"
    write_files(project)
    (project / "request.json").write_text('{"image": [[[9, 0], [0, 0]]]}')

    def orchestrator(*arguments: str) -> str:
        return installed.run(["orchestrator", *arguments], project, state)

    try:
        assert "serves 'pets-" in orchestrator("deploy")
        assert json.loads(orchestrator("invoke", "--body", "request.json"))["label"] == "cat"
        orchestrator("destroy", "--yes")
    finally:
        orchestrator("local-cloud", "stop")
