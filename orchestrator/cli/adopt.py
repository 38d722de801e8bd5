"""`orchestrator adopt`."""

import click

from orchestrator.cli import carrying, completing, opening
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.command("adopt")
@click.argument("endpoint", shell_complete=completing.endpoints)
@opening.reason_option
@with_options
def command(options: Options, endpoint: str, reason: str) -> None:
    """Take over ENDPOINT, which was made by other means, as it is.

    What serves becomes the first revision in its journal, so that there is a way back to it, and the
    endpoint gets the tag that says it is ours. Nothing of it moves.

    \b
    Examples:
      orchestrator adopt digits --env prod --reason "made by hand in March"
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    terminal = Terminal(options)
    prepared = project.prepare_adopt(reason)
    terminal.confirm(f"adopt {endpoint} in '{options.env}'?", destructive=False)
    applied = project.carry_out(prepared)
    revision = prepared.change.revision
    name = revision.name if revision else "nothing"
    document = {**carrying.document_of(prepared), **carrying.outcome_document(applied)}
    terminal.result(f"endpoint '{endpoint}' is ours now, with '{name}' as its first revision", document)
