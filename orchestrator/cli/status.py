"""`orchestrator status`."""

import click

from orchestrator.cli import opening, standing
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.command("status")
@opening.endpoint_argument
@with_options
def command(options: Options, endpoint: str | None) -> None:
    """Show which revision serves which share of traffic, since when, who deployed it and why.

    \b
    Examples:
      orchestrator status
      orchestrator status digits --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    found = opening.project(options, endpoint).status()
    Terminal(options).result(standing.status(found, options), standing.status_document(found))
