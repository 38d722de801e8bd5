"""The fixtures of pytest in fresh projects, each in a run of its own."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, parse

import pytest

from tests.support.commands import OWL, write_files

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "testing.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
OURS = """
import os

import boto3
import pytest


def test_the_variables_are_as_they_were_around(monkeypatch):
    assert os.environ["AWS_PROFILE"] == "nobody"
    assert "AWS_ENDPOINT_URL" not in os.environ


def test_code_under_test_finds_the_endpoint_and_no_account(orchestrator_endpoint):
    assert not {"AWS_PROFILE", "ORCHESTRATOR_ENV"} & set(os.environ)
    runtime = boto3.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(
        EndpointName=orchestrator_endpoint.name,
        ContentType="application/json",
        Body=b'{"image": [[[0, 9], [0, 0]]]}',
    )
    assert b'"dog"' in answer["Body"].read()


def test_an_error_of_the_model_fails_a_test(orchestrator_endpoint):
    with pytest.raises(AssertionError, match="endpoint 'pets' answered 415"):
        orchestrator_endpoint.invoke(b"x", content_type="text/plain")


def test_two_local_clouds_at_once(orchestrator_endpoint, orchestrator_local_cloud):
    raise AssertionError("never run")
"""
EMPTY = """
import os
import subprocess
import sys

import boto3
import pytest

PROCESSES = set()


@pytest.mark.parametrize("number", range(4))
def test_it_is_empty_each_time(orchestrator_local_cloud, number):
    s3 = boto3.client("s3")
    assert s3.list_buckets()["Buckets"] == []
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})


@pytest.mark.parametrize("number", range(2))
def test_it_is_the_same_one(orchestrator_local_cloud, number):
    PROCESSES.add(orchestrator_local_cloud.pid)
    assert len(PROCESSES) == 1


