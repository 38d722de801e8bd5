"""`orchestrator history`."""

import click

from orchestrator.cli import render, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.usecases.status import history


@click.command("history")
@click.argument("endpoint", required=False)
@with_options
def command(options: Options, endpoint: str | None) -> None:
    """Show every attempt to change the endpoint, the latest last. The journal's chain is verified on the way.

    \b
    Examples:
      orchestrator history
      orchestrator history digits -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint)
    attempts = history(project.edge)
    documents = [render.deployment_document(attempt) for attempt in attempts]
    text = render.history(attempts) if attempts else "the journal is empty"
    Terminal(options).result(text, {"endpoint": endpoint or project.spec.name, "deployments": documents})
