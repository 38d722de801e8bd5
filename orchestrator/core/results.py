"""What came of asking a model its golden cases, as `orchestrator test` does."""

import enum
from dataclasses import dataclass

from orchestrator.core.golden import FIRST_ERROR, Case, Response


class Kind(enum.StrEnum):
    """Where the model that was asked is."""

    LOCAL = "local"
    ARCHIVE = "archive"
    REMOTE = "remote"


@dataclass(frozen=True, slots=True)
class Subject:
    """Which model was asked.

    Attributes:
        name: The project's, the archive's address, or the endpoint's.
        identity: The digest of the archive's manifest; empty where nobody knows which archive it is.
        revision: What the journal says that the endpoint serves; empty if it does not say, or none is asked.
        environment: Of the endpoint, likewise.
        fingerprint: What every answer has to carry; empty where answers carry none.
    """

    kind: Kind
    name: str
    identity: str = ""
    revision: str = ""
    environment: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What came of one golden case.

    Attributes:
        problem: What is wrong; empty if nothing is.
        seconds: How long the answer took, by the clock of who asked.
        response: ``None`` if there was no answer.
        variant: Of the endpoint, where it was chosen.
    """

    case: Case
    problem: str
    seconds: float
    response: Response | None = None
    variant: str | None = None

    @property
    def name(self) -> str:
        """The case's name, and the variant's where it was chosen."""
        return self.case.asked_of(self.variant)

    @property
    def passed(self) -> bool:
        """Whether the answer is the one that the model must give."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Results:
    """All golden cases, in the order in which they were asked.

    Attributes:
        notes: What is worth knowing about what the answers prove, one line each.
    """

    subject: Subject
    results: tuple[CaseResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """How many cases did not pass."""
        return sum(not result.passed for result in self.results)

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return len(self.results) - self.failed

    @property
    def seconds(self) -> float:
        """How long all answers took together."""
        return sum(result.seconds for result in self.results)

    @property
    def recognised(self) -> bool | None:
        """Whether all answers carried the fingerprint of what was asked; ``None`` if none could.

        Errors of the model have no place for one in SageMaker's API, and count for nothing.
        """
        answers = [one.response for one in self.results if one.response is not None]
        carried = [one.fingerprint for one in answers if 0 < one.status < FIRST_ERROR]
        if not self.subject.fingerprint or not carried:
            return None
        return all(one == self.subject.fingerprint for one in carried)
