"""`orchestrator plan`."""

import click

from orchestrator.cli import render, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.usecases.prepare import prepare_release

CHANGES = 6


@click.command("plan")
@click.option("--detailed-exitcode", is_flag=True, help="End with 6 if there are changes.")
@with_options
def command(options: Options, *, detailed_exitcode: bool) -> int:
    """Show what a deploy would change, and change nothing.

    Builds the project, tries it here and looks at the environment: the plan is the one that `deploy` would
    carry out. The local cloud is started for it, if it does not run.

    \b
    Examples:
      orchestrator plan --env prod
      orchestrator plan --env prod --detailed-exitcode
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    terminal = Terminal(options)
    project = wiring.open_project(options, start_local=True)
    spec, cases = project.spec, wiring.golden_cases(project.spec)
    transfer = TerminalTransfer(terminal)
    with prepare_release(spec, wiring.packaging(), cases, project.edge, transfer) as release:
        terminal.warn(release.build.warnings)
        steps = release.prepared.plan
    document = {
        "endpoint": spec.name,
        "environment": options.env,
        "revision": release.revision.name,
        "steps": render.plan_document(steps),
        "warnings": list(release.build.warnings),
    }
    nothing = f"nothing to do: endpoint '{spec.name}' serves '{release.revision.name}'"
    terminal.result(render.plan(steps) if steps else nothing, document)
    return CHANGES if steps and detailed_exitcode else 0
