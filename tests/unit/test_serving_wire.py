"""How an answer is written, and how long a connection is waited for."""

import http.client
import io

import pytest

from orchestrator.serving.front import wire
from orchestrator.serving.front.limits import Limits, Watch


def status_line(reason: str | None, status: int = 500) -> bytes:
    return wire.head(status, reason, []).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("", b"HTTP/1.1 500 "),
        (None, b"HTTP/1.1 500 Internal Server Error"),
        ("two\r\nlines\n", b"HTTP/1.1 500 two  lines "),
        ("a\tb\0c\x1b[31m\x7f", b"HTTP/1.1 500 a\tb c [31m "),
        ("é\u2028\ud800", b"HTTP/1.1 500 \\xe9\\u2028\\ud800"),
    ],
)
def test_a_reason_is_one_line_of_ascii(reason: str | None, line: bytes) -> None:
    assert status_line(reason) == line


@pytest.mark.parametrize("reason", ["x" * 100_000, "é" * 100_000])
def test_a_reason_is_no_longer_than_clients_take(reason: str) -> None:
    content = wire.head(500, reason, [(b"content-length", b"0")])
    assert len(content) < 61_000
    line = io.BytesIO(content).readline(http.client._MAXLINE + 1)  # type: ignore[attr-defined]  # noqa: SLF001 - what Python's client takes
    assert line.endswith(b"\r\n")


def test_an_unknown_status_has_no_reason_of_its_own() -> None:
    assert status_line(None, 599) == b"HTTP/1.1 599 "


@pytest.mark.parametrize(
    ("method", "status", "has_body"),
    [
        *(("POST", 200, True), ("HEAD", 200, False), ("POST", 500, True)),
        *(("POST", 204, False), ("POST", 205, False), ("POST", 304, False), ("POST", 101, False)),
    ],
)
def test_some_answers_have_no_body(method: str, status: int, *, has_body: bool) -> None:
    assert wire.has_body(method, status) is has_body


def test_a_header_beyond_latin_1_is_written_with_question_marks() -> None:
    assert wire.fields((("X", "é€"),), "id")[0] == (b"X", b"\xe9?")


def test_what_is_expected_is_overdue_after_its_time() -> None:
    watch = Watch(Limits(head_seconds=10), now=100)
    assert not watch.is_overdue(109.9)
    assert watch.is_overdue(110)
    watch.rest()
    assert not watch.is_overdue(1e9)
    watch.await_in(5, 200)
    assert watch.is_overdue(205)


def test_a_reader_is_stalled_who_takes_nothing_though_there_is_something() -> None:
    watch = Watch(Limits(reader_seconds=60), now=0)
    assert not watch.is_stalled(written=100, unsent=0, now=1000)
    assert not watch.is_stalled(written=200, unsent=50, now=1001)
    assert not watch.is_stalled(written=300, unsent=150, now=1060)
    assert watch.is_stalled(written=300, unsent=150, now=1061)
    assert not watch.is_stalled(written=300, unsent=149, now=1062)
