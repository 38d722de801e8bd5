"""`orchestrator rollback`."""

import click

from orchestrator.api.project import Project
from orchestrator.cli import carrying, opening
from orchestrator.cli.options import Options, with_options
from orchestrator.core.names import is_valid
from orchestrator.core.proposal import quoted


def _revision(_context: click.Context, _argument: click.Parameter, value: str | None) -> str | None:
    """Return what can be a revision's name, or the beginning of its digest.

    Raises:
        click.BadParameter: If it can be neither.
    """
    if value is not None and not is_valid(value):
        raise click.BadParameter(
            f"{quoted(value)} is no revision: a name from `history`, or its digest's beginning"
        )
    return value


@click.command("rollback")
@click.argument("revision", required=False, callback=_revision)
@opening.with_how
@with_options
def command(options: Options, revision: str | None, how: opening.How) -> None:
    """Go back to REVISION, or to what was deployed before the revision that serves now.

    REVISION is a name from `orchestrator history`, or the beginning of its digest. Artifact, image, model
    and endpoint config are looked for before anything moves; then it goes the way of any deployment, and is
    recorded like one.

    \b
    Examples:
      orchestrator rollback --reason "wrong labels"
      orchestrator rollback 1f0c --env prod
      orchestrator rollback --env prod --rollout all-at-once --reason "now"
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    chosen = opening.selection(options, how.endpoint, rollout__type=how.rollout)
    project = Project.select(chosen, how.manner())
    prepared = project.prepare_rollback(revision, how.intent(project))
    carrying.carry_out(project, prepared, options)
