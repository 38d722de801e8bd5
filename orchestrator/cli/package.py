"""`orchestrator package`."""

import contextlib
from pathlib import Path

import click

from orchestrator.api import wiring
from orchestrator.cli import opening, render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core.errors import ArtifactError
from orchestrator.usecases.package import PackagedArchive, package

_GZIP = b"\x1f\x8b"


@click.command("package")
@click.option(
    "--out",
    type=click.Path(dir_okay=False),
    metavar="PATH",
    help="The archive [model.tar.gz beside the spec].",
)
@with_options
def command(options: Options, out: str | None) -> None:
    """Build model.tar.gz with its generated entry point, and try it.

    Weights of any format become safetensors on the way, without running anything in the file; what can only
    be run needs model.allow_code. The archive's files are served once on this machine, as the container would
    serve them: the model must load, and answer the golden cases. An archive that is there already stays
    unless the new one passes; if nothing has changed since it was built, it is not built again.

    \b
    Examples:
      orchestrator package
      orchestrator package --out build/model.tar.gz -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    spec = wiring.resolve(opening.selection(options)).spec
    path = out or str(Path(spec.root) / "model.tar.gz")
    _check_place(Path(path))
    cases = wiring.golden_cases(spec)
    terminal = Terminal(options)
    terminal.say(f"packaging {render.model(spec.model)}")
    built = package(spec, wiring.packaging(), path, TerminalTransfer(terminal), cases)
    terminal.warn(built.warnings)
    terminal.detail(render.table([(file.path, str(file.size_bytes)) for file in built.manifest.files]))
    document = {
        "archive": built.path,
        "identity": built.identity,
        "size_bytes": Path(built.path).stat().st_size,
        "files": [file.path for file in built.manifest.files],
        "golden_cases": len(cases),
        "unchanged": built.unchanged,
        "warnings": list(built.warnings),
    }
    terminal.result(_said(built, len(cases)), document)


def _check_place(path: Path) -> None:
    """Keep an archive from taking the place of anything else, such as the weights that it is made of.

    Raises:
        ArtifactError: If there is something at ``path`` that is neither an archive nor an empty file.
    """
    if path.is_file():
        with contextlib.suppress(OSError), path.open("rb") as file:
            if file.read(len(_GZIP)) in {_GZIP, b""}:
                return
    if path.exists():
        raise ArtifactError(
            f"'{path}' is no archive, and is not overwritten",
            details=[
                ("rule", "package replaces nothing but an earlier archive"),
                ("state", "nothing has changed"),
            ],
            hint="name another place: orchestrator package --out model.tar.gz",
        )


def _said(built: PackagedArchive, cases: int) -> str:
    if built.unchanged:
        return f"{built.path}: {built.identity[:12]}, unchanged since it was built and tried"
    asked = f"{render.counted(cases, 'golden case')} answered" if cases else "no golden cases"
    files = render.counted(len(built.manifest.files), "file")
    return f"{built.path}: {built.identity[:12]}, {files}, {asked}"
