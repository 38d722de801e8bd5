"""`orchestrator rollback`."""

import click

from orchestrator.api.project import Project
from orchestrator.cli import carrying, opening
from orchestrator.cli.options import Options, with_options


@click.command("rollback")
@click.argument("revision", required=False)
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
