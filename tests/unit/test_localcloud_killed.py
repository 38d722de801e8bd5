"""What is said of a local cloud that was killed, before another one is started."""

import json
from pathlib import Path

import pytest

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud import killed
from orchestrator.localcloud.lifecycle import STATE_FILE
from orchestrator.localcloud.wanted import Wanted


def left(folder: Path, wanted: Wanted) -> None:
    (folder / STATE_FILE).write_text(json.dumps({"options": wanted.content()}))


def test_one_with_a_state_folder_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    kept = tmp_path / "my cloud"
    kept.mkdir()
    left(tmp_path, Wanted(state=kept, speed=60.0))
    with pytest.raises(OrchestratorError, match="has ended by itself") as caught:
        killed.check(tmp_path)
    assert caught.value.hint == f"orchestrator local-cloud start --state '{kept}' --speed 60"


def test_one_that_kept_nothing_is_replaced(tmp_path: Path) -> None:
    killed.check(tmp_path)
    left(tmp_path, Wanted(speed=60.0))
    killed.check(tmp_path)


def test_one_whose_folder_is_gone_is_replaced(tmp_path: Path) -> None:
    left(tmp_path, Wanted(state=tmp_path / "gone"))
    killed.check(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"options": 3}', '{"options": {"other": 1}}'])
def test_a_file_that_says_nothing_is_no_hindrance(tmp_path: Path, content: str) -> None:
    (tmp_path / STATE_FILE).write_text(content)
    killed.check(tmp_path)
