"""Gates: conditions that have to hold before anything is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.golden import Case, Response, problem


@dataclass(frozen=True, slots=True)
class GoldenGate:
    """The archive must answer its golden cases on this machine before it is sent anywhere."""

    atol: float


@dataclass(frozen=True, slots=True)
class GoldenEvidence:
    """The cases, and what the archive answered, in the same order."""

    cases: Sequence[Case]
    responses: Sequence[Response]


@dataclass(frozen=True, slots=True)
class Passed:
    """The condition holds."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The condition does not hold.

    Attributes:
        reasons: One line each, naming what was looked at.
    """

    reasons: tuple[str, ...]


Verdict = Passed | Refused


def judge(gate: GoldenGate, evidence: GoldenEvidence) -> Verdict:
    """Return whether the evidence satisfies the gate."""
    found = (
        (case.name, problem(case, response, atol=gate.atol))
        for case, response in zip(evidence.cases, evidence.responses, strict=True)
    )
    reasons = tuple(f"{name}: {trouble}" for name, trouble in found if trouble)
    return Refused(reasons) if reasons else Passed()
