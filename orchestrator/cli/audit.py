"""`orchestrator audit verify`."""

import click

from orchestrator.cli import opening
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal


@click.group("audit", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check the record of what was done to an endpoint.

    \b
    Examples:
      orchestrator audit verify --env prod
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines


@command.command("verify")
@opening.endpoint_argument
@with_options
def verify(options: Options, endpoint: str | None) -> None:
    """Check the journal's whole chain, its head, and the anchor on the endpoint.

    An entry that was edited, deleted, moved or cut off is found, and ends with 7.

    \b
    Examples:
      orchestrator audit verify digits --env prod
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    found = project.audit()
    terminal = Terminal(options)
    if found.head_behind:
        terminal.warn([f"the journal's head is {found.head_behind} entries behind: a write was cut off"])
    if found.anchored is None and found.entries:
        terminal.warn(["nothing outside the bucket anchors it: there is no endpoint, or it has no such tag"])
    elif found.anchor_behind:
        terminal.warn([f"the anchor on the endpoint is {found.anchor_behind} entries behind"])
    last = found.last
    document = {
        "endpoint": project.name,
        "entries": found.entries,
        "last": None if last is None else {"number": last.number, "at": last.at, "by": last.by},
        "head_behind": found.head_behind,
        "anchored": found.anchored,
        "anchor_behind": found.anchor_behind,
    }
    until = "" if last is None else f", the last of {last.at} by {last.by}"
    terminal.result(f"the journal of '{project.name}' is whole: {found.entries} entries{until}", document)
