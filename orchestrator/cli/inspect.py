"""`orchestrator inspect`."""

import click

from orchestrator.api import wiring
from orchestrator.cli import inspected
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.checkpoint import Format


@click.command("inspect")
@click.argument("model", type=click.Path())
@click.option(
    "--format",
    "format_",
    type=click.Choice(["auto", *map(str, Format)]),
    default="auto",
    show_default=True,
    help="What it has to be.",
)
@with_options
def command(options: Options, model: str, format_: str) -> None:
    """Say what MODEL holds, a file or a folder, without running anything in it.

    Format, every tensor's name, dtype and shape, total size, what wrote it as far as the file says, whether
    and where it carries code, and what `package` would do with it. Of an archive (.tar.gz): the same of each
    model file in it, and everything else that whoever serves it would run.

    \b
    Examples:
      orchestrator inspect model.pt
      orchestrator inspect downloads/bert-tiny/ -o json
      orchestrator inspect somebody-elses/model.tar.gz
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    found = wiring.inspect(model, format_)
    Terminal(options).result(inspected.text(found), inspected.document(found))
