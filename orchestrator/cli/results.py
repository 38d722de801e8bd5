"""Results of golden cases as text and as a JSON document."""

from orchestrator.cli import render
from orchestrator.core.results import CaseResult, Kind, Results

_SHOWN_DIGITS = 12


def text(done: Results) -> str:
    """Return one line for each case, and what they say together."""
    rows = render.table(
        [
            ("passed" if one.passed else "FAILED", one.name, f"{one.seconds * 1000:.0f} ms", one.problem)
            for one in done.results
        ]
    )
    count = render.counted(len(done.results), "golden case")
    came = f"{count} in {done.seconds:.2f} s: {done.passed} passed, {done.failed} failed"
    return "\n".join([rows, came, *_whose(done)])


def _whose(done: Results) -> list[str]:
    """Say whose answers these are."""
    subject, digits = done.subject, done.subject.identity[:_SHOWN_DIGITS]
    match subject.kind:
        case Kind.LOCAL:
            return [f"asked: project '{subject.name}' ({digits}), built and served on this machine"]
        case Kind.ARCHIVE:
            return [f"asked: {subject.name} ({digits}), served on this machine"]
        case Kind.REMOTE:
            serves = (
                f"asked: endpoint '{subject.name}' of '{subject.environment}', revision {subject.revision}"
            )
            if done.recognised is None:
                return [serves]
            answers = "its own model's" if done.recognised else "NOT all its own model's"
            return [f"{serves}: the answers are {answers} (fingerprint {subject.fingerprint})"]


def document(done: Results) -> dict[str, object]:
    """Return the results for scripts."""
    subject = done.subject
    return {
        "subject": {
            "kind": str(subject.kind),
            "name": subject.name,
            "environment": subject.environment or None,
            "revision": subject.revision or None,
            "identity": subject.identity or None,
            "fingerprint": subject.fingerprint or None,
        },
        "recognised": done.recognised,
        "passed": done.passed,
        "failed": done.failed,
        "seconds": round(done.seconds, 6),
        "cases": [_case(one) for one in done.results],
        "notes": list(done.notes),
    }


def _case(one: CaseResult) -> dict[str, object]:
    return {
        "name": one.case.name,
        "variant": one.variant,
        "passed": one.passed,
        "problem": one.problem,
        "seconds": round(one.seconds, 6),
        "status": None if one.response is None else one.response.status,
        "fingerprint": None if one.response is None else one.response.fingerprint,
    }
