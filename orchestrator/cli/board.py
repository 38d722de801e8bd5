"""Show many deployments at once: on a terminal a line for each under way, in a log a line with its name."""

import shutil
import threading
from collections.abc import Callable, Sequence

from orchestrator.cli.plain import one_line
from orchestrator.cli.progress import gist, watched
from orchestrator.cli.render import counted
from orchestrator.cli.terminal import Terminal
from orchestrator.core.ports import Watch
from orchestrator.core.steps import Step, describe


class Board:
    """The lines of all endpoints; safe to write to from several threads.

    Args:
        terminal: Where to.
        total: How many endpoints there are.
        columns: How wide the terminal is.
    """

    def __init__(
        self,
        terminal: Terminal,
        total: int,
        columns: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._terminal = terminal
        self._total = total
        self._columns = columns
        self._lock = threading.Lock()
        self._lines: dict[str, str] = {}
        self._ended = 0
        self._drawn = 0

    def show(self, name: str, text: str) -> None:
        """Replace the line of an endpoint that is under way; in a log, nothing is written."""
        with self._lock:
            self._lines[name] = text
            self._draw()

    def tell(self, name: str, text: str) -> None:
        """Write a line about an endpoint that stays."""
        with self._lock:
            self._wipe()
            self._terminal.say(f"{name}: {text}")
            self._draw()

    def end(self, name: str, text: str) -> None:
        """Write what became of an endpoint, whose line is no longer needed."""
        with self._lock:
            self._wipe()
            self._lines.pop(name, None)
            self._ended += 1
            self._terminal.say(f"{name}: {text}")
            if self._ended < self._total:
                self._draw()

    def progress(self, name: str) -> "BoardProgress":
        """Return the `Progress` port of one endpoint."""
        return BoardProgress(self, name, live=self._terminal.live)

    def _wipe(self) -> None:
        if self._drawn:
            # Back to the beginning of the first line that was drawn, and clear from there on.
            self._terminal.draw(f"\x1b[{self._drawn}F\x1b[0J")
            self._drawn = 0

    def _draw(self) -> None:
        if not self._terminal.live:
            return
        self._wipe()
        width = max(self._columns() - 1, 1)
        summary = f"{self._ended} of {self._total} done, {len(self._lines)} under way"
        lines = [*(f"{name}: {text}" for name, text in self._lines.items()), summary]
        self._terminal.draw("".join(f"{one_line(line)[:width]}\n" for line in lines))
        self._drawn = len(lines)


class BoardProgress:
    """The `Progress` port of one endpoint on a `Board`."""

    def __init__(self, board: Board, name: str, *, live: bool) -> None:
        self._board = board
        self._name = name
        self._live = live
        self._gist: tuple[object, ...] = ()

    def started(self, step: Step, number: int, total: int) -> None:
        """Announce a step."""
        self._say(f"[{number}/{total}] {describe(step)}")

    def waiting(self, watch: Watch) -> None:
        """Show what is being waited for; in a log, when it is another thing than before."""
        text = watched(watch).removeprefix(f"{watch.endpoint}: ")
        if self._live:
            self._board.show(self._name, text)
        elif gist(watch) != self._gist:
            self._gist = gist(watch)
            self._board.tell(self._name, text)

    def finished(self, step: Step) -> None:
        """Say nothing: the next step says it."""

    def asking(self, cases: Sequence[str]) -> None:
        """Announce the golden cases."""
        self._say(
            f"asking {counted(len(cases), 'golden case')}"
            if cases
            else "no golden cases: no answer is checked"
        )

    def _say(self, text: str) -> None:
        if self._live:
            self._board.show(self._name, text)
        else:
            self._board.tell(self._name, text)
