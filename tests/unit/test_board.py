"""Progress: what is shown of one change and of many, on a terminal and in a log."""

import io
import re
from contextlib import redirect_stderr

import pytest

from orchestrator.cli.board import Board
from orchestrator.cli.options import Options
from orchestrator.cli.progress import TerminalProgress, watched
from orchestrator.cli.terminal import Terminal
from orchestrator.core.ports import Watch
from orchestrator.core.steps import DeleteEndpoint

STEP = DeleteEndpoint("owl")


class Screen(io.StringIO):
    """A terminal that shows what is written to it, and understands what the board sends."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """Return the lines that a person sees in the end."""
        lines = [""]
        for part in re.split(r"(\n|\x1b\[\d+F|\x1b\[0J)", self.getvalue()):
            if part == "\n":
                lines.append("")
            elif part.endswith("F") and part.startswith("\x1b"):
                lines = [*lines[: len(lines) - 1 - int(part[2:-1])], ""]
            elif part != "\x1b[0J":
                lines[-1] += part
        return lines[:-1]


def watch(name: str = "owl", *, elapsed: float = 5.0, stage: str = "") -> Watch:
    return Watch(name, "Updating", elapsed, 3600.0 - elapsed, stage=stage)


def board(total: int, columns: int = 80) -> Board:
    return Board(Terminal(Options()), total, lambda: columns)


def test_what_nobody_knows_of_a_change_is_left_out() -> None:
    assert watched(watch()) == "owl: Updating, 5 s, 59 min 55 s left to watch"


def test_no_traffic_yet_is_something_that_is_known() -> None:
    shown = watched(Watch("owl", "Updating", 0.0, 60.0, share=0.0))
    assert "0 % of traffic on the new fleet" in shown


def test_in_a_log_a_change_gets_a_line_when_it_enters_another_stage_or_a_minute_has_passed() -> None:
    with redirect_stderr(io.StringIO()) as log:
        progress = TerminalProgress(Terminal(Options()))
        progress.started(STEP, 1, 2)
        for second in range(0, 130, 5):
            progress.waiting(watch(elapsed=second, stage="Baking" if second >= 20 else "Creating"))
    lines = log.getvalue().splitlines()
    assert lines[0] == "[1/2] - endpoint owl"
    assert [re.search(r"(\w+), ([\w ]+ s|\d+ min), ", line) is not None for line in lines[1:]] == [True] * 3
    assert ["Creating" in line for line in lines[1:]] == [True, False, False]


def test_on_a_terminal_each_endpoint_under_way_has_a_line_and_the_rest_stays_above() -> None:
    with redirect_stderr(Screen()) as screen:
        shown = board(3)
        shown.progress("cat").waiting(watch("cat", stage="Creating"))
        shown.progress("owl").waiting(watch("owl", stage="Creating"))
        shown.progress("cat").waiting(watch("cat", stage="Baking"))
        shown.end("owl", "serves")
    assert screen.shown() == [
        "owl: serves",
        "cat: Updating, Baking, 5 s, 59 min 55 s left to watch",
        "1 of 3 done, 1 under way",
    ]


def test_at_the_end_nothing_is_left_but_what_became_of_each() -> None:
    with redirect_stderr(Screen()) as screen:
        shown = board(2)
        for name in ("cat", "owl"):
            shown.progress(name).started(STEP, 1, 1)
        shown.end("owl", "serves")
        shown.end("cat", "error[refused]: no")
    assert screen.shown() == ["owl: serves", "cat: error[refused]: no"]


@pytest.mark.parametrize("columns", [1, 20, 79])
def test_no_line_that_is_drawn_over_runs_over(columns: int) -> None:
    with redirect_stderr(Screen()) as screen:
        board(1, columns).show("owl", "x" * 300)
    assert all(len(line) < max(columns, 2) for line in screen.shown())


def test_in_a_log_every_line_has_the_name_of_its_endpoint_and_says_something_new() -> None:
    with redirect_stderr(io.StringIO()) as log:
        shown = board(2)
        progress = shown.progress("owl")
        progress.started(STEP, 1, 2)
        for second in range(50):
            progress.waiting(watch(elapsed=second))
        progress.asking(["seven"])
        shown.end("owl", "serves")
    assert [line.partition(":")[0] for line in log.getvalue().splitlines()] == ["owl"] * 4
    assert "\x1b" not in log.getvalue()
