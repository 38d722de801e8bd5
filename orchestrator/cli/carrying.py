"""Show a plan, ask, carry it out, say what came of it: the same for all commands that change things."""

from collections.abc import Callable
from typing import Any

from orchestrator.api.project import Project
from orchestrator.cli import planned, render
from orchestrator.cli.boundary import InterruptedByUserError
from orchestrator.cli.options import Options, again
from orchestrator.cli.progress import TerminalProgress
from orchestrator.cli.terminal import Terminal
from orchestrator.usecases.change import Applied
from orchestrator.usecases.plan import Prepared


def carry_out(
    project: Project,
    prepared: Prepared,
    options: Options,
    *,
    destructive: bool = False,
    before: Callable[[], Any] = lambda: None,
) -> None:
    """Carry out ``prepared`` after showing it and asking.

    Args:
        project: The endpoint.
        prepared: The change.
        options: What was asked for.
        destructive: Whether it is refused when nobody can be asked.
        before: What has to happen between the answer and the first step, such as the upload.

    Raises:
        RefusedError: If the answer is no.
        OrchestratorError: If the change does not succeed, or is interrupted.
    """
    terminal = Terminal(options)
    change = prepared.change
    document = document_of(prepared)
    if prepared.nothing_to_do:
        terminal.result(f"nothing to do: {standing(prepared)}", {**document, "outcome": "nothing-to-do"})
        return
    if prepared.plan:
        terminal.say(planned.text(prepared))
    terminal.confirm(f"{change.verb} {change.endpoint} in '{options.env}'?", destructive=destructive)
    before()
    try:
        applied = project.carry_out(prepared, TerminalProgress(terminal))
    except KeyboardInterrupt:
        raise InterruptedByUserError(change.endpoint) from None
    terminal.warn(applied.remarks)
    terminal.result(done(prepared, applied, options), {**document, **outcome_document(applied)})


def document_of(prepared: Prepared) -> dict[str, object]:
    """Return a change for scripts."""
    change = prepared.change
    return {
        "endpoint": change.endpoint,
        "verb": change.verb,
        "revision": change.revision.name if change.revision else None,
        **planned.document(prepared),
    }


def outcome_document(applied: Applied) -> dict[str, object]:
    """Return what came of a change for scripts."""
    return {
        "outcome": "under-way" if applied.under_way else "done",
        "golden_cases": applied.answered,
        "recognised": applied.recognised,
        "remarks": list(applied.remarks),
    }


def standing(prepared: Prepared) -> str:
    """Return what holds where nothing is to do."""
    change = prepared.change
    if change.revision is not None:
        return f"endpoint '{change.endpoint}' serves '{change.revision.name}'"
    return f"endpoint '{change.endpoint}' has nothing to remove"


def done(prepared: Prepared, applied: Applied, options: Options) -> str:
    """Return what holds now, in one line."""
    change = prepared.change
    if change.revision is None:
        return f"{change.verb} of '{change.endpoint}': done"
    if applied.under_way:
        look = again(f"orchestrator resume --endpoint {change.endpoint}", options)
        return (
            f"endpoint '{change.endpoint}' is on its way to '{change.revision.name}', and nobody has looked "
            f"whether it arrives: {look}"
        )
    proof = (
        f"and answers {render.counted(applied.answered, 'golden case')}"
        if applied.answered
        else "but no answer was checked"
    )
    return f"endpoint '{change.endpoint}' serves '{change.revision.name}' {proof}"
