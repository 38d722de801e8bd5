"""Show a plan being carried out: on a terminal a line that changes, in a log a line per step."""

from collections.abc import Sequence

from orchestrator.cli.render import counted
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import duration
from orchestrator.core.ports import Watch
from orchestrator.core.steps import Step, describe

_LOG_EVERY_SECONDS = 60.0


def watched(watch: Watch) -> str:
    """Return what can be seen of a change under way.

    >>> watched(Watch("owl", "Updating", 5.0, 505.0, stage="Baking", share=0.1, instances="2 of 4"))
    'owl: Updating, Baking, 10 % of traffic on the new fleet, 2 of 4 instances, 5 s, 8 min 25 s left to watch'
    """
    parts = [watch.status, watch.stage.rstrip(".")]
    parts += (
        [] if watch.share is None else [f"{watch.share:.0%} of traffic on the new fleet".replace("%", " %")]
    )
    parts += [f"{watch.instances} instances"] if watch.instances else []
    # Nobody knows how long AWS will take. What ends then is our patience, and the change goes on.
    parts += [duration(watch.elapsed_seconds), f"{duration(watch.left_seconds)} left to watch"]
    return f"{watch.endpoint}: {', '.join(filter(None, parts))}"


def gist(watch: Watch) -> tuple[object, ...]:
    """Return what makes it worth another line in a log: everything but the time."""
    return (watch.status, watch.stage, watch.share, watch.instances)


class TerminalProgress:
    """The `Progress` port on a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._shown: tuple[tuple[object, ...], float] = ((), 0.0)

    def started(self, step: Step, number: int, total: int) -> None:
        """Announce a step."""
        self._terminal.say(f"[{number}/{total}] {describe(step)}")
        self._shown = ((), 0.0)

    def waiting(self, watch: Watch) -> None:
        """Show what is being waited for."""
        told = f"      {watched(watch)}"
        self._terminal.status(told)
        seen, at = self._shown
        is_due = watch.elapsed_seconds - at >= _LOG_EVERY_SECONDS
        if not self._terminal.live and (seen != gist(watch) or is_due):
            self._terminal.say(told)
            self._shown = (gist(watch), watch.elapsed_seconds)

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
