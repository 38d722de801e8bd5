"""`orchestrator sweep`."""

import click

from orchestrator.cli import carrying, opening, render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.command("sweep")
@opening.endpoint_argument
@click.option("--keep", type=click.IntRange(min=1), metavar="N", help="Revisions to keep [keep_revisions].")
@click.option(
    "--within-days",
    type=click.FloatRange(min=0),
    default=0,
    metavar="DAYS",
    help="Keep what was deployed within so many days, too.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go and what stays, and why; change nothing.")
@opening.reason_option
@with_options
def command(
    options: Options,
    *,
    endpoint: str | None,
    keep: int | None,
    within_days: float,
    dry_run: bool,
    reason: str,
) -> None:
    """Delete the models, endpoint configs and alarms that nothing serves, keeps or references.

    It says of each why it goes or stays. What another endpoint uses stays, and so does what an unfinished
    attempt is for.

    \b
    Examples:
      orchestrator sweep --dry-run
      orchestrator sweep digits --keep 2 --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    found = project.prepare_sweep(keep, within_days, reason)
    terminal = Terminal(options)
    rows = [
        *(("-", one.name, one.why) for one in found.goes),
        *((" ", one.name, one.why) for one in found.stays),
    ]
    told = render.table(rows) if rows else "nothing was made for this endpoint"
    if dry_run:
        document = {
            **carrying.document_of(found.prepared),
            "goes": [{"name": one.name, "why": one.why} for one in found.goes],
            "stays": [{"name": one.name, "why": one.why} for one in found.stays],
        }
        terminal.result(told, document)
        return
    terminal.say(told)
    carrying.carry_out(project, found.prepared, options, destructive=True)
