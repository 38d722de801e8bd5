"""Each project that `init` can begin packages and answers, and its training makes as good a model again."""

import json
import py_compile
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orchestrator.cli import boundary, main
from orchestrator.core.tasks import OPTIONS

pytestmark = pytest.mark.slow

TEMPLATES = Path(__file__).parents[2] / "templates" / "projects"
MAX_WEIGHTS_BYTES = 100_000
TRAINING_SECONDS = 300
# The interpreter imports torch once, and each project is trained in a copy of the process.
TRAINING = """
import os, runpy, sys, torch
for folder in sys.argv[1:]:
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        sys.path.insert(0, folder)
        sys.argv = ["train.py"]
        runpy.run_path("train.py", run_name="__main__")
        sys.stdout.flush()
        os._exit(0)
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"training in {folder} failed")
"""


def run(*arguments: str) -> int:
    return boundary.run(main.cli, arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a copy of each project that was trained again, without weights to begin with."""
    root = tmp_path_factory.mktemp("trained")
    ignored = shutil.ignore_patterns("artifacts", "golden", "vocabulary.txt", "__pycache__")
    for task in OPTIONS:
        shutil.copytree(TEMPLATES / task, root / task, ignore=ignored)
    folders = [str(root / task) for task in OPTIONS]
    command = [sys.executable, "-B", "-c", TRAINING, *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TRAINING_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.parametrize("task", OPTIONS)
def test_a_new_project_packages_and_answers_its_golden_cases(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert run("init", "demo", "--task", task, "-q") == 0
    monkeypatch.chdir(tmp_path / "demo")
    capsys.readouterr()
    assert run("package", "-q", "-o", "json") == 0
    packaged = json.loads(capsys.readouterr().out)
    assert packaged["golden_cases"] == len(list((TEMPLATES / task / "golden").iterdir()))
    assert run("verify", "model.tar.gz") == 0


@pytest.mark.parametrize("task", OPTIONS)
def test_training_makes_as_good_a_model_again(task: str, trained: Path) -> None:
    shipped, again = (
        json.loads((root / task / "artifacts" / "metrics.json").read_text()) for root in (TEMPLATES, trained)
    )
    if "accuracy" in shipped:
        assert shipped["accuracy"] >= 0.95
        assert again["accuracy"] >= shipped["accuracy"] - 0.05
    else:
        assert shipped["mean_error_kw"] < shipped["mean_error_of_repeating_kw"]
        assert again["mean_error_kw"] <= shipped["mean_error_kw"] * 1.05


@pytest.mark.parametrize("task", OPTIONS)
def test_training_writes_just_the_files_that_are_shipped(task: str, trained: Path) -> None:
    made, shipped = (
        {
            path.relative_to(root).as_posix()
            for path in (root / task).rglob("*")
            if "__pycache__" not in path.parts
        }
        for root in (trained, TEMPLATES)
    )
    assert made == shipped


def test_what_two_projects_have_in_common_is_mended_in_both() -> None:
    # Each is whole where it lies, so that its training can be run there: ADR 45.
    one, other = (
        (TEMPLATES / task / "src" / "messages.py").read_text("utf-8")
        for task in ("text-classification", "embeddings")
    )
    assert one == other


@pytest.mark.parametrize("task", OPTIONS)
def test_a_project_is_small_and_its_files_are_what_they_should_be(task: str, tmp_path: Path) -> None:
    weights = TEMPLATES / task / "artifacts" / "model.safetensors"
    assert weights.stat().st_size < MAX_WEIGHTS_BYTES
    for number, source in enumerate((TEMPLATES / task).rglob("*.py")):
        py_compile.compile(str(source), str(tmp_path / f"{number}.pyc"), doraise=True)


@pytest.mark.parametrize("task", OPTIONS)
def test_a_project_satisfies_the_rules_that_ruff_has_by_default(task: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", str(TEMPLATES / task)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("task", OPTIONS)
def test_the_spec_names_an_environment_in_comments_that_would_be_right(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("init", "--name", "demo", "--task", task) == 0
    spec = tmp_path / "orchestrator.toml"
    above, mark, below = spec.read_text("utf-8").partition("# [env.prod]")
    uncommented = "".join(line.removeprefix("# ") for line in (mark + below).splitlines(keepends=True))
    assert tomllib.loads(uncommented).keys() == {"env"}
    spec.write_text(above + uncommented, "utf-8")
    capsys.readouterr()
    assert run("config", "show", "--env", "prod", "-o", "json") == 0
    assert "acme-models" in capsys.readouterr().out
