"""Journal entries, their hash chain, and its head.

The journal of an endpoint is a list of entries numbered from 1. Each carries the SHA-256 of the bytes
of the one before it, so that nothing can be changed or taken out of the middle without being noticed; the
head says what the last one is, so that nothing can be taken off the end. It records; it is not the state:
AWS is. The head is kept by `orchestrator.core.heads`.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from orchestrator.core import records
from orchestrator.core.errors import (
    CloudError,
    ConflictError,
    DeniedError,
    StillMovingError,
    ThrottledError,
    UnreachableError,
)
from orchestrator.core.names import canonical
from orchestrator.core.revision import Revision, from_record
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.target import AlarmSpec, JudgeSpec

_Value = TypeVar("_Value")

GENESIS = "0" * 64
"""What the first entry carries in place of a predecessor's digest."""

STARTED, FINISHED = "deployment-started", "deployment-finished"
RESUMED, LEFT = "deployment-resumed", "deployment-left"
STEP_STARTED, STEP_FINISHED, STEP_FAILED = "step-started", "step-finished", "step-failed"

DEPLOY, ROLLBACK, ADOPT, SWEEP, DESTROY = "deploy", "rollback", "adopt", "sweep", "destroy"
DEPLOYED, SWEPT = "deployed", "swept"
OUTCOMES = {DEPLOY: DEPLOYED, ROLLBACK: DEPLOYED, ADOPT: DEPLOYED, SWEEP: SWEPT, DESTROY: "destroyed"}
"""What each verb ends with when all went well."""

INTERRUPTED, BUG = "interrupted", "bug"
UNDECIDED = frozenset(
    {
        INTERRUPTED,
        BUG,
        StillMovingError.code,
        *(error.code for error in (CloudError, DeniedError, ThrottledError, UnreachableError)),
    }
)
"""Outcomes after which nobody knows what becomes of the change, or that only kept us from going on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal.

    Attributes:
        number: From 1, without gaps.
        previous: The SHA-256 of the entry before, in hexadecimal.
        at: ISO 8601, UTC.
        by: Who did it: an ARN.
        kind: One of this module's constants.
        facts: What happened, as JSON-serialisable content.
    """

    number: int
    previous: str
    at: str
    by: str
    kind: str
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Head:
    """What the journal's last entry is, kept beside it: a journal that lost its end does not match it.

    Attributes:
        number: Of the last entry.
        digest: The SHA-256 of its bytes, in hexadecimal.
        revision: The name of the revision that was brought to serve last, if that attempt ended well and
            nothing was begun since; empty otherwise, also after the endpoint was destroyed.
    """

    number: int
    digest: str
    revision: str = ""


def encode(entry: Entry) -> bytes:
    """Return the bytes of ``entry``, of which the next one's ``previous`` is the digest."""
    return canonical(
        {
            "number": entry.number,
            "previous": entry.previous,
            "at": entry.at,
            "by": entry.by,
            "kind": entry.kind,
            "facts": entry.facts,
        }
    )


def digest(entry: bytes) -> str:
    """Return the SHA-256 of an encoded entry, in hexadecimal."""
    return hashlib.sha256(entry).hexdigest()


def decode(endpoint: str, entries: Sequence[bytes]) -> tuple[Entry, ...]:
    """Return the whole journal of ``endpoint``, its chain verified.

    Args:
        endpoint: Whose journal it is, for the error's text.
        entries: The encoded entries, from number 1 on.

    Raises:
        ConflictError: If an entry is no entry, is out of place, or does not continue the chain.
    """
    decoded: list[Entry] = []
    expected = GENESIS
    for number, encoded in enumerate(entries, start=1):
        entry = _decode_one(endpoint, number, encoded)
        if entry.number != number:
            raise damaged(endpoint, number, f"entry {entry.number} stands in its place")
        if entry.previous != expected:
            raise damaged(endpoint, number, "it does not continue the entry before it")
        if entry.facts.get("endpoint", endpoint) != endpoint:
            raise damaged(endpoint, number, "it was written for another endpoint")
        expected = digest(encoded)
        decoded.append(entry)
    return tuple(decoded)


def _decode_one(endpoint: str, number: int, encoded: bytes) -> Entry:
    try:
        entry = Entry(**json.loads(encoded))
    except (ValueError, TypeError, RecursionError) as error:
        raise damaged(endpoint, number, "it is no entry") from error
    if not isinstance(entry.facts, dict) or encode(entry) != encoded:
        raise damaged(endpoint, number, "it is not as an entry is written")
    return entry


def damaged(endpoint: str, number: int, why: str) -> ConflictError:
    """Return the error for a journal in which entry ``number`` is not what was written."""
    return ConflictError(
        f"the journal of endpoint '{endpoint}' is damaged at entry {number}: {why}",
        details=[("state", "the endpoint itself is untouched; nothing has changed")],
        hint="restore that object from the bucket's versions, or compare it with a backup",
    )


