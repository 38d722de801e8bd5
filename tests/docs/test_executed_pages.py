"""The README, the tutorial and the how-tos do what they say: their blocks are run, their outputs compared."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import pages
from tests.support.pages import ROOT, Block, Step

_RUN = ("docs/tutorial", "docs/how-to")
PAGES = [ROOT / "README.md", *(path for folder in _RUN for path in sorted((ROOT / folder).rglob("*.md")))]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder with a copy of the examples; no local cloud of it outlives the test."""
    pages.copy_examples(tmp_path)
    yield tmp_path
    pages.stop_cloud(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=NAMES)
def test_a_page_does_and_prints_what_it_says(path: Path, folder: Path) -> None:
    steps = pages.runnable(path)
    code, transcript = pages.run(pages.script_of(steps), folder)
    left = pages.processes_of(folder)
    assert code == 0, f"a block failed:\n{transcript}"
    missing = pages.missing(steps, transcript)
    assert not missing, "\n".join(["the page shows what was not printed:", *missing, transcript])
    assert not left, f"the page left processes behind: {left}"


def test_a_block_is_paired_with_the_text_right_after_it() -> None:
    markdown = "```sh\ntrue\n```\n\n```sh\necho 1\n```\nprints\n```text\n1\n```\n```console\n$ rm\n```\n"
    assert list(pages.steps(markdown)) == [Step(1, "true\n", ()), Step(5, "echo 1\n", ("1",))]


def test_text_after_a_block_of_another_kind_is_no_output() -> None:
    markdown = "```sh\ntrue\n```\n```console\n$ orchestrator deploy\n```\n```text\ndone\n```\n"
    assert list(pages.steps(markdown)) == [Step(1, "true\n", ())]


def test_a_block_within_a_list_loses_the_lists_indentation() -> None:
    (block,) = pages.blocks("1. First\n\n   ```toml file=a.toml\n   a = 1\n     b = 2\n   ```\n")
    assert block == Block(3, "toml", ("file=a.toml",), "a = 1\n  b = 2\n")


def test_a_block_with_a_files_name_is_written_and_one_of_python_can_be_run(folder: Path) -> None:
    markdown = (
        "```toml file=new/a.toml\nprice = '$HOME'\n```\n```toml append=new/a.toml\nb = 2\n```\n"
        "```python run\nimport tomllib\nprint(tomllib.load(open('new/a.toml', 'rb')))\n```\n"
        "```text\n{'price': '$HOME', 'b': 2}\n```\n```python\nraise SystemExit(1)\n```\n"
    )
    steps = list(pages.steps(markdown))
    code, transcript = pages.run(pages.script_of(steps), folder)
    assert code == 0, transcript
    assert pages.missing(steps, transcript) == []


def test_shown_lines_are_compared_but_for_what_varies() -> None:
    printed = "  + model digits-91e2b901f2cf\nexit code 4\ntook 21 s, 97.2%\n"
    assert pages.is_printed("+ model digits-000000000000", printed)
    assert pages.is_printed("took 60 s, …", printed)
    assert not pages.is_printed("exit code 5", printed)
    assert not pages.is_printed("+ model", printed)


def test_a_failing_block_ends_the_script_with_its_output(folder: Path) -> None:
    steps = [Step(1, "echo before\nfalse\n", ()), Step(5, "echo after\n", ())]
    code, transcript = pages.run(pages.script_of(steps), folder)
    assert code == 1
    assert "before" in transcript
    assert "after" not in transcript


def test_a_process_that_is_left_behind_is_found(folder: Path) -> None:
    command = ["bash", "-c", "echo started; read -r"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=pages.surroundings(folder), stdin=pipe, stdout=pipe) as left:
        stdin, stdout = left.stdin, left.stdout
        assert stdin is not None
        assert stdout is not None
        assert stdout.readline() == b"started\n"
        assert pages.processes_of(folder) == ["bash -c echo started; read -r "]
        stdin.close()
    assert pages.processes_of(folder) == []
