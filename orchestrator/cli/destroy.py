"""`orchestrator destroy`."""

import click

from orchestrator.cli import carrying, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.usecases.destroy import prepare_destroy


@click.command("destroy")
@click.argument("endpoint", required=False)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal.")
@carrying.timeout_option
@with_options
def command(options: Options, endpoint: str | None, reason: str, timeout: float) -> None:
    """Delete the endpoint, and every model and endpoint config that was made for it.

    The journal and the artifacts stay: they are the record, and the way back.

    \b
    Examples:
      orchestrator destroy
      orchestrator destroy digits --env staging --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint, deadline_seconds=timeout)
    prepared = prepare_destroy(endpoint or project.spec.name, project.edge, reason=reason)
    carrying.carry_out(prepared, project.edge, options, destructive=True)
