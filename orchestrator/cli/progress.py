"""Show a plan being carried out: on a terminal a line that changes, in a log a line per step."""

from collections.abc import Sequence

from orchestrator.cli.render import counted
from orchestrator.cli.terminal import Terminal
from orchestrator.core.steps import Step, describe

_LOG_EVERY_SECONDS = 60.0


class TerminalProgress:
    """The `Progress` port on a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown = ("", 0.0)

    def started(self, step: Step, number: int, total: int) -> None:
        """Announce a step."""
        self._terminal.say(f"[{number}/{total}] {describe(step)}")
        self._shown = ("", 0.0)

    def waiting(self, endpoint: str, status: str, elapsed_seconds: float) -> None:
        """Show what is being waited for."""
        text = f"      {endpoint}: {status}, {elapsed_seconds:.0f} s"
        self._terminal.status(text)
        seen, at = self._shown
        if not self._terminal.live and (seen != status or elapsed_seconds - at >= _LOG_EVERY_SECONDS):
            self._terminal.say(text)
            self._shown = (status, elapsed_seconds)

    def finished(self, step: Step) -> None:
        """Clear what was being waited for."""
        self._terminal.status("")
        self._terminal.detail(f"      done: {describe(step)}")

    def asking(self, cases: Sequence[str]) -> None:
        """Announce the golden cases."""
        self._terminal.status("")
        if cases:
            self._terminal.say(f"      asking {counted(len(cases), 'golden case')}")
        else:
            self._terminal.say(
                "      no golden cases: in service, but no answer has been checked", style="yellow"
            )
