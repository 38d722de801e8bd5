"""Put values into words. The only place where an error's facts become text."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.cli.plain import one_line
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.spec import ModelSpec

if TYPE_CHECKING:
    from orchestrator.usecases.publish import Published

_LABEL_WIDTH = 6


def error(problem: OrchestratorError) -> str:
    """Return an error as a person reads it: the fact, the details, the next command."""
    lines = [f"error[{problem.code}]: {one_line(str(problem))}"]
    lines += [line for label, fact in problem.details for line in _labelled(label, fact)]
    lines += _labelled("next", problem.hint) if problem.hint else []
    return "\n".join(lines)


def error_document(problem: OrchestratorError) -> str:
    """Return an error as one JSON document."""
    return json.dumps({"error": error_content(problem)}, indent=2)


def error_content(problem: OrchestratorError) -> dict[str, object]:
    """Return what scripts are told of an error."""
    return {
        "code": problem.code,
        "exit_code": problem.exit_code,
        "message": str(problem),
        "details": [{"label": label, "fact": fact} for label, fact in problem.details],
        "hint": problem.hint,
    }


def _labelled(label: str, text: str) -> list[str]:
    first, *rest = map(one_line, text.split("\n"))
    return [f"  {label:<{_LABEL_WIDTH}} {first}", *(f"  {'':<{_LABEL_WIDTH}} {line}" for line in rest)]


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
    rows = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )
