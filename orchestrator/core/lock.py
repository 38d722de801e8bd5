"""Who changes an endpoint right now: what is written into its lock, and when it may be taken over.

The lock is a small object in S3 that is written only conditionally. It keeps deployments from getting into
each other's way; what keeps a stale holder from doing harm is the journal, whose entries can be written only
once each. Whether a claim has run out is judged by S3's clock alone.
"""

import json
import math
from dataclasses import dataclass, replace
from typing import Protocol

from orchestrator.core.errors import ConflictError, Detail
from orchestrator.core.names import canonical
from orchestrator.core.records import from_record, to_record

TTL_SECONDS = 90.0
"""How long a claim holds without being renewed."""

LONGEST_TTL_SECONDS = 3600.0
"""No claim holds longer, whatever it says: the object may have been written by anybody."""

RESOLUTION_SECONDS = 1.0
"""LastModified and Date, of which an age is the difference, are in whole seconds (RFC 9110, HTTP dates)."""

RENEW_PART = 3
"""A claim is renewed when this part of its time has passed: a third."""

_MAX_TEXT = 256
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Process:
    """A process on some machine.

    Attributes:
        host: The machine's name, for people.
        machine: What tells the machine, and the process ids in it, from all others; empty if nobody can.
        started: What tells the process from a later one with the same id; empty if nobody can.
    """

    host: str = _UNKNOWN
    machine: str = ""
    pid: int = 0
    started: str = ""


class Processes(Protocol):
    """The processes of this machine, ours among them."""

    def ours(self) -> Process:
        """Return our own process."""
        ...

    def is_gone(self, process: Process) -> bool:
        """Tell whether it ran on this machine and certainly does not any more."""
        ...

    def nonce(self) -> str:
        """Return what nobody else has ever been given."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """What stands in a lock.

    Attributes:
        owner: The caller's ARN.
        doing: Such as ``deploy digits-9f3c1a2b7d10``.
        acquired_at: ISO 8601, UTC, by the holder's clock: for people.
        ttl_seconds: How long it holds after it was written last.
        nonce: What the holder recognises its own claim by, also if the answer of the write was lost.
        renewals: How often it was written again, so that no two writes have the same content: S3's ETag would
            be the same, and a condition on it would hold when it must not.
    """

    owner: str
    process: Process
    doing: str
    acquired_at: str
    ttl_seconds: float
    nonce: str
    renewals: int = 0

    def renewed(self) -> "Claim":
        """Return the same claim, to be written once more."""
        return replace(self, renewals=self.renewals + 1)


def encode(claim: Claim) -> bytes:
    """Return what stands in the lock's object."""
    return canonical(to_record(claim))


def decode(content: bytes) -> Claim:
    """Return the claim that `encode` wrote; of what is none, a claim of somebody unknown.

    Nobody may be locked out for ever by an object that is no claim: it runs out like any other.
    """
    try:
        claim = from_record(Claim, json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError):
        return Claim(_UNKNOWN, Process(), _UNKNOWN, _UNKNOWN, TTL_SECONDS, nonce="")
    holds = math.isfinite(claim.ttl_seconds) and claim.ttl_seconds > 0
    return replace(
        claim,
        owner=_plain(claim.owner),
        process=replace(claim.process, host=_plain(claim.process.host)),
        doing=_plain(claim.doing),
        acquired_at=_plain(claim.acquired_at),
        ttl_seconds=min(claim.ttl_seconds, LONGEST_TTL_SECONDS) if holds else TTL_SECONDS,
    )


def _plain(text: str) -> str:
    """Return what of ``text`` may be shown: somebody else wrote it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_MAX_TEXT])


def may_take(claim: Claim, age_seconds: float, *, gone: bool) -> bool:
    """Tell whether somebody else's claim may be written over.

    Args:
        claim: What stands in the lock.
        age_seconds: Since it was written, by the store's clock.
        gone: Whether its process is known to have ended.

    >>> claim = Claim("arn:ada", Process(), "deploy", "2026-11-22", ttl_seconds=90.0, nonce="1")
    >>> may_take(claim, 90.0, gone=False), may_take(claim, 91.5, gone=False), may_take(claim, 0.0, gone=True)
    (False, True, True)
    """
    return gone or age_seconds > claim.ttl_seconds + RESOLUTION_SECONDS


def is_due(ttl_seconds: float, passed_seconds: float) -> bool:
    """Tell whether it is time to renew a claim that was written ``passed_seconds`` ago."""
    return not 0 <= passed_seconds < ttl_seconds / RENEW_PART


def left_seconds(claim: Claim, age_seconds: float) -> int:
    """Return in how many seconds a claim may be taken over if it is not renewed."""
    return max(0, math.ceil(claim.ttl_seconds + RESOLUTION_SECONDS - age_seconds))


def held(endpoint: str, claim: Claim, age_seconds: float) -> ConflictError:
    """Return the error for somebody who comes second."""
    left = f"in {left_seconds(claim, age_seconds)} s, unless it is renewed until then"
    return ConflictError(
        f"somebody else is changing endpoint '{endpoint}': {claim.owner}",
        details=[*_holder(claim), ("expires", left), ("state", "nothing has changed")],
        hint=f"orchestrator status {endpoint}          what becomes of it; then run this again",
    )


def lost(endpoint: str, claim: Claim | None) -> ConflictError:
    """Return the error for a holder that was silent for too long, and has been replaced by ``claim``."""
    details = [("lock", "it is gone")] if claim is None else [("taken by", claim.owner), *_holder(claim)]
    return ConflictError(
        f"we no longer hold endpoint '{endpoint}': its lock ran out or was removed while we were not looking",
        details=[*details, ("state", "we have stopped before the next step, and written nothing since")],
        hint=f"orchestrator history {endpoint}          who, and what",
    )


def _holder(claim: Claim) -> list[Detail]:
    process = claim.process
    return [
        ("doing", claim.doing),
        ("since", claim.acquired_at),
        ("where", f"process {process.pid} on host '{process.host}'"),
    ]
