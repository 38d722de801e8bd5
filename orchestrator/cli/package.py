"""`orchestrator package`."""

from pathlib import Path

import click

from orchestrator.cli import render, wiring
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.usecases.package import package


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

    The archive is unpacked and served once on this machine, as the container would serve it: its model must
    load, and answer the golden cases. An archive that is there already stays unless the new one passes.

    \b
    Examples:
      orchestrator package
      orchestrator package --out build/model.tar.gz -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    spec = wiring.resolve(options).spec
    path = out or str(Path(spec.root) / "model.tar.gz")
    cases = wiring.golden_cases(spec)
    terminal = Terminal(options)
    terminal.say(f"packaging {spec.model.path} with {spec.model.class_}")
    built = package(spec, wiring.packaging(), path, cases)
    document = {
        "archive": built.path,
        "identity": built.identity,
        "size_bytes": Path(built.path).stat().st_size,
        "files": [file.path for file in built.manifest.files],
        "golden_cases": len(cases),
    }
    terminal.detail(render.table([(file.path, str(file.size_bytes)) for file in built.manifest.files]))
    asked = f"{render.counted(len(cases), 'golden case')} answered" if cases else "no golden cases"
    files = render.counted(len(built.manifest.files), "file")
    terminal.result(f"{built.path}: {built.identity[:12]}, {files}, {asked}", document)
