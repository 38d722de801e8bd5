"""`orchestrator upload`."""

import click

from orchestrator.api.selection import Manner
from orchestrator.cli import opening, render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer


@click.command("upload")
@opening.endpoint_option
@with_options
def command(options: Options, endpoint: str | None) -> None:
    """Build and try the project's archive, and send it to the environment's bucket.

    The key is made of the archive's content: what is there already is not sent again. The archive is packed
    while it is sent, without a copy on this machine's disk. An upload that was cut off is gone on with by the
    same command; Ctrl-C takes back what was sent. With package.layout = "s3-prefix" the files are sent as
    they are, and those that an earlier artifact has are copied within S3.

    \b
    Examples:
      orchestrator upload
      orchestrator upload --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    terminal = Terminal(options)
    project = opening.project(options, endpoint, Manner(start_local=True))
    project.connect()
    terminal.say(f"packaging {render.model(project.spec.model)}, and trying it here")
    sent = project.upload(TerminalTransfer(terminal))
    terminal.warn(sent.warnings)
    document = {
        "artifact": sent.published.url,
        "identity": sent.identity,
        "stored": sent.published.stored,
        "sent_bytes": sent.published.sent_bytes,
        "golden_cases": sent.golden_cases,
        "warnings": list(sent.warnings),
    }
    terminal.result(render.published(sent.published), document)
