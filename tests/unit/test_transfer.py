"""What is shown of bytes that go by, at moments that the tests choose."""

from dataclasses import dataclass, field

import pytest

from orchestrator.cli.options import Options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import Moved, TerminalTransfer, amounts, duration, line


@dataclass
class Moment:
    """A clock that stands still."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Shown:
    """A transfer and what has been shown of it."""

    live: bool
    quiet: bool = False
    clock: Moment = field(default_factory=Moment)

    def transfer(self) -> TerminalTransfer:
        terminal = Terminal(Options(quiet=self.quiet))
        terminal.live = self.live
        return TerminalTransfer(terminal, self.clock, lambda: 100)


def test_a_terminal_sees_a_bar_the_bytes_the_rate_and_the_time_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = Shown(live=True)
    transfer = shown.transfer()
    transfer.started("sending", 100_000_000)
    shown.clock.now += 2
    transfer.moved(50_000_000)
    told = capsys.readouterr().err
    assert "sending  [############............]  50.0 MB of about 100.0 MB, 25.0 MB/s, 2 s left" in told
    transfer.finished()
    assert (
        capsys.readouterr().err == "\r"
    )  # click leaves out the code that clears it, since this is no terminal


def test_the_line_is_drawn_at_most_ten_times_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown(live=True)
    transfer = shown.transfer()
    transfer.started("sending", 1_000_000)
    for _ in range(1000):
        shown.clock.now += 0.001
        transfer.moved(1000)
    assert 8 <= capsys.readouterr().err.count("sending") <= 10


def test_the_rate_is_that_of_the_last_seconds_and_not_of_what_was_there_already(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = Shown(live=True)
    transfer = shown.transfer()
    transfer.started("sending", 10_000_000_000)
    transfer.moved(5_000_000_000)
    for _ in range(40):
        shown.clock.now += 1
        transfer.moved(1_000_000)
    assert "1.0 MB/s" in capsys.readouterr().err.rpartition("sending")[2]


def test_a_log_gets_one_line_at_the_end_with_bytes_seconds_and_rate(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = Shown(live=False)
    transfer = shown.transfer()
    transfer.started("sending", 100_000_000)
    for _ in range(50):
        shown.clock.now += 1
        transfer.moved(2_000_000)
    transfer.finished()
    assert capsys.readouterr().err == "sending: 100.0 MB in 50 s, 2.0 MB/s\n"


def test_a_long_transfer_says_once_a_minute_in_a_log_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = Shown(live=False)
    transfer = shown.transfer()
    transfer.started("sending", 1_000_000_000)
    for _ in range(150):
        shown.clock.now += 1
        transfer.moved(1_000_000)
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "sending: 60.0 MB of about 1.0 GB, 1.0 MB/s, 15 min 40 s left"
    assert len(told) == 2


@pytest.mark.parametrize("moved", [0, 10])
def test_what_took_no_time_needs_no_words_in_a_log(capsys: pytest.CaptureFixture[str], moved: int) -> None:
    transfer = Shown(live=False).transfer()
    transfer.started("sending", 10)
    transfer.moved(moved)
    transfer.finished()
    assert capsys.readouterr().err == ""


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown(live=False, quiet=True)
    transfer = shown.transfer()
    transfer.started("sending", 10)
    shown.clock.now += 1000
    transfer.moved(10)
    transfer.finished()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("columns", [10, 40, 79, 200])
def test_the_line_never_runs_over(columns: int) -> None:
    assert len(line(Moved("packing and sending", 1, 10**12, 1.0), columns)) <= columns


def test_more_than_was_expected_is_no_longer_compared_with_it() -> None:
    assert amounts(Moved("sending", 2000, 1000, 1000.0)) == "2 kB, 1 kB/s"
    assert "[########################]" in line(Moved("sending", 2000, 1000, 1000.0))


def test_times_are_told_in_the_units_that_fit() -> None:
    assert [duration(seconds) for seconds in (0, 59.4, 59.6, 3600)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "1 h 0 min",
    ]
