"""Put values into words. The only place where an error's facts become text."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.journal import Deployment
from orchestrator.core.spec import ModelSpec
from orchestrator.core.steps import Plan, describe

if TYPE_CHECKING:
    from orchestrator.usecases.publish import Published
    from orchestrator.usecases.status import Status

_LABEL_WIDTH = 6


def error(problem: OrchestratorError) -> str:
    """Return an error as a person reads it: the fact, the details, the next command."""
    lines = [f"error[{problem.code}]: {problem}"]
    lines += [line for label, fact in problem.details for line in _labelled(label, fact)]
    lines += _labelled("next", problem.hint) if problem.hint else []
    return "\n".join(lines)


def error_document(problem: OrchestratorError) -> str:
    """Return an error as one JSON document."""
    content = {
        "code": problem.code,
        "exit_code": problem.exit_code,
        "message": str(problem),
        "details": [{"label": label, "fact": fact} for label, fact in problem.details],
        "hint": problem.hint,
    }
    return json.dumps({"error": content}, indent=2)


def _labelled(label: str, text: str) -> list[str]:
    first, *rest = text.splitlines() or [""]
    return [f"  {label:<{_LABEL_WIDTH}} {first}", *(f"  {'':<{_LABEL_WIDTH}} {line}" for line in rest)]


def plan(steps: Plan) -> str:
    """Return a plan, one step a line."""
    return "\n".join(f"  {describe(step)}" for step in steps)


def plan_document(steps: Plan) -> list[str]:
    """Return a plan for a JSON document."""
    return [describe(step) for step in steps]


def status(found: "Status") -> str:
    """Return what serves and how it came there."""
    endpoint, brought = found.endpoint, found.deployment
    rows = [("endpoint", endpoint.name), ("status", str(endpoint.status)), ("revision", endpoint.config)]
    if endpoint.pending:
        rows.append(("moving to", endpoint.pending))
    if endpoint.failure_reason:
        rows.append(("AWS", endpoint.failure_reason))
    for variant in endpoint.variants:
        instances = f"{variant.current_count} of {variant.desired_count} instances"
        rows.append(("variant", f"{variant.name}: {instances}, weight {variant.current_weight:g}"))
    if brought is None:
        rows.append(("journal", "does not know how this revision came here"))
    else:
        rows += [
            ("since", brought.finished_at),
            ("by", brought.by),
            ("with", f"{brought.verb} #{brought.number}: {brought.outcome}"),
        ]
        rows += [("reason", brought.reason)] if brought.reason else []
        rows += [("artifact", brought.revision.model.artifact)] if brought.revision else []
    if found.unfinished is not None:
        attempt = found.unfinished
        rows.append(
            ("note", f"{attempt.verb} #{attempt.number} of {attempt.started_at} has no end in the journal")
        )
    return _aligned(rows)


def status_document(found: "Status") -> dict[str, object]:
    """Return the same for scripts."""
    endpoint = found.endpoint
    return {
        "endpoint": endpoint.name,
        "status": str(endpoint.status),
        "revision": endpoint.config,
        "pending": endpoint.pending,
        "failure_reason": endpoint.failure_reason or None,
        "deployment": None if found.deployment is None else deployment_document(found.deployment),
        "unfinished": None if found.unfinished is None else deployment_document(found.unfinished),
    }


def history(attempts: Sequence[Deployment]) -> str:
    """Return every attempt, one a line, the latest last."""
    head = ("#", "started", "verb", "revision", "outcome", "by", "reason or detail")
    rows = [
        (
            str(attempt.number),
            attempt.started_at[:19].replace("T", " "),
            attempt.verb,
            attempt.revision.name if attempt.revision else "-",
            attempt.outcome or "no end",
            attempt.by.rpartition(":")[2],
            "; ".join(filter(None, [attempt.reason, attempt.detail])),
        )
        for attempt in attempts
    ]
    return table([head, *rows])


def deployment_document(attempt: Deployment) -> dict[str, object]:
    """Return one attempt for scripts."""
    return {
        "number": attempt.number,
        "verb": attempt.verb,
        "revision": attempt.revision.name if attempt.revision else None,
        "artifact": attempt.revision.model.artifact if attempt.revision else None,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at or None,
        "outcome": attempt.outcome or None,
        "detail": attempt.detail or None,
        "by": attempt.by,
        "reason": attempt.reason or None,
    }


def model(asked: ModelSpec) -> str:
    """Return which model is packaged, and what makes it."""
    return f"{asked.path} with {asked.class_}" if asked.class_ else asked.path


def published(found: "Published") -> str:
    """Return what was sent to S3, and what was not."""
    if not found.stored:
        return f"in S3 already: {found.url}"
    copied = f", copied {size(found.copied_bytes)} within S3" if found.copied_bytes else ""
    return f"uploaded {size(found.sent_bytes)}{copied} to {found.url}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "golden case"), counted(2, "golden case")
    ('1 golden case', '2 golden cases')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def size(count_bytes: int) -> str:
    """Return a size in a unit that people can read.

    >>> size(17_000), size(1_640_000), size(2_500_000_000)
    ('17 kB', '1.6 MB', '2.5 GB')
    """
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count_bytes >= factor:
            return f"{count_bytes / factor:.1f} {unit}"
    return f"{count_bytes / 1e3:.0f} kB"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows with their columns aligned; the last column is as long as it is."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )


def _aligned(rows: Iterable[tuple[str, str]]) -> str:
    return table([(label, text) for label, text in rows])
