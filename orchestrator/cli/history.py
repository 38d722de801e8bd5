"""`orchestrator history`."""

import click

from orchestrator.cli import opening, standing
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.command("history")
@opening.endpoint_argument
@with_options
def command(options: Options, endpoint: str | None) -> None:
    """Show every attempt to change the endpoint, the latest last. The journal's chain is verified on the way.

    \b
    Examples:
      orchestrator history
      orchestrator history digits -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    attempts = project.history()
    documents = [standing.deployment_document(attempt) for attempt in attempts]
    text = standing.history(attempts) if attempts else "the journal is empty"
    Terminal(options).result(text, {"endpoint": project.name, "deployments": documents})
