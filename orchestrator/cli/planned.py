"""A plan in words, and for scripts: its steps, what differs, what it means, and what is to be known of it."""

from collections.abc import Iterable, Iterator

from orchestrator.core.steps import describe
from orchestrator.usecases.plan import Prepared


def text(prepared: Prepared) -> str:
    """Return all that there is to say about a plan, a line for each."""
    return "\n".join(lines(prepared))


def lines(prepared: Prepared) -> Iterator[str]:
    """Yield the plan line by line: steps, then differences, meaning and findings, each under its heading."""
    yield from (f"  {describe(step)}" for step in prepared.plan)
    # Of what is yet to be made, every field is new: scripts get them all, people see the steps.
    differing = prepared.difference if prepared.change.before is not None else ()
    yield from _headed("what differs", map(str, differing))
    yield from _headed("what it means", (f"{note.topic}: {note.says}" for note in prepared.notes))
    findings = (f"[{finding.severity}] {finding.key}: {finding.says}" for finding in prepared.findings)
    yield from _headed("what to know", findings)


def _headed(heading: str, said: Iterable[str]) -> Iterator[str]:
    """Yield ``said`` under a heading, or nothing where nothing is said."""
    for place, line in enumerate(said):
        if place == 0:
            yield f"{heading}:"
        yield f"  {line}"


def document(prepared: Prepared) -> dict[str, object]:
    """Return the same for scripts."""
    return {
        "steps": [describe(step) for step in prepared.plan],
        "difference": [
            {"field": found.path, "before": found.before, "after": found.after}
            for found in prepared.difference
        ],
        "notes": [{"topic": note.topic, "says": note.says} for note in prepared.notes],
        "findings": [
            {
                "rule": finding.rule,
                "severity": str(finding.severity),
                "key": finding.key,
                "says": finding.says,
                "source": finding.source,
            }
            for finding in prepared.findings
        ],
    }