@dataclass(frozen=True, slots=True)
class Deployment:
    """One attempt to change an endpoint, put together from its entries.

    Attributes:
        number: The number of its first entry: how people refer to it.
        verb: One of this module's verbs.
        revision: What was asked for; ``None`` where nothing was to serve in the end.
        outcome: Empty while it runs, or for ever if it was killed.
        detail: What is known about an outcome that was not wanted.
        commit: Of the project, if it is known.
        rollout: How traffic was to move.
        alarm_spec: What alarms were to be made; ``None`` for none.
        judge: How the fleets were to be compared; ``None`` for not at all.
        alarms: The names of the alarms that were made for it.
        accepted: The rules whose findings somebody had agreed to.
        plan: Its steps as they were described when it began.
        resumptions: How often it was gone on with.
        left: Whether its command ended on purpose before the change did.
    """

    number: int
    verb: str
    revision: Revision | None
    by: str
    reason: str
    started_at: str
    finished_at: str = ""
    outcome: str = ""
    detail: str = ""
    commit: str = ""
    rollout: Rollout = AT_ONCE
    alarm_spec: AlarmSpec | None = None
    judge: JudgeSpec | None = None
    alarms: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    resumptions: int = 0
    left: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it can be gone on with: it has no end, or one that decided nothing."""
        return not self.outcome or self.outcome in UNDECIDED


def deployments(entries: Iterable[Entry]) -> tuple[Deployment, ...]:
    """Return the attempts that ``entries`` tell of, oldest first.

    An attempt ends with the entry that refers to its number; one that was killed has no end.

    Raises:
        ConflictError: If what an entry says makes no sense.
    """
    found: dict[int, Deployment] = {}
    for entry in entries:
        try:
            if entry.kind == STARTED:
                found[entry.number] = _begin(entry)
            elif entry.kind in {RESUMED, LEFT, FINISHED}:
                attempt = found[int(str(entry.facts["deployment"]))]
                found[attempt.number] = _follow(attempt, entry)
        except (KeyError, TypeError, ValueError) as error:
            raise _senseless(entry, error) from error
    return tuple(found.values())


def _begin(entry: Entry) -> Deployment:
    facts = entry.facts
    record, rollout = facts["revision"], facts.get("rollout")
    return Deployment(
        number=entry.number,
        verb=str(facts["verb"]),
        revision=from_record(record) if isinstance(record, dict) else None,
        by=entry.by,
        reason=str(facts["reason"]),
        started_at=entry.at,
        commit=str(facts.get("commit", "")),
        rollout=AT_ONCE if rollout is None else records.from_record(Rollout, rollout),
        alarm_spec=_optional(AlarmSpec, facts.get("alarm_spec")),
        judge=_optional(JudgeSpec, facts.get("judge")),
        alarms=_texts(facts.get("alarms", ())),
        accepted=_texts(facts.get("accepted", ())),
        plan=_texts(facts.get("plan", ())),
    )


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise TypeError("expected a list")
    return tuple(map(str, value))


def _optional(cls: type[_Value], record: object) -> _Value | None:
    return None if record is None else records.from_record(cls, record)


def _follow(attempt: Deployment, entry: Entry) -> Deployment:
    if entry.kind == LEFT:
        return replace(attempt, left=True)
    if entry.kind == RESUMED:
        again = attempt.resumptions + 1
        return replace(attempt, finished_at="", outcome="", detail="", resumptions=again, left=False)
    outcome, detail = str(entry.facts["outcome"]), str(entry.facts["detail"])
    return replace(attempt, finished_at=entry.at, outcome=outcome, detail=detail)


def _senseless(entry: Entry, error: Exception) -> ConflictError:
    return ConflictError(
        f"entry {entry.number} of the journal, '{entry.kind}', says what makes no sense: {error!r}",
        details=[("state", "the endpoint itself is untouched; nothing has changed")],
        hint="it may have been written by a newer version of this program: install that one",
    )


def open_attempt(history: Sequence[Deployment]) -> Deployment | None:
    """Return the attempt that can be gone on with: the last one, unless it has a decided end.

    A later attempt supersedes an earlier one, but for a sweep that went well: it moves no traffic.
    """
    for attempt in reversed(history):
        if attempt.outcome != SWEPT:
            return attempt if attempt.is_open else None
    return None


def revisions(history: Iterable[Deployment]) -> tuple[Revision, ...]:
    """Return every revision that was ever deployed, each once, the latest deployment first."""
    found: dict[str, Revision] = {}
    for deployment in reversed(tuple(history)):
        if deployment.outcome == DEPLOYED and deployment.revision is not None:
            found.setdefault(deployment.revision.name, deployment.revision)
    return tuple(found.values())


def kept(history: Iterable[Deployment], count: int, *, besides: str | None) -> frozenset[str]:
    """Return the names of the ``count`` revisions deployed last, not counting ``besides``.

    They are what a sweep must leave alone: the ways back from ``besides``, which serves or is about to.
    """
    names = [revision.name for revision in revisions(history) if revision.name != besides]
    return frozenset(names[:count])
