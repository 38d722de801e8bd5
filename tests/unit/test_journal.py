"""The chain of entries, and what it tells."""

import json

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import ConflictError
from orchestrator.core.revision import from_record, to_record
from tests.support.builders import revision


def chain(*facts: tuple[str, dict[str, object]]) -> list[bytes]:
    encoded: list[bytes] = []
    for number, (kind, content) in enumerate(facts, start=1):
        previous = journal.digest(encoded[-1]) if encoded else journal.GENESIS
        at = f"2026-11-22T00:00:{number:02d}+00:00"
        encoded.append(journal.encode(journal.Entry(number, previous, at, "arn:ada", kind, content)))
    return encoded


def started(mark: str, verb: str = journal.DEPLOY) -> tuple[str, dict[str, object]]:
    record = to_record(revision(mark)) if mark else None
    return journal.STARTED, {"verb": verb, "revision": record, "reason": "because", "plan": []}


def finished(number: int, outcome: str = journal.DEPLOYED) -> tuple[str, dict[str, object]]:
    return journal.FINISHED, {"deployment": number, "outcome": outcome, "detail": ""}


def test_a_journal_reads_back_what_was_written() -> None:
    encoded = chain(started("a"), finished(1))
    entries = journal.decode("digits", encoded)
    assert [entry.kind for entry in entries] == [journal.STARTED, journal.FINISHED]
    assert [journal.encode(entry) for entry in entries] == encoded


@pytest.mark.parametrize("position", [0, 1, 2])
def test_every_changed_bit_but_of_the_last_entrys_values_is_noticed(position: int) -> None:
    encoded = chain(started("a"), finished(1), started("b"), finished(3))
    changed = encoded[position].replace(b"arn:ada", b"arn:eve")
    assert changed != encoded[position]
    with pytest.raises(ConflictError, match=f"damaged at entry {position + 2}"):
        journal.decode("digits", [*encoded[:position], changed, *encoded[position + 1 :]])


@pytest.mark.parametrize(
    "damage",
    [
        lambda encoded: encoded[1:],
        lambda encoded: [encoded[0], *encoded[2:]],
        lambda encoded: [encoded[1], encoded[0], *encoded[2:]],
        lambda encoded: [*encoded[:2], b"{}", *encoded[3:]],
        lambda encoded: [*encoded[:2], b"not json", *encoded[3:]],
        lambda encoded: [*encoded[:2], b"[]", *encoded[3:]],
    ],
    ids=["first gone", "one gone", "swapped", "no fields", "no JSON", "no object"],
)
def test_a_damaged_journal_is_refused(damage: object) -> None:
    assert callable(damage)
    encoded = chain(started("a"), finished(1), started("b"), finished(3))
    with pytest.raises(ConflictError, match="the journal of endpoint 'digits' is damaged"):
        journal.decode("digits", damage(encoded))


def test_attempts_are_put_together_from_their_entries() -> None:
    entries = journal.decode(
        "digits", chain(started("a"), finished(1), started("b"), started("c"), finished(4, "rolled-back"))
    )
    told = [(a.number, a.outcome, a.revision and a.revision.name) for a in journal.deployments(entries)]
    assert told == [
        (1, "deployed", revision("a").name),
        (3, "", revision("b").name),
        (4, "rolled-back", revision("c").name),
    ]


def test_the_revisions_deployed_last_are_kept_each_once() -> None:
    encoded = chain(started("a"), finished(1), started("b"), finished(3), started("a"), finished(5))
    attempts = journal.deployments(journal.decode("digits", encoded))
    assert [one.name for one in journal.revisions(attempts)] == [revision("a").name, revision("b").name]
    assert journal.kept(attempts, 1, besides=revision("a").name) == {revision("b").name}
    assert journal.kept(attempts, 5, besides=None) == {revision("a").name, revision("b").name}


def test_a_revision_survives_being_written_down() -> None:
    for wanted in (revision("a"), revision("b", cases=0, count=3)):
        assert from_record(json.loads(json.dumps(to_record(wanted)))) == wanted
