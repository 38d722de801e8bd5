import io
import json
from typing import Any

import pytest

from orchestrator.serving.ports import Answered
from orchestrator.serving.traps import TRAPS
from orchestrator.serving.watching.log import Log, place_of

NOON = 1_767_268_800.25
QUOTED = "the-payload"
TRACE = f"""Traceback (most recent call last):
  File "/opt/ml/model/code/predict.py", line 3, in outer
    inner(1)
    ~~~~~^^^
  File "/opt/ml/model/code/reading.py", line 12, in inner
    raise ValueError(text)
ValueError: cannot read '{QUOTED}'
  File "{QUOTED}", line 1, in nowhere
"""
SYNTAX_TRACE = """Traceback (most recent call last):
  File "<string>", line 1, in <module>
  File "a.py", line 2
    x = (
        ^
SyntaxError: '(' was never closed
"""
RECURSION_TRACE = """Traceback (most recent call last):
  File "a.py", line 1, in f
    f()
  [Previous line repeated 992 more times]
RecursionError: maximum
"""


class _Broken(io.StringIO):
    """A stream whose reader is gone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        raise self._error


def _answer(**changes: Any) -> Answered:  # noqa: ANN401 - any of the fields
    usual: dict[str, Any] = {
        "id": "0d9f",
        "method": "POST",
        "path": "/invocations",
        "status": 200,
        "seconds": 0.0032,
        "model_seconds": 0.001,
        "request_bytes": 12,
        "response_bytes": 34,
    }
    return Answered(**(usual | changes))


def _text(*answers: Answered) -> list[str]:
    stream = io.StringIO()
    log = Log(stream)
    for answer in answers:
        log.answered(answer)
    return stream.getvalue().splitlines()


def _json(answer: Answered) -> dict[str, Any]:
    stream = io.StringIO()
    Log(stream, as_json=True, now=lambda: NOON).answered(answer)
    return dict(json.loads(stream.getvalue().splitlines()[-1]))


def test_an_answer_is_one_line_with_method_path_status_time_and_id() -> None:
    assert _text(_answer()) == ["POST /invocations 200 3.2 ms 0d9f"]


def test_an_answer_in_json_has_the_time_in_utc_and_all_sizes() -> None:
    assert _json(_answer(traps=("form-body",))) == {
        "time": "2026-01-01T12:00:00.250Z",
        "event": "answered",
        "request_id": "0d9f",
        "method": "POST",
        "path": "/invocations",
        "status": 200,
        "milliseconds": 3.2,
        "model_milliseconds": 1.0,
        "request_bytes": 12,
        "response_bytes": 34,
        "traps": ["form-body"],
        "error": "",
    }


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize("path", ["/a\nPOST /b 200", "/\x1b[2Jx", "/\x7f", "/\u2028x", "/\udcff", "/é"])
def test_no_path_begins_a_second_line_or_moves_the_cursor(path: str, as_json: bool) -> None:  # noqa: FBT001 - a parameter of the test
    stream = io.StringIO()
    Log(stream, as_json=as_json).answered(_answer(path=path, method="GE\nT", error="a\nb\x1b[2J"))
    line = stream.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isascii()
    assert line[:-1].isprintable()


@pytest.mark.parametrize("as_json", [False, True])
def test_an_event_with_control_characters_is_one_line(as_json: bool) -> None:  # noqa: FBT001 - a parameter of the test
    stream = io.StringIO()
    Log(stream, as_json=as_json).happened("worker-failed", text="a\r\nb\x1b[31m\x7f", pid=3)
    assert stream.getvalue()[:-1].isprintable()


def test_the_query_is_not_logged() -> None:
    answer = _answer(path=f"/predictions/m?token={QUOTED}")
    assert _text(answer) == ["POST /predictions/m 200 3.2 ms 0d9f"]
    assert _json(answer)["path"] == "/predictions/m"


@pytest.mark.parametrize(
    "text",
    [
        "GET https://b.s3.amazonaws.com/k?X-Amz-Signature=5ec7e7&x=1",
        "X-Amz-Security-Token=5ec7e7",
        "authorization: Bearer 5ec7e7",
        "key AKIA5EC7E7ABCDEFGHIJ",
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_what_looks_like_a_credential_is_masked(text: str, as_json: bool) -> None:  # noqa: FBT001 - a parameter of the test
    stream = io.StringIO()
    log = Log(stream, as_json=as_json)
    log.happened("worker-failed", text=text, lines=[{"deep": text}])
    log.answered(_answer(error=text, model_seconds=0.0))
    assert "5ec7e7" not in stream.getvalue().lower()
    assert stream.getvalue().count("[masked]") >= 2


def test_an_error_of_the_entry_point_is_logged_by_type_and_place_and_not_by_its_text() -> None:
    failed = _answer(status=500, error=f"cannot read '{QUOTED}'", trace=TRACE)
    assert _text(failed) == ["POST /invocations 500 3.2 ms 0d9f ValueError at reading.py:12 in inner"]
    assert QUOTED not in json.dumps(_json(failed))


def test_what_an_entry_point_answers_with_an_error_status_is_not_logged() -> None:
    assert _text(_answer(status=400, error=QUOTED)) == ["POST /invocations 400 3.2 ms 0d9f"]


def test_the_servers_own_words_for_a_failure_are_logged() -> None:
    assert _text(_answer(status=500, error="Worker died.", model_seconds=0.0))[0].endswith(
        "0d9f Worker died."
    )


@pytest.mark.parametrize(
    ("trace", "expected"),
    [
        ("", "error"),
        ("KeyError\n", "KeyError"),
        ("Traceback (most recent call last):\nMemoryError\n", "MemoryError"),
        (SYNTAX_TRACE, "SyntaxError at a.py:2"),
        (RECURSION_TRACE, "RecursionError at a.py:1 in f"),
        (
            TRACE + "\nDuring handling of that:\n\n" + TRACE.replace("ValueError:", "b.OtherError:"),
            "b.OtherError at reading.py:12 in inner",
        ),
    ],
)
def test_a_place_is_the_last_frame_of_the_last_traceback(trace: str, expected: str) -> None:
    assert place_of(trace) == expected


def test_a_trap_is_explained_when_it_is_met_first_and_only_named_after_that() -> None:
    met = _answer(traps=("form-body",))
    first, second, third = _text(met, met)
    trap = TRAPS["form-body"]
    assert first == f"warning: POST /invocations: {trap.happens}; {trap.instead} [form-body]"
    assert second == third == "POST /invocations 200 3.2 ms 0d9f [form-body]"


def test_a_trap_that_every_worker_finds_is_explained_once_for_each_place() -> None:
    stream = io.StringIO()
    log = Log(stream)
    for found in ("a.py", "a.py", "b.py"):
        log.happened("trap", trap="shadowed-module", found=found)
    assert [line.split(": ")[1] for line in stream.getvalue().splitlines()] == ["a.py", "b.py"]


def test_an_event_is_its_sentence_for_people_and_its_facts_for_programs() -> None:
    people, programs = io.StringIO(), io.StringIO()
    facts: dict[str, object] = {"text": "worker 1 (7) loaded the model in 0.5 s", "pid": 7}
    Log(people).happened("worker-loaded", **facts)
    Log(programs, as_json=True, now=lambda: NOON).happened("worker-loaded", **facts)
    assert people.getvalue() == "worker 1 (7) loaded the model in 0.5 s\n"
    assert json.loads(programs.getvalue()) == {
        "time": "2026-01-01T12:00:00.250Z",
        "event": "worker-loaded",
        **facts,
    }


def test_an_event_without_a_sentence_is_told_by_its_facts() -> None:
    stream = io.StringIO()
    Log(stream).happened("reloaded", seconds=2)
    assert stream.getvalue() == "reloaded seconds=2\n"


def test_a_long_text_is_cut() -> None:
    assert len(_text(_answer(path="/" + "a" * 60_000))[0]) < 1000


def test_the_page_that_asks_once_a_second_does_not_fill_the_log() -> None:
    assert _text(_answer(path="/_local/state")) == []
    assert len(_text(_answer(path="/_local/state", status=500))) == 1


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_reader_who_is_gone_harms_nobody(error: Exception) -> None:
    log = Log(_Broken(error))
    log.answered(_answer())
    log.happened("worker-loaded", text="loaded")
