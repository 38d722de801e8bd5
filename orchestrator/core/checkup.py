"""What came of an examination: which checks were made, and what they have found."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.core.health import Finding, Severity, by_severity


class Group(enum.StrEnum):
    """What a check is about, in the order in which it is shown."""

    MACHINE = "machine"
    PROJECT = "project"
    LOGIN = "login"
    ACCOUNT = "account"
    ENDPOINT = "endpoint"


class Outcome(enum.StrEnum):
    """How a check ended."""

    FINE = "fine"
    FOUND = "found"
    UNSEEN = "not looked at"


@dataclass(frozen=True, slots=True)
class Checked:
    """A check that was made, or could not be.

    Attributes:
        check: Its code, such as ``bucket-tls``.
        looks: At what it looks, in one line.
        cause: Why nobody could look; empty otherwise.
    """

    check: str
    group: Group
    looks: str
    outcome: Outcome
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole examination.

    Attributes:
        checked: In the order of the groups.
        findings: The worst first.
    """

    checked: tuple[Checked, ...] = ()
    findings: tuple[Finding, ...] = ()

    def is_broken(self, *, strict: bool) -> bool:
        """Tell whether something has to be mended; with ``strict``, warnings count as well."""
        bad = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
        return any(finding.severity in bad for finding in self.findings)


def report(made: Iterable[tuple[Checked, tuple[Finding, ...]]]) -> Report:
    """Put checks together, of several endpoints perhaps: each fact is told once.

    What several checks could not look at for one cause is one note.
    """
    pairs = list(made)
    checked = {(one.check, one.outcome, one.cause): one for one, _ in pairs}
    bad = {one.check for one, _ in pairs if one.outcome is Outcome.FOUND}
    kept = [one for one in checked.values() if one.outcome is not Outcome.FINE or one.check not in bad]
    told: dict[tuple[str, str], Finding] = {}
    for finding in by_severity(finding for _, found in pairs for finding in found):
        told.setdefault((finding.what, finding.fix), finding)
    return Report(
        tuple(sorted(kept, key=lambda one: tuple(Group).index(one.group))),
        (*told.values(), *_unseen(kept)),
    )


def _unseen(checked: Iterable[Checked]) -> Iterable[Finding]:
    """Return one note for each cause for which checks could not be made."""
    causes: dict[str, list[str]] = {}
    for one in checked:
        if one.outcome is Outcome.UNSEEN and one.cause:
            causes.setdefault(one.cause, []).append(one.check)
    for cause, checks in causes.items():
        subject = ", ".join(dict.fromkeys(checks))
        yield Finding(Severity.NOTE, subject, f"not looked at: {cause}", check=checks[0])
