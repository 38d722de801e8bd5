"""The chain of entries, its head and its anchor, and what it all tells."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.core import heads, journal
from orchestrator.core.errors import ConflictError
from orchestrator.core.journal import Entry, Head
from orchestrator.core.records import to_record as plain
from orchestrator.core.revision import from_record, to_record
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.target import AlarmSpec, JudgeSpec
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


def resumed(number: int, verb: str = journal.DEPLOY) -> tuple[str, dict[str, object]]:
    return journal.RESUMED, {"deployment": number, "verb": verb, "plan": [], "reason": ""}


def ended(number: int, mark: str, verb: str = journal.DEPLOY) -> tuple[str, dict[str, object]]:
    name = revision(mark).name if mark else None
    outcome = journal.OUTCOMES[verb]
    facts = {"deployment": number, "verb": verb, "revision": name, "outcome": outcome, "detail": ""}
    return journal.FINISHED, facts


def attempts(*facts: tuple[str, dict[str, object]]) -> tuple[journal.Deployment, ...]:
    return journal.deployments(journal.decode("digits", chain(*facts)))


def passed(*facts: tuple[str, dict[str, object]]) -> Sequence[Head]:
    """Return all heads that a journal has had."""
    found = [heads.BEGINNING]
    for encoded in chain(*facts):
        entry = Entry(**json.loads(encoded))
        found.append(heads.advance(found[-1], entry, encoded))
    return found


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


def test_an_entry_that_was_written_for_another_endpoint_is_refused() -> None:
    encoded = chain((journal.STARTED, {"endpoint": "letters"}))
    with pytest.raises(ConflictError, match="written for another endpoint"):
        journal.decode("digits", encoded)


def test_an_entry_with_white_space_is_refused_though_it_says_the_same() -> None:
    encoded = chain(started("a"))
    with pytest.raises(ConflictError, match="damaged at entry 1"):
        journal.decode("digits", [encoded[0].replace(b",", b", ", 1)])


@pytest.mark.parametrize(
    "facts",
    [
        (journal.FINISHED, {"deployment": 7, "outcome": "deployed", "detail": ""}),
        (journal.FINISHED, {"deployment": 1}),
        (journal.STARTED, {"verb": "deploy", "revision": {}, "reason": ""}),
        (
            journal.STARTED,
            {"verb": "deploy", "revision": None, "reason": "", "rollout": {"kind": "sideways"}},
        ),
        (journal.STARTED, {"verb": "deploy", "revision": None, "reason": "", "alarms": 1}),
    ],
)
def test_an_entry_that_makes_no_sense_is_named(facts: tuple[str, dict[str, object]]) -> None:
    with pytest.raises(ConflictError, match="entry 2 of the journal"):
        attempts(started("a"), facts)


def test_what_the_attempt_was_to_be_like_is_told_as_it_was_recorded() -> None:
    kind, facts = started("a")
    rollout, alarms, judge = Rollout(Kind.CANARY, Size(10)), AlarmSpec(error_percent=5.0), JudgeSpec()
    added = {
        "commit": "abc",
        "rollout": plain(rollout),
        "alarm_spec": plain(alarms),
        "judge": plain(judge),
        "alarms": ["digits-1-5xx"],
        "accepted": ["some-rule"],
    }
    (attempt,) = attempts((kind, {**facts, **added}))
    assert (attempt.rollout, attempt.alarm_spec, attempt.judge) == (rollout, alarms, judge)
    assert (attempt.commit, attempt.alarms, attempt.accepted) == ("abc", ("digits-1-5xx",), ("some-rule",))


def test_an_attempt_that_was_gone_on_with_is_one_attempt() -> None:
    told = attempts(started("a"), finished(1, "interrupted"), resumed(1))
    assert [(one.number, one.outcome, one.resumptions) for one in told] == [(1, "", 1)]
    told = attempts(started("a"), finished(1, "interrupted"), resumed(1), ended(1, "a"))
    assert [(one.number, one.outcome, one.resumptions) for one in told] == [(1, "deployed", 1)]


def test_an_attempt_that_was_left_to_itself_says_so_until_it_is_gone_on_with() -> None:
    left: tuple[str, dict[str, object]] = (journal.LEFT, {"deployment": 1})
    assert [one.left for one in attempts(started("a"), left)] == [True]
    assert [one.left for one in attempts(started("a"), left, resumed(1))] == [False]


@pytest.mark.parametrize("outcome", ["", *sorted(journal.UNDECIDED)])
def test_an_attempt_without_a_decided_end_can_be_gone_on_with(outcome: str) -> None:
    found = journal.open_attempt(attempts(started("a"), *([finished(1, outcome)] if outcome else [])))
    assert found is not None
    assert found.number == 1


@pytest.mark.parametrize(
    "outcome", ["deployed", "rolled-back", "unhealthy", "mixed", "not-verified", "conflict"]
)
def test_an_attempt_with_a_decided_end_cannot_be_gone_on_with(outcome: str) -> None:
    assert journal.open_attempt(attempts(started("a"), finished(1, outcome))) is None


def test_a_later_attempt_supersedes_an_open_one_but_a_sweep_that_went_well_does_not() -> None:
    assert journal.open_attempt(()) is None
    assert journal.open_attempt(attempts(started("a"), started("b"), finished(2))) is None
    found = journal.open_attempt(attempts(started("a"), started("", journal.SWEEP), finished(2, "swept")))
    assert found is not None
    assert found.number == 1
    found = journal.open_attempt(attempts(started("a"), finished(1), started("", journal.SWEEP)))
    assert found is not None
    assert found.verb == journal.SWEEP


def test_the_head_names_the_revision_that_serves_unless_something_was_begun_since() -> None:
    a, b = revision("a").name, revision("b").name
    sweep = [started("", journal.SWEEP), ended(3, "", journal.SWEEP)]
    failed = finished(5, "rolled-back")
    told = passed(started("a"), ended(1, "a"), *sweep, started("b"), failed, resumed(5), ended(5, "b"))
    assert [head.revision for head in told] == ["", "", a, a, a, "", "", "", b]
    told = passed(started("a"), ended(1, "a"), started("", journal.DESTROY), ended(3, "", journal.DESTROY))
    assert [head.revision for head in told] == ["", "", a, "", ""]


def test_a_head_may_lag_behind_as_long_as_the_chain_continues_it() -> None:
    facts = (started("a"), ended(1, "a"), started("b"))
    entries = journal.decode("digits", chain(*facts))
    told = passed(*facts)
    for head in told:
        assert heads.replay("digits", entries, head) == tuple(told)


def test_a_journal_that_lost_its_end_does_not_match_its_head() -> None:
    facts = (started("a"), ended(1, "a"), started("b"))
    entries = journal.decode("digits", chain(*facts))
    last = passed(*facts)[-1]
    for count in range(3):
        with pytest.raises(ConflictError, match=f"damaged at entry {count + 1}: it is gone"):
            heads.replay("digits", entries[:count], last)


def test_a_head_of_other_entries_another_revision_or_none_at_all_is_refused() -> None:
    entries = journal.decode("digits", chain(started("a"), ended(1, "a")))
    last = passed(started("a"), ended(1, "a"))[-1]
    with pytest.raises(ConflictError, match="damaged at entry 2: the head says"):
        heads.replay("digits", entries, replace(last, digest="0" * 64))
    with pytest.raises(ConflictError, match="it names the revision 'digits-other'"):
        heads.replay("digits", entries, replace(last, revision="digits-other"))
    with pytest.raises(ConflictError, match="it is gone, and there are entries"):
        heads.replay("digits", entries, None)
    with pytest.raises(ConflictError):
        heads.replay("digits", entries, replace(last, number=-1))
    assert heads.replay("digits", (), None) == (heads.BEGINNING,)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b'"x"', b'{"endpoint":"digits"}', b"[" * 100_000]
)
def test_what_is_no_head_is_refused(content: bytes) -> None:
    with pytest.raises(ConflictError, match="the head of the journal of endpoint 'digits' is damaged"):
        heads.decode_head("digits", content)


def test_a_head_reads_back_and_belongs_to_one_endpoint() -> None:
    head = passed(started("a"), ended(1, "a"))[-1]
    content = heads.encode_head("digits", head)
    assert heads.decode_head("digits", content) == head
    with pytest.raises(ConflictError, match="another endpoint"):
        heads.decode_head("letters", content)
    with pytest.raises(ConflictError, match="not as a head is written"):
        heads.decode_head("digits", content.replace(b",", b", "))


def test_an_anchor_tells_a_journal_that_was_cut_or_written_anew_together_with_its_head() -> None:
    facts = (started("a"), ended(1, "a"), started("b"))
    told = passed(*facts)
    entries = journal.decode("digits", chain(*facts))
    tags = ((heads.ANCHOR_TAG, heads.anchor_of(entries[1])),)
    assert heads.check_anchor("digits", told, tags) == 2
    assert heads.check_anchor("digits", told, (("team", "ml"),)) is None
    with pytest.raises(ConflictError, match="damaged at entry 2: it is gone; the endpoint's tag"):
        heads.check_anchor("digits", told[:2], tags)
    with pytest.raises(ConflictError, match="damaged at entry 2: the endpoint's tag"):
        heads.check_anchor("digits", passed(started("b"), ended(1, "b")), tags)


@pytest.mark.parametrize("value", ["", "2", "0:" + "0" * 64, "1:xyz", "1:" + "0" * 64 + "\n", "\x1b[2J"])
def test_a_tag_that_anchors_nothing_is_refused(value: str) -> None:
    with pytest.raises(ConflictError) as caught:
        heads.check_anchor("digits", passed(started("a")), ((heads.ANCHOR_TAG, value),))
    assert str(caught.value).isprintable()
