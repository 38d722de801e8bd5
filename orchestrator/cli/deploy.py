"""`orchestrator deploy`."""

import click

from orchestrator.cli import carrying, render, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.usecases.deploy import send
from orchestrator.usecases.prepare import prepare_release


@click.command("deploy")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal.")
@carrying.timeout_option
@with_options
def command(options: Options, reason: str, timeout: float) -> None:
    """Create or update the endpoint, and wait until it has truly arrived.

    Builds the project, tries it here, shows the plan, asks, uploads, and carries the plan out.
    It ends with 0 only if the endpoint is in service on the new revision and the new model itself answers
    the golden cases; where there are none, it says that no answer was checked. Otherwise the exit code
    tells what serves now: 4, the previous revision; 5, nothing, a mix, or a first revision that answers
    wrongly; 7, somebody else's; 8, it is still moving. The same command picks it up again.

    \b
    Examples:
      orchestrator deploy
      orchestrator deploy --env prod --reason "retrained on October" --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    terminal = Terminal(options)
    project = wiring.open_project(options, start_local=True, deadline_seconds=timeout)
    spec, edge, packaging = project.spec, project.edge, wiring.packaging()
    cases = wiring.golden_cases(spec)
    transfer = TerminalTransfer(terminal)
    terminal.say(f"packaging {render.model(spec.model)}, and trying it here")
    with prepare_release(spec, packaging, cases, edge, transfer, reason=reason) as release:
        terminal.warn(release.build.warnings)

        def upload() -> None:
            terminal.say(render.published(send(release, spec, packaging.archives, edge, transfer)))

        carrying.carry_out(release.prepared, edge, options, before=upload)
