"""Show a plan, ask, carry it out, say what came of it: the same for all commands that change things."""

from collections.abc import Callable
from typing import Any

import click

from orchestrator.cli import render
from orchestrator.cli.options import Options
from orchestrator.cli.progress import TerminalProgress
from orchestrator.cli.terminal import Terminal
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to watch a change; it goes on without us.",
)


def carry_out(
    prepared: Prepared,
    edge: Edge,
    options: Options,
    *,
    destructive: bool = False,
    before: Callable[[], Any] = lambda: None,
) -> None:
    """Carry out ``prepared`` after showing it and asking.

    Args:
        prepared: The change.
        edge: The environment.
        options: What was asked for.
        destructive: Whether it is refused when nobody can be asked.
        before: What has to happen between the answer and the first step, such as the upload.

    Raises:
        RefusedError: If the answer is no.
        OrchestratorError: If the change does not succeed.
    """
    terminal = Terminal(options)
    change = prepared.change
    document = {
        "endpoint": change.endpoint,
        "verb": change.verb,
        "revision": change.revision.name if change.revision else None,
        "steps": render.plan_document(prepared.plan),
    }
    if prepared.nothing_to_do:
        terminal.result(f"nothing to do: {_standing(prepared)}", {**document, "outcome": "nothing-to-do"})
        return
    if prepared.plan:
        terminal.say(render.plan(prepared.plan))
    terminal.confirm(f"{change.verb} {change.endpoint} in '{options.env}'?", destructive=destructive)
    before()
    answered = deploy(prepared, edge, TerminalProgress(terminal))
    terminal.result(_done(prepared, answered), {**document, "outcome": "done", "golden_cases": answered})


def _standing(prepared: Prepared) -> str:
    change = prepared.change
    if change.revision is not None:
        return f"endpoint '{change.endpoint}' serves '{change.revision.name}'"
    return f"endpoint '{change.endpoint}' has nothing to remove"


def _done(prepared: Prepared, answered: int) -> str:
    change = prepared.change
    if change.revision is None:
        return f"{change.verb} of '{change.endpoint}': done"
    proof = (
        f"and answers {render.counted(answered, 'golden case')}" if answered else "but no answer was checked"
    )
    return f"endpoint '{change.endpoint}' serves '{change.revision.name}' {proof}"
