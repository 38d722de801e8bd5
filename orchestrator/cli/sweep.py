"""`orchestrator sweep`."""

import click

from orchestrator.cli import carrying, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.usecases.destroy import prepare_sweep


@click.command("sweep")
@click.argument("endpoint", required=False)
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Revisions to keep [keep_revisions].")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal.")
@with_options
def command(options: Options, endpoint: str | None, keep: int | None, reason: str) -> None:
    """Delete the models and endpoint configs that nothing serves, keeps or references.

    \b
    Examples:
      orchestrator sweep
      orchestrator sweep digits --keep 2 --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = wiring.open_project(options, endpoint=endpoint)
    name = endpoint or project.spec.name
    prepared = prepare_sweep(name, keep or project.spec.target.keep_revisions, project.edge, reason=reason)
    carrying.carry_out(prepared, project.edge, options, destructive=True)
