"""`orchestrator rollback`."""

import click

from orchestrator.cli import carrying, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.usecases.rollback import prepare_rollback


@click.command("rollback")
@click.argument("revision", required=False)
@click.option("--endpoint", metavar="NAME", help="The endpoint [the project's].")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal.")
@carrying.timeout_option
@with_options
def command(
    options: Options, revision: str | None, endpoint: str | None, reason: str, timeout: float
) -> None:
    """Go back to REVISION, or to what was deployed before the revision that serves now.

    REVISION is a name from `orchestrator history`, or the beginning of its digest. The artifact is looked
    for before anything moves, and the way back is recorded like any deployment.

    \b
    Examples:
      orchestrator rollback --reason "wrong labels"
      orchestrator rollback 1f0c --env prod
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint, deadline_seconds=timeout)
    name = endpoint or project.spec.name
    prepared = prepare_rollback(name, revision, project.edge, reason=reason)
    carrying.carry_out(prepared, project.edge, options)
