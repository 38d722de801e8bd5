"""The Python API: what importing it costs, which project it opens, and what it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator
from orchestrator.adapters import commits
from orchestrator.api.project import Project
from orchestrator.api.projects import Projects
from orchestrator.core.errors import SpecError
from orchestrator.usecases.many import Stop

ONE = """
version = 1
name = "pets"
model.path = "model.safetensors"
model.class = "src/net.py:Net"
"""
MANY = ONE + '[endpoints.cats]\nregion = "eu-west-1"\n[endpoints.dogs]\nregion = "eu-central-1"\n'
HEAVY = ("boto3", "botocore", "torch", "pydantic", "jinja2", "numpy", "moto")


def spec(folder: Path, text: str) -> str:
    path = folder / "orchestrator.toml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    "program",
    [
        "import orchestrator",
        "from orchestrator.cli.main import cli",
        "from orchestrator import Project",
        "import orchestrator.api.projects, orchestrator.cli.deploy_all",
    ],
)
def test_what_is_not_used_is_not_imported(program: str) -> None:
    check = f"{program}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_package_hands_out_what_its_all_says_and_nothing_else() -> None:
    assert orchestrator.Project is Project
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Projekt'"):
        getattr(orchestrator, "Projekt")  # noqa: B009 - mypy would see through the plain spelling


def test_opening_a_project_connects_to_nothing(tmp_path: Path) -> None:
    project = Project.open(spec(tmp_path, ONE))
    assert project.name == "pets"
    assert project.spec.target.region == "eu-west-1"


def test_settings_stand_in_for_keys_of_the_spec(tmp_path: Path) -> None:
    project = Project.open(spec(tmp_path, ONE), settings={"region": "us-east-1"})
    assert project.spec.target.region == "us-east-1"


def test_of_several_endpoints_one_has_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="2 endpoints, and none was named") as caught:
        Project.open(spec(tmp_path, MANY))
    assert ("known", "cats, dogs") in caught.value.details


def test_a_named_endpoint_has_its_own_settings(tmp_path: Path) -> None:
    project = Project.open(spec(tmp_path, MANY), endpoint="dogs")
    assert (project.name, project.spec.target.region) == ("dogs", "eu-central-1")


def test_an_endpoint_that_the_spec_does_not_know_can_be_looked_at_and_not_deployed(tmp_path: Path) -> None:
    project = Project.open(spec(tmp_path, MANY), endpoint="owls")
    assert project.name == "owls"
    with pytest.raises(SpecError, match="no endpoint 'owls'"):
        project.plan()


def test_all_endpoints_are_in_the_order_of_the_spec(tmp_path: Path) -> None:
    assert Projects.open(spec(tmp_path, MANY)).names == ("cats", "dogs")
    assert Projects.open(spec(tmp_path, ONE)).names == ("pets",)


def test_no_endpoints_are_refused() -> None:
    with pytest.raises(SpecError, match="no endpoint to deploy"):
        Projects([], Stop())


def test_a_folder_outside_of_a_repository_has_the_commit_that_the_ci_system_names(tmp_path: Path) -> None:
    assert commits.describe(str(tmp_path), {}) == ""
    assert commits.describe(str(tmp_path), {"GITHUB_SHA": "f" * 40}) == "f" * 40
    assert len(commits.describe(str(tmp_path), {"GITHUB_SHA": "f" * 4000})) <= 64


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *author, *arguments], check=True, capture_output=True)


def test_a_commit_is_marked_if_files_differ_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    spec(tmp_path, ONE)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    clean = commits.describe(str(tmp_path), {"GITHUB_SHA": "not this"})
    spec(tmp_path, MANY)
    assert len(clean) == 40
    assert commits.describe(str(tmp_path), {}) == f"{clean}-dirty"
