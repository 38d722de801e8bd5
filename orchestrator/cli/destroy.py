"""`orchestrator destroy`."""

import click

from orchestrator.api.selection import Manner
from orchestrator.cli import carrying, opening
from orchestrator.cli.options import Options, with_options


@click.command("destroy")
@opening.endpoint_argument
@opening.reason_option
@opening.timeout_option
@with_options
def command(options: Options, endpoint: str | None, reason: str, timeout: float) -> None:
    """Delete the endpoint, its autoscaling, and every model, endpoint config and alarm made for it.

    The journal and the artifacts stay: they are the record, and the way back.

    \b
    Examples:
      orchestrator destroy
      orchestrator destroy digits --env staging --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint, Manner(deadline_seconds=timeout))
    carrying.carry_out(project, project.prepare_destroy(reason), options, destructive=True)
