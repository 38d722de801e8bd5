"""`orchestrator logs`."""

import contextlib
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime

import click

from orchestrator.api.project import Project
from orchestrator.cli import opening
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.plain import one_line
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import NotFoundError
from orchestrator.core.live import Line

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")


def _seconds(_context: click.Context, _option: click.Parameter, value: str) -> float:
    """Return how many seconds a length of time has: a number with a unit, or of minutes.

    Raises:
        click.BadParameter: If it is none.
    """
    found = _LENGTH.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(f"'{value}' is no length of time, such as 30s, 15m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2] or "m"]


@click.command("logs")
@opening.endpoint_argument
@click.option(
    "--since",
    "seconds",
    callback=_seconds,
    default="1h",
    show_default=True,
    metavar="TIME",
    help="How far back.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written, until Ctrl-C.")
@with_options
def command(options: Options, endpoint: str | None, seconds: float, *, follow: bool) -> None:
    """Show what the endpoint's containers have written lately.

    TIME is a number with s, m, h or d; without a unit, of minutes. With -f and `-o json` each line is a JSON
    document of its own, as there is no end to wait for.

    \b
    Examples:
      orchestrator logs
      orchestrator logs digits --since 5m
      orchestrator logs -f --since 0s
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    terminal = Terminal(options)
    moment = project.edge.clock.now() - seconds
    if follow:
        with contextlib.suppress(KeyboardInterrupt):  # following has no other end
            _follow(project.follow(moment), options)
        return
    lines = project.logs(moment)
    if not lines:
        _check_there(project)
        terminal.say(f"nothing was written in the last {seconds / 60:g} minutes")
    terminal.result("\n".join(lines), {"endpoint": project.name, "lines": list(lines)})


def _check_there(project: Project) -> None:
    """Tell silence from absence.

    Raises:
        NotFoundError: If there is no such endpoint.
    """
    if project.edge.cloud.endpoint(project.name) is None:
        raise NotFoundError(
            f"there is no endpoint '{project.name}', and no log of one", hint="orchestrator status"
        )


def _follow(lines: Iterable[Line], options: Options) -> None:
    for line in lines:
        if options.json:
            at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")
            click.echo(json.dumps({"at": at, "stream": line.stream, "text": line.text}))
        else:
            container = line.stream.rpartition("/")[2][-8:]
            click.echo(one_line(f"{container}  {line.text}" if container else line.text))
