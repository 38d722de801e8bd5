"""What findings about a project and its container lead to.

A finding is a fact with a level of its own; ``[policy]`` in the spec can give another level to the rules
that it names. Must not know how anything is found: that is `orchestrator.core.findings`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.core.errors import RefusedError
from orchestrator.core.spec import PolicySpec
from orchestrator.core.target import Target


class Rule(StrEnum):
    """What a finding is about; the first four are keys of ``[policy]``."""

    END_OF_PATCH = "end_of_patch"
    NEWER_TORCH = "newer_torch"
    REPLACED_TORCH = "replaced_torch"
    UNPINNED_REQUIREMENTS = "unpinned_requirements"
    UNSUPPORTED = "unsupported"
    SECRETS = "secrets"
    UNKNOWN_IMAGE = "unknown_image"
    HASHES = "hashes"


SETTABLE = (Rule.END_OF_PATCH, Rule.NEWER_TORCH, Rule.REPLACED_TORCH, Rule.UNPINNED_REQUIREMENTS)
"""The rules whose level is the spec's to say. The others state what cannot work, or what is merely so."""


class Level(StrEnum):
    """What a finding leads to. ``note`` is for what is worth knowing and asks for nothing."""

    ALLOW = "allow"
    NOTE = "note"
    WARN = "warn"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found.

    Attributes:
        level: What it leads to if the spec does not say otherwise.
        text: The fact, in one line.
        hint: What to do about it, in one line.
    """

    rule: Rule
    level: Level
    text: str
    hint: str

    @property
    def line(self) -> str:
        """The finding as one line, with the key of the spec that decides about it."""
        return f"{self.text} (policy.{self.rule})" if self.rule in SETTABLE else self.text


@dataclass(frozen=True, slots=True)
class Judgement:
    """Findings by what they lead to; those that the spec allows are gone."""

    notes: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    refusals: tuple[Finding, ...] = ()


def judge(found: Sequence[Finding], policy: PolicySpec) -> Judgement:
    """Sort findings by what they lead to, as ``policy`` says or else by their own level.

    >>> finding = Finding(Rule.NEWER_TORCH, Level.REFUSE, "too new", "wait")
    >>> len(judge([finding], PolicySpec((("newer_torch", "warn"),))).warnings)
    1
    """
    said = {Rule(rule): Level(level) for rule, level in policy.levels}
    levels = [(finding, said.get(finding.rule, finding.level)) for finding in found]
    return Judgement(
        notes=tuple(finding for finding, level in levels if level is Level.NOTE),
        warnings=tuple(finding for finding, level in levels if level is Level.WARN),
        refusals=tuple(finding for finding, level in levels if level is Level.REFUSE),
    )


def refused(refusals: Sequence[Finding], target: Target) -> RefusedError:
    """Return the error that says why nothing is packaged: every reason with what to do about it."""
    container = f"image '{target.image}'" if target.image else f"container profile '{target.profile}'"
    keys = sorted({finding.rule for finding in refusals if finding.rule in SETTABLE})
    hints = dict.fromkeys(finding.hint for finding in refusals)
    return RefusedError(
        f"the project does not fit {container}",
        details=[*((finding.rule, finding.text) for finding in refusals), ("state", "nothing has changed")],
        hint="\n".join([*hints, *(f'or set policy.{key} = "warn" in the spec' for key in keys)]),
    )
