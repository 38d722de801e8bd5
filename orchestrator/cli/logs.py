"""`orchestrator logs`."""

import click

from orchestrator.cli import wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import NotFoundError


@click.command("logs")
@click.argument("endpoint", required=False)
@click.option(
    "--since", "minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, metavar="MINUTES"
)
@with_options
def command(options: Options, endpoint: str | None, minutes: float) -> None:
    """Show what the endpoint's containers have written lately.

    \b
    Examples:
      orchestrator logs
      orchestrator logs digits --since 5
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint)
    name = endpoint or project.spec.name
    moment = project.edge.clock.now() - minutes * 60
    lines = project.edge.logs.since(name, moment)
    if not lines and project.edge.cloud.endpoint(name) is None:
        raise NotFoundError(f"there is no endpoint '{name}', and no log of one", hint="orchestrator status")
    if not lines:
        Terminal(options).say(f"nothing was written in the last {minutes:g} minutes")
    Terminal(options).result("\n".join(lines), {"endpoint": name, "lines": list(lines)})
