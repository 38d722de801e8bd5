"""The comment with the plan: whatever the proposed change wrote into it, it stays a block of code."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from orchestrator.adapters import scaffold

WORKFLOW = ".github/workflows/deploy.yml"
MARK = "<!-- orchestrator plan -->"
LIMIT = 65_536
"""How many characters GitHub takes for a comment."""
# Keeps the comment, and answers the question for earlier ones with what the test says.
GH = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in *--paginate*) printf '%s' "$EARLIER" ;; *) cp comment.md posted.md ;; esac
"""


def steps(job: str) -> list[dict[str, str]]:
    (draft,) = (one for one in scaffold.recipe("github") if one.path == WORKFLOW)
    found: list[dict[str, str]] = yaml.safe_load(draft.content)["jobs"][job]["steps"]
    return found


def run_step(job: str, marked: str, folder: Path, plan: bytes, **variables: str) -> None:
    """Run the one step of ``job`` with ``marked`` in its shell, beside a plan, as GitHub does."""
    (step,) = (step for step in steps(job) if marked in step.get("run", ""))
    (folder / "reports").mkdir()
    (folder / "reports" / "plan.txt").write_bytes(plan)
    (folder / "gh").write_text(GH)
    (folder / "gh").chmod(0o700)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-e", "-c", step["run"]],
        cwd=folder,
        env={"PATH": path, "CALLS": str(folder / "calls"), "EARLIER": "", **variables},
        check=True,
        timeout=60,
    )


def commented(folder: Path, plan: bytes, earlier: str = "") -> str:
    """Return the comment that is made of ``plan``."""
    run_step(
        "comment",
        "gh api",
        folder,
        plan,
        EARLIER=earlier,
        ENVIRONMENT="prod",
        COMMIT="abc",
        RESULT="success",
        COMMENTS="all",
        ONE_COMMENT="one",
    )
    return (folder / "posted.md").read_bytes().decode(errors="replace")


def is_one_block(lines: str) -> bool:
    """Tell whether Markdown takes all of ``lines`` for code; to it a carriage return ends a line, too.

    CommonMark 0.31, "Characters and lines" and "Indented code blocks".
    """
    return all(line.startswith("    ") for line in lines.replace("\r", "\n").rstrip("\n").split("\n"))


@pytest.mark.parametrize(
    "plan",
    [
        b"+ model a\n```\n<img src=x>\n@everyone\n",
        b"+ model a\r<img src=x>\r\n\r[a link](http://x)\n",
        b"\n\n\n# heading\n",
    ],
)
def test_nothing_in_a_plan_ends_the_block_that_it_is_shown_in(plan: bytes, tmp_path: Path) -> None:
    head, _, shown = commented(tmp_path, plan).partition("\n\n")
    assert head == f"{MARK}\n`orchestrator plan --env prod` of abc: success"
    assert is_one_block(shown)


def test_nothing_in_a_plan_ends_its_block_in_the_summary_for_who_approves(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    run_step("plan", "GITHUB_STEP_SUMMARY", tmp_path, b"+ a\r<b>bold</b>\n", GITHUB_STEP_SUMMARY=str(summary))
    assert is_one_block(summary.read_bytes().decode())


def test_a_comment_is_never_longer_than_github_takes(tmp_path: Path) -> None:
    assert len(commented(tmp_path, b"x\n" * LIMIT)) < LIMIT


@pytest.mark.parametrize(
    ("earlier", "call"), [("", "--method POST all"), ("17\n9\n", "--method PATCH one/17")]
)
def test_a_later_plan_takes_the_place_of_the_earlier_one(earlier: str, call: str, tmp_path: Path) -> None:
    commented(tmp_path, b"+ model a\n", earlier)
    assert f"api {call} --field body=@comment.md --silent" in (tmp_path / "calls").read_text()
