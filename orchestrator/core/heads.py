"""The head of a journal, and its anchor: what its last entry is, kept in two other places.

A chain alone cannot tell that its end was cut off. The head lies beside the journal and is written after
every entry; it may lag behind, since a process may be killed between the two, but the chain has to continue
it. The anchor is a tag of the endpoint itself, written at the end of each deployment: whoever wants to cut
the journal unseen needs the right to write to both.
"""

import json
import re
from collections.abc import Sequence

from orchestrator.core import records
from orchestrator.core.errors import ConflictError
from orchestrator.core.journal import (
    DEPLOYED,
    FINISHED,
    GENESIS,
    RESUMED,
    STARTED,
    SWEEP,
    Entry,
    Head,
    damaged,
    digest,
    encode,
)
from orchestrator.core.names import canonical
from orchestrator.core.resources import Pairs

ANCHOR_TAG = "orchestrator:journal"
"""The tag of an endpoint that says how far its journal went at the end of the last deployment."""

BEGINNING = Head(0, GENESIS)
"""The head of a journal without entries. It is written before the first one."""

_ANCHOR = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def encode_head(endpoint: str, head: Head) -> bytes:
    """Return the content of the head's object."""
    return canonical({"endpoint": endpoint, **records.to_record(head)})


def decode_head(endpoint: str, content: bytes) -> Head:
    """Return the head that `encode_head` wrote.

    Raises:
        ConflictError: If it is none, or another endpoint's.
    """
    try:
        record = json.loads(content)
        owner = record.pop("endpoint")
        head = records.from_record(Head, record)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _no_head(endpoint, "it is no head") from error
    if owner != endpoint:
        raise _no_head(endpoint, "it was written for another endpoint")
    if encode_head(endpoint, head) != content:
        raise _no_head(endpoint, "it is not as a head is written")
    return head


def advance(head: Head, entry: Entry, encoded: bytes) -> Head:
    """Return the head after ``entry``, which continues it.

    A sweep moves no traffic, so it leaves the revision as it was; whatever else begins takes it away until it
    has ended well.
    """
    revision = head.revision
    if entry.facts.get("verb") != SWEEP:
        if entry.kind in {STARTED, RESUMED}:
            revision = ""
        elif entry.kind == FINISHED:
            ended_well = entry.facts.get("outcome") == DEPLOYED
            revision = str(entry.facts.get("revision") or "") if ended_well else ""
    return Head(entry.number, digest(encoded), revision)


def replay(endpoint: str, entries: Sequence[Entry], head: Head | None) -> tuple[Head, ...]:
    """Compare a journal, whose chain holds, with its head.

    Returns:
        The heads after none, one, two and all entries.

    Raises:
        ConflictError: If the head is gone, or is not one of them.
    """
    passed = [BEGINNING]
    for entry in entries:
        passed.append(advance(passed[-1], entry, encode(entry)))
    if head is None:
        if entries:
            raise _no_head(endpoint, "it is gone, and there are entries")
    elif not 0 <= head.number < len(passed):
        raise damaged(endpoint, len(passed), f"it is gone; the head says that there are {head.number}")
    elif head.digest != passed[head.number].digest:
        raise damaged(endpoint, head.number, "the head says that it was another")
    elif head != passed[head.number]:
        raise _no_head(endpoint, f"it names the revision '{head.revision}', and the entries do not")
    return tuple(passed)


def anchor_of(last: Entry) -> str:
    """Return the value of `ANCHOR_TAG` for a journal that ends with ``last``."""
    return f"{last.number}:{digest(encode(last))}"


def check_anchor(endpoint: str, passed: Sequence[Head], tags: Pairs) -> int | None:
    """Compare a journal with the anchor among the endpoint's ``tags``.

    Args:
        endpoint: Whose journal it is.
        passed: What `replay` returned.
        tags: The endpoint's.

    Returns:
        The number of the entry that is anchored; ``None`` if none is.

    Raises:
        ConflictError: If the journal does not hold the anchored entry any more, or the tag says nothing.
    """
    value = dict(tags).get(ANCHOR_TAG)
    if value is None:
        return None
    found = _ANCHOR.fullmatch(value)
    if found is None:
        raise ConflictError(
            f"the tag '{ANCHOR_TAG}' of endpoint '{endpoint}' anchors nothing: it is {value!r}",
            hint="CloudTrail tells who changed it (AddTags); the next deployment writes it anew",
        )
    number = int(found[1])
    if number >= len(passed):
        last = passed[-1].number
        raise damaged(endpoint, last + 1, f"it is gone; the endpoint's tag says that there were {number}")
    if passed[number].digest != found[2]:
        raise damaged(endpoint, number, "the endpoint's tag says that it was another")
    return number


def _no_head(endpoint: str, why: str) -> ConflictError:
    return ConflictError(
        f"the head of the journal of endpoint '{endpoint}' is damaged: {why}",
        details=[("state", "the endpoint itself is untouched; nothing has changed")],
        hint="restore journal-head.json from the bucket's versions, or compare it with a backup",
    )
