"""Journal entries and their hash chain.

The journal of an endpoint is a list of entries numbered from 1. Each carries the SHA-256 of the bytes
of the one before it, so that nothing can be changed or taken out of the middle without being noticed.
It records; it is not the state: AWS is.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.core.errors import ConflictError
from orchestrator.core.names import canonical
from orchestrator.core.revision import Revision, from_record

GENESIS = "0" * 64
"""What the first entry carries in place of a predecessor's digest."""

STARTED, FINISHED = "deployment-started", "deployment-finished"
STEP_STARTED, STEP_FINISHED, STEP_FAILED = "step-started", "step-finished", "step-failed"

DEPLOY, ROLLBACK, SWEEP, DESTROY = "deploy", "rollback", "sweep", "destroy"
DEPLOYED = "deployed"
OUTCOMES = {DEPLOY: DEPLOYED, ROLLBACK: DEPLOYED, SWEEP: "swept", DESTROY: "destroyed"}
"""What each verb ends with when all went well."""


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
        if entry.number != number or entry.previous != expected:
            raise _broken(endpoint, number, "it does not continue the entry before it")
        expected = digest(encoded)
        decoded.append(entry)
    return tuple(decoded)


def _decode_one(endpoint: str, number: int, encoded: bytes) -> Entry:
    try:
        return Entry(**json.loads(encoded))
    except (ValueError, TypeError) as error:
        raise _broken(endpoint, number, str(error)) from error


def _broken(endpoint: str, number: int, why: str) -> ConflictError:
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


def deployments(entries: Iterable[Entry]) -> tuple[Deployment, ...]:
    """Return the attempts that ``entries`` tell of, oldest first.

    An attempt ends with the entry that refers to its number; one that was killed has no end.
    """
    found: dict[int, Deployment] = {}
    for entry in entries:
        if entry.kind == STARTED:
            found[entry.number] = _begin(entry)
        elif entry.kind == FINISHED:
            number = entry.facts["deployment"]
            if isinstance(number, int) and number in found:
                found[number] = replace(
                    found[number],
                    finished_at=entry.at,
                    outcome=str(entry.facts["outcome"]),
                    detail=str(entry.facts["detail"]),
                )
    return tuple(found.values())


def _begin(entry: Entry) -> Deployment:
    record = entry.facts["revision"]
    return Deployment(
        number=entry.number,
        verb=str(entry.facts["verb"]),
        revision=from_record(record) if isinstance(record, dict) else None,
        by=entry.by,
        reason=str(entry.facts["reason"]),
        started_at=entry.at,
    )


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
