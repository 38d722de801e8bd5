"""Is the record whole: the chain, its head beside it, and its anchor at the endpoint."""

from dataclasses import replace

import pytest

from orchestrator.core import heads, journal
from orchestrator.core.errors import ConflictError
from orchestrator.core.journal import Head
from orchestrator.usecases.audit import verify
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from tests.support.builders import prepared, revision
from tests.support.fakes import FakeEdge, FakeJournal, SilentProgress, fake_edge


def deployed(*marks: str) -> FakeEdge:
    world = fake_edge()
    for mark in marks:
        deploy(prepared(revision(mark), world), world.edge(), SilentProgress())
    return world


def with_journal(world: FakeEdge, entries: list[bytes], head: Head | None) -> FakeEdge:
    return replace(world, journal=FakeJournal.holding("digits", entries, head))


def rewritten(entries: list[bytes]) -> tuple[list[bytes], list[Head]]:
    """Return a chain with the same content and another author, and its heads: what a forger would make."""
    forged: list[bytes] = []
    told = [heads.BEGINNING]
    for entry in journal.decode("digits", entries):
        previous = journal.digest(forged[-1]) if forged else journal.GENESIS
        changed = replace(entry, previous=previous, by="arn:aws:iam::123456789012:user/eve")
        forged.append(journal.encode(changed))
        told.append(heads.advance(told[-1], changed, forged[-1]))
    return forged, told


def test_a_whole_journal_is_vouched_for_up_to_its_last_entry() -> None:
    world = deployed("a", "b")
    found = verify("digits", world.edge())
    assert found.entries == len(world.journal.shared)
    assert found.last == world.journal.entries()[-1]
    assert (found.head_behind, found.anchored, found.anchor_behind) == (0, found.entries, 0)
    assert found.attempts == 2


def test_an_endpoint_without_a_journal_has_nothing_to_vouch_for() -> None:
    found = verify("digits", fake_edge().edge())
    assert (found.entries, found.last, found.anchored, found.head_behind) == (0, None, None, 0)


def test_a_journal_outlives_its_endpoint() -> None:
    world = deployed("a")
    deploy(prepare_destroy("digits", world.edge()), world.edge(), SilentProgress())
    found = verify("digits", world.edge())
    assert (found.anchored, found.head_behind) == (None, 0)


def test_a_head_that_lags_behind_after_a_crash_is_told_and_no_damage() -> None:
    world = deployed("a")
    behind = with_journal(world, world.journal.shared, world.journal.passed[-2])
    assert verify("digits", behind.edge()).head_behind == 1


def test_every_truncation_is_found_by_the_head() -> None:
    world = deployed("a")
    entries = world.journal.shared
    for count in range(len(entries)):
        cut = with_journal(world, entries[:count], world.journal.head())
        with pytest.raises(ConflictError, match=f"damaged at entry {count + 1}"):
            verify("digits", cut.edge())


def test_every_truncation_of_journal_and_head_together_is_found_by_the_anchor() -> None:
    world = deployed("a")
    entries = world.journal.shared
    _, told = rewritten(entries)
    assert len(told) == len(entries) + 1
    honest = [heads.BEGINNING]
    for entry, encoded in zip(journal.decode("digits", entries), entries, strict=True):
        honest.append(heads.advance(honest[-1], entry, encoded))
    for count in range(len(entries)):
        cut = with_journal(world, entries[:count], honest[count] if count else None)
        with pytest.raises(ConflictError, match="the endpoint's tag says"):
            verify("digits", cut.edge())


def test_a_chain_that_was_written_anew_with_its_head_is_found_by_the_anchor() -> None:
    world = deployed("a", "b")
    entries, told = rewritten(world.journal.shared)
    forged = with_journal(world, entries, told[-1])
    with pytest.raises(ConflictError, match="the endpoint's tag says that it was another"):
        verify("digits", forged.edge())


def test_every_edit_deletion_and_swap_is_found() -> None:
    world = deployed("a")
    entries = world.journal.shared
    for number, encoded in enumerate(entries):
        rest = [*entries[:number], *entries[number + 1 :]]
        edited = [*entries[:number], encoded.replace(b"release/ada", b"release/eve"), *entries[number + 1 :]]
        assert edited != entries
        for damaged in (rest, edited, [encoded, *rest]):
            if damaged != entries:
                with pytest.raises(ConflictError):
                    verify("digits", with_journal(world, damaged, world.journal.head()).edge())


def test_the_journal_of_another_endpoint_is_refused() -> None:
    world = deployed("a")
    other = replace(world, journal=FakeJournal.holding("letters", world.journal.shared, world.journal.head()))
    with pytest.raises(ConflictError, match="written for another endpoint"):
        verify("letters", other.edge())
