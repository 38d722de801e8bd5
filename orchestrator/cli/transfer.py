"""Show bytes going by: on a terminal a line that changes, in a log a line at the end and one a minute."""

import shutil
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.cli.render import size
from orchestrator.cli.terminal import Terminal

_REDRAW_SECONDS = 0.1
_LOG_EVERY_SECONDS = 60.0
_WORTH_A_LINE_SECONDS = 1.0
_WINDOW_SECONDS = 15.0
_BAR = 24
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a transfer is.

    Attributes:
        total_bytes: What is expected, or ``None``; more may come.
        rate: Bytes a second, lately; 0 where it cannot be told yet.
    """

    doing: str
    done_bytes: int
    total_bytes: int | None
    rate: float


def line(moved: Moved, columns: int = 80) -> str:
    """Return what a terminal shows of a transfer, in at most ``columns`` characters.

    >>> line(Moved("sending", 250_000_000, 1_000_000_000, 50e6), columns=90)
    'sending  [######..................]  250.0 MB of about 1.0 GB, 50.0 MB/s, 15 s left'
    """
    told = f"{moved.doing}  {_bar(moved)}{amounts(moved)}"
    if len(told) > columns:
        told = f"{moved.doing}  {amounts(moved)}"
    return told[:columns]


def amounts(moved: Moved) -> str:
    """Return the numbers of a transfer.

    >>> amounts(Moved("hashing", 2_500, None, 0.0))
    '2 kB'
    """
    known = moved.total_bytes is not None and moved.done_bytes <= moved.total_bytes
    parts = [size(moved.done_bytes) + (f" of about {size(moved.total_bytes or 0)}" if known else "")]
    if moved.rate > 0:
        parts.append(f"{size(round(moved.rate))}/s")
        if known:
            parts.append(f"{duration(((moved.total_bytes or 0) - moved.done_bytes) / moved.rate)} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a length of time as people read it.

    >>> duration(7.4), duration(135), duration(7500)
    ('7 s', '2 min 15 s', '2 h 5 min')
    """
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"


def _bar(moved: Moved) -> str:
    if not moved.total_bytes:
        return ""
    full = min(_BAR, _BAR * moved.done_bytes // moved.total_bytes)
    return f"[{'#' * full}{'.' * (_BAR - full)}]  "


class TerminalTransfer:
    """The `Transfer` port on a terminal.

    Args:
        terminal: Where to.
        clock: Seconds, from any moment on.
        columns: How wide the terminal is.
    """

    def __init__(
        self,
        terminal: Terminal,
        clock: Callable[[], float] = time.monotonic,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._terminal = terminal
        self._clock = clock
        self._columns = columns
        self.started("", None)

    def started(self, doing: str, total_bytes: int | None) -> None:
        """Begin to show what is being done to so many bytes, if it is known how many."""
        now = self._clock()
        self._doing, self._total, self._done = doing, total_bytes, 0
        self._began, self._shown = now, now
        self._samples = deque([(now, 0)])

    def moved(self, count_bytes: int) -> None:
        """Count bytes, and show them if that is due."""
        self._done += count_bytes
        now = self._clock()
        if self._terminal.live:
            if now - self._shown >= _REDRAW_SECONDS:
                self._sample(now)
                self._shown = now
                self._terminal.status(line(self._state(self._recent_rate()), self._columns() - 1))
        elif now - self._shown >= _LOG_EVERY_SECONDS:
            self._sample(now)
            self._shown = now
            self._terminal.say(f"{self._doing}: {amounts(self._state(self._recent_rate()))}")

    def finished(self) -> None:
        """Clear the line; in a log, say how much it was, unless it took no time."""
        self._terminal.status("")
        took = self._clock() - self._began
        if not self._terminal.live and self._done and took >= _WORTH_A_LINE_SECONDS:
            rate = f"{size(round(self._done / took))}/s"
            self._terminal.say(f"{self._doing}: {size(self._done)} in {duration(took)}, {rate}")

    def _state(self, rate: float) -> Moved:
        return Moved(self._doing, self._done, self._total, rate)

    def _sample(self, now: float) -> None:
        # What was there already comes at once and says nothing about the connection; the last seconds do.
        self._samples.append((now, self._done))
        while len(self._samples) > 2 and now - self._samples[0][0] > _WINDOW_SECONDS:  # noqa: PLR2004 - two make a rate
            self._samples.popleft()

    def _recent_rate(self) -> float:
        (began, before), (now, done) = self._samples[0], self._samples[-1]
        return (done - before) / (now - began) if now > began else 0.0
