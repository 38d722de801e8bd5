"""`orchestrator deploy --all`: every endpoint of a spec, several at a time."""

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.api.project import Outcome
from orchestrator.api.projects import Crowd, Projects
from orchestrator.cli import boundary, carrying, opening, planned, render
from orchestrator.cli.board import Board
from orchestrator.cli.options import Options, again
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core.errors import OrchestratorError
from orchestrator.usecases.many import Ended, worst
from orchestrator.usecases.readying import Ready


def deploy_all(options: Options, how: opening.How, crowd: Crowd) -> int:
    """Plan all, show all, ask once, carry out all; return the worst of all exit codes.

    Raises:
        RefusedError: If the answer is no.
        OrchestratorError: If the project itself is unfit: then nothing has changed anywhere.
        KeyboardInterrupt: After Ctrl-C before anything was begun, or a second one.
    """
    terminal = Terminal(options)
    chosen = opening.selection(options, rollout__type=how.rollout)
    projects = Projects.select(chosen, how.manner(start_local=True))
    first = projects.projects[0]
    projects.connect(crowd.workers)
    terminal.say(f"packaging {render.model(first.spec.model)}, and trying it here")
    with projects.ready(how.intent(first), TerminalTransfer(terminal), crowd.workers) as found:
        _show_plans(found, terminal)
        if any(one.value is not None and not one.value.prepared.nothing_to_do for one in found):
            question = f"deploy {render.counted(len(found), 'endpoint')} in '{options.env}'?"
            terminal.confirm(question, destructive=False)
        board = Board(terminal, len(found))
        watched = replace(
            crowd, progress=board.progress, ended=lambda one: board.end(one.name, _said(one, options))
        )
        ended = [_judged(one, options) for one in projects.carry_out(found, watched)]
    document = {"environment": options.env, "endpoints": [_document(one) for one in ended]}
    terminal.result(_summary(ended, options), document)
    interrupted = boundary.InterruptedByUserError.exit_code if projects.interrupted else 0
    return worst([interrupted, *filter(None, map(code_of, ended))])


def code_of(ended: Ended[Outcome]) -> int | None:
    """Return the exit code that a deployment would have had by itself; ``None`` if it was not begun."""
    if isinstance(ended.error, OrchestratorError):
        return ended.error.exit_code
    return 0 if ended.begun else None


def _judged(ended: Ended[Outcome], options: Options) -> Ended[Outcome]:
    """Put what ended a thread into words, once: a bug gets one report."""
    if ended.error is None:
        return ended
    if isinstance(ended.error, KeyboardInterrupt):
        error: OrchestratorError = boundary.InterruptedByUserError(ended.name)
    else:
        error = boundary.expected(ended.error)
    error.hint = error.hint and again(error.hint, options)
    return replace(ended, error=error)


def _show_plans(found: Sequence[Ended[Ready]], terminal: Terminal) -> None:
    # They are about the archive and the container, which most endpoints share: each is said once.
    warnings = (text for one in found if one.value is not None for text in one.value.planned.warnings)
    terminal.warn(list(dict.fromkeys(warnings)))
    for one in found:
        if one.value is None:
            continue
        prepared = one.value.prepared
        if prepared.nothing_to_do:
            terminal.say(f"{one.name}: nothing to do")
        else:
            terminal.say(f"{one.name}:\n{planned.text(prepared)}")


def _said(ended: Ended[Outcome], options: Options) -> str:
    """Return what became of an endpoint in one line."""
    match ended.error:
        case None:
            return _done(ended, options)
        case OrchestratorError() as error:
            return f"error[{error.code}]: {error}"
        case KeyboardInterrupt():
            return "interrupted"
        case error:
            return type(error).__name__


def _done(ended: Ended[Outcome], options: Options) -> str:
    if ended.value is None:
        return "not begun"
    outcome = ended.value
    if outcome.applied is None:
        return f"nothing to do: {carrying.standing(outcome.prepared)}"
    return carrying.done(outcome.prepared, outcome.applied, options)


def _summary(ended: Sequence[Ended[Outcome]], options: Options) -> str:
    """Return a line for each endpoint, and the whole error of each that failed."""
    lines = []
    for one in ended:
        told = render.error(one.error) if isinstance(one.error, OrchestratorError) else _done(one, options)
        lines.append(f"{one.name}: {told}")
    failed = sum(code_of(one) != 0 for one in ended)
    return "\n".join([*lines, f"{len(ended) - failed} of {len(ended)} endpoints are as they should be"])


def _document(ended: Ended[Outcome]) -> dict[str, object]:
    document: dict[str, object] = {"endpoint": ended.name, "exit_code": code_of(ended)}
    if ended.error is not None:
        return {
            **document,
            "outcome": "failed",
            "error": render.error_content(boundary.expected(ended.error)),
        }
    if ended.value is None:
        return {**document, "outcome": "not-begun"}
    described = carrying.document_of(ended.value.prepared)
    if ended.value.applied is None:
        return {**document, **described, "outcome": "nothing-to-do"}
    return {**document, **described, **carrying.outcome_document(ended.value.applied)}
