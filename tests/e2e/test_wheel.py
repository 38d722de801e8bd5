"""The wheel: just the files it should have, and the main job done from it in a fresh environment."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.commands import write_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# Generous: the environment is made from scratch, torch included.
INSTALL_SECONDS, COMMAND_SECONDS = 900, 180


def expected_files() -> set[str]:
    """Return every file of the three source folders under the name it has in the wheel."""
    named = {
        "orchestrator": ROOT / "orchestrator",
        "orchestrator/templates": ROOT / "templates",
        "orchestrator/entrypoints": ROOT / "entrypoints",
    }
    return {
        f"{name}/{path.relative_to(folder).as_posix()}"
        for name, folder in named.items()
        for pattern in ("**/*.py", "**/*.j2", "**/*.html", "**/*.css", "**/*.js", "**/*.yaml", "py.typed")
        for path in folder.glob(pattern)
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=INSTALL_SECONDS,
    )
    (found,) = out.glob("*.whl")
    return found


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


def test_the_main_job_works_from_the_wheel_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    install = [
        str(place / "bin" / "pip"),
        "install",
        "--quiet",
        "--constraint",
        str(ROOT / "constraints.txt"),
    ]
    subprocess.run([*install, f"{wheel}[torch,local]"], check=True, timeout=INSTALL_SECONDS)
    project = tmp_path / "project"
    write_files(project)
    (project / "request.json").write_text('{"image": [[[9, 0], [0, 0]]]}')
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))},
        "ORCHESTRATOR_STATE_DIR": str(tmp_path / "state"),
    }

    def orchestrator(*arguments: str) -> str:
        done = subprocess.run(
            [str(place / "bin" / "orchestrator"), *arguments],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        assert "serves 'pets-" in orchestrator("deploy")
        assert json.loads(orchestrator("invoke", "--body", "request.json"))["label"] == "cat"
        orchestrator("destroy", "--yes")
    finally:
        orchestrator("local-cloud", "stop")
