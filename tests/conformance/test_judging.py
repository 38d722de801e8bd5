"""The judge sees what it has to see, and does not see what differs from run to run."""

import pytest

from tests.conformance.cases import Request
from tests.conformance.recording import differences
from tests.conformance.wire import Answer, NoAnswerError, recorded

ASKED = Request("one")
FINE = Answer(200, "", (("content-type", "text/plain"),), b"fine")


def facts(answer: Answer, request: Request = ASKED, **places: str) -> dict[str, object]:
    return recorded(request, lambda _: answer, places)


def failed(message: str, frame: str) -> Answer:
    body = f'{message}\nTraceback (most recent call last):\n  File "{frame}", line 1\nValueError: {message}\n'
    return Answer(500, message, (), body.encode())


@pytest.mark.parametrize(
    "other",
    [
        Answer(201, "", FINE.headers, b"fine"),
        Answer(200, "OK", FINE.headers, b"fine"),
        Answer(200, "", (("content-type", "text/Plain"),), b"fine"),
        Answer(200, "", (*FINE.headers, ("x-more", "")), b"fine"),
        Answer(200, "", FINE.headers, b"fine "),
        Answer(200, "", FINE.headers, b"\xff"),
        Answer(200, "", FINE.headers, b"fine", (2, 2)),
    ],
)
def test_every_part_of_an_answer_counts(other: Answer) -> None:
    assert list(differences({"one": facts(FINE)}, {"one": facts(other)}, "case"))


def test_equal_answers_have_no_differences() -> None:
    assert not list(differences({"one": facts(FINE)}, {"one": facts(FINE)}, "case"))


def test_request_ids_addresses_and_folders_of_the_run_do_not_count() -> None:
    first = Answer(
        200, "", (("x-request-id", "a"),), b"/here/model <object at 0x7f0000aa> /tmp/x/models/" + b"a" * 32
    )
    second = Answer(
        200, "", (("x-request-id", "b"),), b"/there/model <object at 0x7f0000bb> /var/models/" + b"b" * 32
    )

    assert recorded(ASKED, lambda _: first, {"/here": "/ml"}) == recorded(
        ASKED, lambda _: second, {"/there": "/ml"}
    )


def test_of_a_traceback_the_frames_do_not_count_and_the_message_does() -> None:
    assert facts(failed("bad", "a.py")) == facts(failed("bad", "b.py"))
    assert facts(failed("bad", "a.py")) != facts(failed("worse", "a.py"))


def test_only_what_a_request_compares_is_recorded() -> None:
    assert facts(FINE, Request("one", compared=("status",))) == {"status": 200}


def test_copies_of_a_request_are_counted_by_their_answers() -> None:
    tally = facts(FINE, Request("one", copies=3))["tally"]

    assert isinstance(tally, dict)
    assert list(tally.values()) == [3]


def test_an_answer_that_never_comes_is_recorded_as_none() -> None:
    def nobody(request: Request) -> Answer:
        raise NoAnswerError("timed out")

    assert recorded(ASKED, nobody) == {"no_answer": True}
