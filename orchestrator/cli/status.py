"""`orchestrator status`."""

import click

from orchestrator.cli import render, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.usecases.status import status


@click.command("status")
@click.argument("endpoint", required=False)
@with_options
def command(options: Options, endpoint: str | None) -> None:
    """Show what serves now, since when, and who deployed it.

    \b
    Examples:
      orchestrator status
      orchestrator status digits --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint)
    found = status(endpoint or project.spec.name, project.edge)
    Terminal(options).result(render.status(found), render.status_document(found))
