"""Where words go: data to stdout, talk to stderr."""

import json
import sys
from collections.abc import Sequence

import click

from orchestrator.cli.options import Options, is_terminal
from orchestrator.cli.plain import one_line, plain
from orchestrator.core.errors import RefusedError


class Terminal:
    """Speaks to the person, or to the script, that called."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.live = is_terminal(sys.stderr) and not options.quiet

    def say(self, text: str, *, style: str | None = None) -> None:
        """Tell the person what is going on."""
        if not self._options.quiet:
            click.echo(self.styled(plain(text), style), err=True, color=self._color)

    def warn(self, texts: Sequence[str]) -> None:
        """Tell the person what they should know and are not stopped by."""
        for text in texts:
            self.say(f"warning: {text}", style="yellow")

    def detail(self, text: str) -> None:
        """Tell the person more, if they asked for more."""
        if self._options.verbose:
            self.say(text)

    def result(self, text: str, document: object) -> None:
        """Give what the command is for: a text, or one JSON document."""
        if self._options.json:
            click.echo(json.dumps(document, indent=2))
        else:
            click.echo(plain(text), color=self._color)

    def status(self, text: str) -> None:
        """Replace the line that shows what is being waited for; only on a terminal."""
        if self.live:
            click.echo(f"\r\x1b[2K{one_line(text)}", nl=False, err=True)

    def draw(self, text: str) -> None:
        """Write what is drawn over later, as it is; only on a terminal."""
        if self.live:
            click.echo(text, nl=False, err=True)

    def confirm(self, question: str, *, destructive: bool) -> None:
        """Ask before something is changed.

        Raises:
            RefusedError: If the answer is no, or if nobody can be asked about something destructive.
        """
        if self._options.yes:
            return
        if not self._options.interactive:
            if destructive:
                raise RefusedError(
                    "nobody is there to confirm a destructive command",
                    details=[("state", "nothing has changed")],
                    hint="run it again with --yes",
                )
            return
        if not click.confirm(one_line(question), err=True):
            raise RefusedError("not confirmed", details=[("state", "nothing has changed")])

    def styled(self, text: str, style: str | None) -> str:
        """Return ``text`` in a colour, where colours are shown."""
        return click.style(text, fg=style) if style else text

    @property
    def _color(self) -> bool | None:
        return False if self._options.no_color else None