def test_commands_find_it(orchestrator_local_cloud):
    command = [sys.executable, "-m", "orchestrator", "local-cloud", "status", "-o", "json"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert orchestrator_local_cloud.url in told
"""
HIDDEN = """
import sys

sys.modules["moto"] = None
"""
WITHOUT = """
def test_who_asks_for_a_local_cloud(orchestrator_local_cloud):
    pass


def test_who_asks_for_an_endpoint(orchestrator_endpoint):
    pass


def test_who_asks_for_nothing():
    pass
"""


SHARED = """
import types

import pytest


class Named:
    def once(self, key, make):
        spec, name, options = key
        cloud = types.SimpleNamespace(environment={})
        return types.SimpleNamespace(spec=spec, name=name, options=options, cloud=cloud)


@pytest.fixture(scope="session")
def orchestrator_lasting():
    return Named()
"""
OWN = """
import pytest


@pytest.fixture(scope="session")
def orchestrator_endpoint_name():
    return "{name}"


@pytest.fixture(scope="session")
def orchestrator_local_cloud_options():
    return {{"speed": {speed}}}
"""
WHOSE = """
from pathlib import Path


def test_{name}(orchestrator_endpoint, orchestrator_golden_case):
    assert Path(orchestrator_endpoint.spec).parent == Path(__file__).parents[1]
    assert (orchestrator_endpoint.name, orchestrator_endpoint.options) == ("{name}", "[('speed', {speed})]")
"""


@dataclass(frozen=True)
class Ran:
    """What a run of pytest has reported.

    Attributes:
        outcomes: By the test's name, ``passed`` or what was said of it.
        out: All that it has written.
    """

    outcomes: dict[str, str]
    out: str

    @property
    def wrong(self) -> dict[str, str]:
        return {name: said for name, said in self.outcomes.items() if said != "passed"}


def ran(folder: Path, *arguments: str) -> Ran:
    """Run pytest in a folder, with all plugins that are installed, as somebody with a profile of AWS."""
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}"]
    set_ = {"PYTEST_ADDOPTS": "", "AWS_PROFILE": "nobody", "ORCHESTRATOR_ENV": "prod"}
    done = subprocess.run(
        [*command, *arguments],
        cwd=folder,
        env={**os.environ, **set_},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    found = parse(report).iter("testcase") if report.exists() else ()  # noqa: S314 - of our own run
    return Ran({case.attrib["name"]: _outcome(case) for case in found}, done.stdout + done.stderr)


def _outcome(case: Element) -> str:
    return next((f"{child.attrib.get('message')}\n{child.text}" for child in case), "passed")


def test_the_page_is_all_that_a_project_needs(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / "golden" / "wrong.json").write_text(OWL.replace('"owl"', '"dog"'), "utf-8")
    spec = tmp_path / "orchestrator.toml"
    # Only what the fixture shows is to be wrong: the deployment itself has to pass its golden cases.
    spec.write_text(spec.read_text("utf-8").replace("golden/*.json", "golden/owl.json"), "utf-8")
    (tmp_path / "tests").mkdir()
    for number, block in enumerate(BLOCKS):
        (tmp_path / "tests" / f"test_block_{number}.py").write_text(block, "utf-8")
    (tmp_path / "tests" / "test_ours.py").write_text(OURS, "utf-8")
    done = ran(tmp_path, "tests")
    assert len(BLOCKS) == 4
    assert "test_the_endpoint_answers_its_golden_cases[golden/owl.json]" in done.outcomes, done.out
    assert len(done.outcomes) == 7, done.out
    assert list(done.wrong) == ["test_two_local_clouds_at_once"], done.out
    assert "which are in two local clouds" in done.wrong["test_two_local_clouds_at_once"]


def test_each_worker_has_a_local_cloud_that_is_empty_for_each_test(tmp_path: Path) -> None:
    (tmp_path / "test_empty.py").write_text(EMPTY, "utf-8")
    done = ran(tmp_path, "-n", "2")
    assert (len(done.outcomes), done.wrong) == (7, {}), done.out


def test_each_folder_of_a_run_has_its_own_project_endpoint_and_options(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SHARED, "utf-8")
    wanted = (("north", "cats", 10), ("south", "cats", 20), ("only", "dogs", 30))
    for name, project, speed in wanted:
        write_files(tmp_path / project)
        tests = tmp_path / project / name
        tests.mkdir()
        (tests / "conftest.py").write_text(OWN.format(name=name, speed=speed), "utf-8")
        (tests / f"test_{name}.py").write_text(WHOSE.format(name=name, speed=speed), "utf-8")
    done = ran(tmp_path, "--import-mode=importlib")
    names = {f"test_{name}[golden/owl.json]" for name, _, _ in wanted}
    assert (set(done.outcomes), done.wrong) == (names, {}), done.out


def test_what_is_not_installed_or_not_there_is_missed_only_by_who_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(HIDDEN, "utf-8")
    (tmp_path / "test_without.py").write_text(WITHOUT, "utf-8")
    golden = "def test_golden(orchestrator_golden_case):\n    pass\n"
    (tmp_path / "test_golden.py").write_text(golden, "utf-8")
    done = ran(tmp_path, "--continue-on-collection-errors")
    assert done.outcomes["test_who_asks_for_nothing"] == "passed"
    missing = done.wrong["test_who_asks_for_a_local_cloud"]
    assert "the local cloud needs the extra 'local', which is not installed" in missing
    assert "pip install 'cloud-deployment-orchestrator[local]'" in missing
    for where in (done.wrong["test_who_asks_for_an_endpoint"], done.out):
        assert f"there is no orchestrator.toml in {tmp_path} or above" in where
    assert "Traceback" not in done.out


def test_whoever_asks_for_nothing_pays_for_nothing() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import orchestrator.testing.plugin; "
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('__')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['orchestrator', 'orchestrator.testing', 'orchestrator.testing.plugin']"
