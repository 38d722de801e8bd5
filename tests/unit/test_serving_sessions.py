"""Which worker a session belongs to."""

from datetime import UTC, datetime

import pytest

from orchestrator.serving.crew.sessions import Sessions, asked_for

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()


def opened(session: str, expires: str = "2026-11-22T13:00:00Z") -> tuple[tuple[str, str], ...]:
    return (("X-Amzn-SageMaker-New-Session-Id", f"{session}; Expires={expires}"),)


def test_a_request_names_its_session_in_a_header_of_any_spelling() -> None:
    assert asked_for((("accept", "*/*"), ("x-amzn-sagemaker-SESSION-id", " abc "))) == "abc"
    assert asked_for((("x-amzn-sagemaker-session-ix", "abc"),)) is None


def test_a_session_belongs_to_the_worker_that_opened_it() -> None:
    sessions = Sessions[str]()
    sessions.note(opened("a"), "first")
    sessions.note(opened("b"), "second")
    assert [sessions.worker(name, NOON) for name in "abc"] == ["first", "second", None]


def test_a_closed_session_is_forgotten() -> None:
    sessions = Sessions[str]()
    sessions.note(opened("a"), "first")
    sessions.note((("x-amzn-sagemaker-closed-session-id", "a"),), "first")
    assert sessions.worker("a", NOON) is None


@pytest.mark.parametrize(
    ("expires", "is_over"),
    [
        ("2026-11-22T12:00:01Z", False),
        ("2026-11-22T12:00:00Z", True),
        ("2026-11-22T11:00:00", True),
        ("2026-11-22T14:00:00+03:00", True),
        ("soon", False),
    ],
)
def test_a_session_ends_when_it_expires(expires: str, *, is_over: bool) -> None:
    sessions = Sessions[str]()
    sessions.note(opened("a", expires), "first")
    assert (sessions.worker("a", NOON) is None) == is_over


def test_a_session_without_an_expiry_stays() -> None:
    sessions = Sessions[str]()
    sessions.note((("x-amzn-sagemaker-new-session-id", "a"),), "first")
    assert sessions.worker("a", NOON) == "first"


def test_the_sessions_of_a_worker_that_has_ended_are_forgotten() -> None:
    first, second = ["first"], ["second"]
    sessions = Sessions[list[str]]()
    sessions.note(opened("a"), first)
    sessions.note(opened("b"), second)
    sessions.forget(first)
    assert (sessions.worker("a", NOON), sessions.worker("b", NOON)) == (None, second)


def test_a_new_session_goes_where_the_fewest_are() -> None:
    sessions = Sessions[str]()
    sessions.note(opened("a"), "first")
    sessions.note(opened("b"), "second")
    sessions.note(opened("c", "2026-11-22T11:00:00Z"), "third")
    sessions.note(opened("d", "2026-11-22T11:00:00Z"), "third")
    assert sessions.lightest(["first", "second", "third"], NOON) == "third"
    assert sessions.lightest([], NOON) is None


def test_of_too_many_sessions_the_one_used_longest_ago_is_forgotten() -> None:
    sessions = Sessions[str](limit=2)
    sessions.note(opened("a"), "first")
    sessions.note(opened("b"), "first")
    assert sessions.worker("a", NOON) == "first"
    sessions.note(opened("c"), "first")
    assert len(sessions) == 2
    assert [sessions.worker(name, NOON) for name in "abc"] == ["first", None, "first"]


@pytest.mark.parametrize("session", ["", "-a", "a-", "a b", "ä", "a" * 257])
def test_an_id_that_sagemaker_would_refuse_binds_nothing(session: str) -> None:
    sessions = Sessions[str]()
    sessions.note(opened(session), "first")
    assert len(sessions) == 0
