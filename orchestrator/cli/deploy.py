"""`orchestrator deploy`."""

from dataclasses import dataclass
from typing import Any

import click

from orchestrator.api import wiring
from orchestrator.api.project import Project
from orchestrator.api.projects import WORKERS, Crowd
from orchestrator.cli import carrying, opening, render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core import savedplan


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of `deploy`, besides the common options."""

    how: opening.How
    plan: str | None = None
    all_: bool = False
    workers: int | None = None
    fail_fast: bool = False

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            click.UsageError: If two of them do.
        """
        if self.all_ and (self.how.endpoint or self.plan):
            raise click.UsageError("--all goes with neither --endpoint nor --plan")
        if not self.all_ and (self.workers is not None or self.fail_fast):
            raise click.UsageError("--workers and --fail-fast go with --all")
        if self.plan and self.how.rollout:
            raise click.UsageError("--rollout is part of the saved plan: make another with `plan --out`")


@click.command("deploy")
@click.option("--all", "all_", is_flag=True, help="Every endpoint of the spec, several at a time.")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help=f"How many at a time [{WORKERS}].")
@click.option("--fail-fast", is_flag=True, help="With --all: begin none after one has failed.")
@click.option(
    "--plan", type=click.Path(dir_okay=False), metavar="FILE", help="Exactly what `plan --out` has kept."
)
@opening.with_how
@with_options
def command(options: Options, **given: Any) -> int:  # noqa: ANN401 - Click has checked them, `Asked` names them
    """Create or update the endpoint, and wait until it has truly arrived.

    Builds the project, tries it here, shows the plan, asks, uploads, and carries the plan out.
    It ends with 0 only if the endpoint is in service on the new revision and the new model itself answers
    the golden cases; where there are none, it says that no answer was checked. Otherwise the exit code
    tells what serves now: 4, the previous revision; 5, nothing, or a first revision that answers wrongly;
    10, a mix of both; 7, somebody else's; 8, it is still moving. `resume` picks it up again.

    With --all the archive is built once for all endpoints of the spec, each of which is deployed by itself:
    one that fails stops no other, and the exit code is the worst of all. With --no-wait nobody has looked
    whether it arrives until `resume` does.

    \b
    Examples:
      orchestrator deploy
      orchestrator deploy --env prod --reason "retrained on October" --yes
      orchestrator deploy --env prod --plan release.plan
      orchestrator deploy --all --workers 16 --fail-fast --yes
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    asked = Asked(**given)
    asked.check()
    if asked.all_:
        from orchestrator.cli import deploy_all  # noqa: PLC0415 - only --all needs threads and their display

        crowd = Crowd(asked.workers or WORKERS, asked.fail_fast)
        return deploy_all.deploy_all(options, asked.how, crowd)
    _deploy(options, asked.how, asked.plan)
    return 0


def _deploy(options: Options, how: opening.How, plan: str | None) -> None:
    terminal = Terminal(options)
    saved = None if plan is None else savedplan.decode(wiring.read_file(plan, savedplan.LIMIT_BYTES))
    named = how.endpoint or (None if saved is None else saved.endpoint)
    chosen = opening.selection(options, named, rollout__type=how.rollout)
    project = Project.select(chosen, how.manner(start_local=True))
    project.connect()
    transfer = TerminalTransfer(terminal)
    built = f"packaging {render.model(project.spec.model)}, and trying it here"
    terminal.say(built if plan is None else f"holding {plan} against what there is")
    with project.ready(how.intent(project), transfer, saved=saved) as found:
        terminal.warn(found.planned.warnings)

        def upload() -> None:
            sent = found.send(transfer)
            if sent is not None:
                terminal.say(render.published(sent))

        carrying.carry_out(project, found.prepared, options, before=upload)
