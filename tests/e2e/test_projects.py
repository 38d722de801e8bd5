"""From an empty environment and the wheel to an endpoint that answers, for every kind of project."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core.tasks import OPTIONS
from tests.support.installed import Installed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def state(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return where the local cloud is kept that all projects are deployed to."""
    state = tmp_path_factory.mktemp("state")
    yield state
    installed.run(["orchestrator", "local-cloud", "stop"], state, state)


def first_console_block(readme: Path) -> str:
    """Return the commands of the first block in ``readme`` that shows a terminal."""
    block = re.search(r"```console\n(.*?)```", readme.read_text("utf-8"), re.DOTALL)
    assert block is not None
    return block[1].replace("$ ", "")


@pytest.mark.parametrize("task", OPTIONS)
def test_a_new_project_is_deployed_and_answers_and_its_own_check_passes(
    task: str, installed: Installed, state: Path, tmp_path: Path
) -> None:
    project = tmp_path / task
    installed.run(["orchestrator", "init", task, "--task", task], tmp_path, state)
    installed.run(["orchestrator", "package"], project, state)
    installed.run(["orchestrator", "deploy", "--env", "local"], project, state)
    told = json.loads(
        installed.run(["orchestrator", "test", "--remote", "--env", "local", "-o", "json"], project, state)
    )
    assert (told["passed"], told["failed"]) == (len(list((project / "golden").iterdir())), 0)
    example = first_console_block(project / "README.md")
    assert "orchestrator invoke" in example
    assert json.loads(installed.run(["sh", "-euc", example], project, state))
    # The endpoint's machine is needed by others.
    installed.run(["orchestrator", "destroy", "--yes"], project, state)
    installed.run(["ci/check.sh"], project, state)
    assert {path.name for path in (project / "reports").iterdir()} == {
        "archive.xml",
        "endpoint.xml",
        "pytest.xml",
    }
