"""`orchestrator drift`."""

import click

from orchestrator.cli import opening, standing
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal

DRIFTED = 6


@click.command("drift")
@opening.endpoint_argument
@with_options
def command(options: Options, endpoint: str | None) -> int:
    """Show in what the endpoint differs from what was deployed last; ends with 6 if it does.

    Compares every managed field with the journal: model, endpoint config, tags, autoscaling and alarms.
    What the project says now plays no part: that is `plan`.

    \b
    Examples:
      orchestrator drift
      orchestrator drift digits --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    found = opening.project(options, endpoint).drift()
    terminal = Terminal(options)
    if found.unfinished is not None:
        terminal.warn([standing.open_attempt(found.unfinished, found.endpoint, options)])
    lines = [f"{one.subject}: {one.difference}" for one in found.found]
    lines += [f"not managed: {what}" for what in found.unmanaged]
    document = {
        "endpoint": found.endpoint,
        "drift": [
            {
                "subject": one.subject,
                "field": one.difference.path,
                "before": one.difference.before,
                "after": one.difference.after,
            }
            for one in found.found
        ],
        "unmanaged": list(found.unmanaged),
        "unfinished": None if found.unfinished is None else standing.deployment_document(found.unfinished),
    }
    if not found.found:
        lines = [f"no drift: endpoint '{found.endpoint}' is as it was deployed", *lines]
    terminal.result("\n".join(lines), document)
    return DRIFTED if found.found else 0
