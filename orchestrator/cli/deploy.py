"""`orchestrator deploy`."""

import tempfile
from pathlib import Path

import click

from orchestrator.cli import carrying, render, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.usecases.deploy import publish
from orchestrator.usecases.prepare import Release, prepare_release


@click.command("deploy")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the journal.")
@carrying.timeout_option
@with_options
def command(options: Options, reason: str, timeout: float) -> None:
    """Create or update the endpoint, and wait until it has truly arrived.

    Packages the project, tries the archive here, shows the plan, asks, uploads, and carries the plan out.
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
    spec, edge = project.spec, project.edge
    cases = wiring.golden_cases(spec)
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        out = str(Path(folder) / "model.tar.gz")
        terminal.say(f"packaging {spec.model.path} with {spec.model.class_}, and trying it here")
        release = prepare_release(spec, wiring.packaging(), out, cases, edge, reason=reason)

        def upload() -> None:
            stored = publish(release.revision, release.archive.path, cases, edge)
            terminal.say(
                _uploaded(release) if stored else f"in S3 already: {release.revision.model.artifact}"
            )

        carrying.carry_out(release.prepared, edge, options, before=upload)


def _uploaded(release: Release) -> str:
    size = render.size(Path(release.archive.path).stat().st_size)
    return f"uploaded {size} to {release.revision.model.artifact}"
