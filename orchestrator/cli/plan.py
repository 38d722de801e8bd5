"""`orchestrator plan`."""

import shlex

import click

from orchestrator.api import wiring
from orchestrator.api.project import Project
from orchestrator.api.selection import Manner
from orchestrator.cli import opening, planned, render
from orchestrator.cli.options import Options, again, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core import savedplan
from orchestrator.usecases.readying import Planned

CHANGES = 6


@click.command("plan")
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Keep it for deploy --plan.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 6 if there are changes.")
@opening.endpoint_option
@opening.rollout_option
@opening.accept_option
@with_options
def command(
    options: Options,
    *,
    out: str | None,
    detailed_exitcode: bool,
    endpoint: str | None,
    rollout: str | None,
    accept: tuple[str, ...],
) -> int:
    """Show what a deploy would change, and change nothing.

    Builds the project, tries it here and looks at the environment: the plan is the one that `deploy` would
    carry out. Steps are marked + for what is made, ~ changed, - removed, ! taken away for the time being.
    With --out it is kept; `deploy --plan` does exactly that, or refuses because the world has changed. The
    local cloud is started for it, if it does not run.

    \b
    Examples:
      orchestrator plan --env prod
      orchestrator plan --env prod --out release.plan
      orchestrator plan --env prod --detailed-exitcode
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    terminal = Terminal(options)
    chosen = opening.selection(options, endpoint, rollout__type=rollout)
    project = Project.select(chosen, Manner(start_local=True))
    found = project.plan(accept, TerminalTransfer(terminal))
    terminal.warn(found.warnings)
    if out is not None:
        wiring.write_file(out, savedplan.encode(project.save(found)))
        terminal.say(f"kept in {out}: {again(f'orchestrator deploy --plan {shlex.quote(out)}', options)}")
    _show(found, project.name, terminal, {"environment": options.env, "saved": out})
    terminal.detail(f"built from {render.model(project.spec.model)}")
    return CHANGES if found.prepared.plan and detailed_exitcode else 0


def _show(found: Planned, name: str, terminal: Terminal, facts: dict[str, object]) -> None:
    prepared = found.prepared
    document = {
        "endpoint": name,
        "revision": found.revision.name,
        **facts,
        **planned.document(prepared),
        "warnings": list(found.warnings),
    }
    nothing = f"nothing to do: endpoint '{name}' serves '{found.revision.name}'"
    terminal.result(planned.text(prepared) if prepared.plan else nothing, document)
