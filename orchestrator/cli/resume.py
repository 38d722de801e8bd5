"""`orchestrator resume`."""

import click

from orchestrator.api.selection import Manner
from orchestrator.cli import carrying, opening
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.command("resume")
@opening.endpoint_option
@opening.reason_option
@opening.timeout_option
@with_options
def command(options: Options, *, endpoint: str | None, reason: str, timeout: float) -> None:
    """Finish what was begun: after a crash, Ctrl-C, a lost network or expired credentials, or --no-wait.

    The journal says what the last attempt was for; what is left of it is planned again from what is there
    now, and goes on under the same number. Nothing is built, and nothing is done twice.

    \b
    Examples:
      orchestrator resume
      orchestrator resume --env prod --endpoint digits
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint, Manner(deadline_seconds=timeout))
    prepared = project.prepare_resume(reason)
    if prepared is None:
        document = {"endpoint": project.name, "outcome": "nothing-to-do"}
        Terminal(options).result(f"nothing to resume: no attempt on '{project.name}' is open", document)
        return
    carrying.carry_out(project, prepared, options)
