"""The HTTP interface, without HTTP: the application is called as an ASGI server would."""

import asyncio
import json
from collections.abc import Coroutine, Iterable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from orchestrator.serving.contract import Contract
from orchestrator.serving.front.access import Access, guarded, local
from orchestrator.serving.front.app import App
from orchestrator.serving.front.call import EXTENSION
from orchestrator.serving.messages import Part, QueueFullError, Request, Response, WorkerDiedError
from orchestrator.serving.ports import Answered, Asked, OnPart

CONTRACT = Contract("predict.py", "application/json", workers=1, max_request_bytes=10)
LOCAL = local("127.0.0.1", "127.0.0.1")
STREAM = (("ts_stream_next", "true"),)


@dataclass
class FakeWorkers:
    """Answers every request with what it was made with, parts first."""

    outcome: Response | BaseException = field(default_factory=lambda: Response(200, (), b"fine", ""))
    is_ready: bool = True
    parts: tuple[Part, ...] = ()
    asked: list[Request] = field(default_factory=list)

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        self.asked.append(request)
        for part in self.parts:
            await on_part(part)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@dataclass
class FakeRoom:
    """Answers one path."""

    path: str
    asked: list[Asked] = field(default_factory=list)

    async def answer(self, asked: Asked, on_part: OnPart) -> Response | None:
        self.asked.append(asked)
        return Response(200, (), b"room") if asked.path == self.path else None


@dataclass
class Notes:
    """An observer that remembers."""

    answers: list[Answered] = field(default_factory=list)

    def answered(self, answer: Answered) -> None:
        self.answers.append(answer)

    def happened(self, event: str, **facts: object) -> None:
        raise AssertionError((event, facts))


@dataclass(frozen=True)
class Sent:
    """What the application sent."""

    status: int
    reason: str | None
    headers: dict[str, str]
    pieces: list[bytes]
    is_whole: bool

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def json(self) -> object:
        return json.loads(self.body)


Message = MutableMapping[str, Any]


def complete(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never has to wait, without an event loop, which would open a socket."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def ask(
    app: App,
    target: str,
    method: str = "POST",
    chunks: Iterable[bytes] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Sent:
    incoming: list[Message] = [
        *({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks),
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    outgoing = exchange(app, target, method, incoming, headers)
    start, *bodies = outgoing
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
    pieces = [message["body"] for message in bodies]
    return Sent(start["status"], start["reason"], names, pieces, is_whole=not bodies[-1]["more_body"])


def exchange(
    app: App,
    target: str,
    method: str,
    incoming: list[Message],
    headers: Iterable[tuple[str, str]] = (),
) -> list[Message]:
    outgoing: list[Message] = []
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode("latin-1"),
        "query_string": query.encode(),
        "headers": [(name.lower(), value) for name, value in pairs],
        "extensions": {EXTENSION: {"headers": pairs}},
    }

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        outgoing.append(message)

    complete(app(scope, receive, send))
    return outgoing


def app(workers: FakeWorkers | None = None, **options: Any) -> App:  # noqa: ANN401 - App's own keywords
    return App(workers or FakeWorkers(), CONTRACT, **{"access": Access(), **options})


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/ping", "/ping/", "/ping/x", "/pi%6eg", "/ping%2Fx", "/ping?%zz"])
def test_ping_says_by_any_method_whether_a_worker_has_loaded_the_model(method: str, path: str) -> None:
    well, ill = ask(app(), path, method), ask(app(FakeWorkers(is_ready=False)), path, method)
    assert (well.status, well.body) == (200, b'{\n  "status": "Healthy"\n}\n')
    assert (ill.status, ill.body) == (500, b'{\n  "status": "Unhealthy"\n}\n')


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "BREW"])
@pytest.mark.parametrize(
    "path", ["/invocations", "/invocations/", "/invocations//", "/%69nvocations", "/invocations%2f"]
)
def test_every_method_but_options_runs_inference(method: str, path: str) -> None:
    workers = FakeWorkers()
    assert ask(app(workers), path, method, [b"1,", b"2"]).status == 200
    assert [request.body for request in workers.asked] == [b"1,2"]


def test_the_entry_point_sees_headers_as_they_were_spelt_and_the_query() -> None:
    workers = FakeWorkers()
    headers = [("Content-TYPE", "text/csv"), ("X-a", "1"), ("x-A", "é"), ("Content-Length", "3")]
    ask(app(workers), "/invocations?a=%41&b", chunks=[b"1,2"], headers=headers)
    (request,) = workers.asked
    assert list(request.headers) == headers
    assert request.query == "a=%41&b"


def test_the_entry_point_sees_a_length_and_nothing_of_how_the_body_came() -> None:
    workers = FakeWorkers()
    headers = [("Transfer-Encoding", "chunked"), ("Expect", "100-continue"), ("X", "1")]
    ask(app(workers), "/invocations", chunks=[b"12"], headers=headers)
    assert workers.asked[0].headers == (("X", "1"), ("content-length", "2"))


@pytest.mark.parametrize(
    "path",
    [
        *("/invocations/x", "/execution-parameters", "/models", "//invocations", "//ping", "/INVOCATIONS"),
        *("http://localhost/invocations", "http://localhost/ping", "/./ping", "/x/../ping", "/pi+ng"),
        *("/invocations;x", "/ping%00", "/%2finvocations"),
    ],
)
def test_an_unknown_path_is_not_found(path: str) -> None:
    workers = FakeWorkers()
    sent = ask(app(workers), path)
    assert (sent.status, sent.headers["content-type"]) == (404, "application/json")
    assert sent.body == (
        b'{\n  "code": 404,\n  "type": "ResourceNotFoundException",\n'
        b'  "message": "Requested resource is not found, please refer to API document."\n}\n'
    )
    assert workers.asked == []


@pytest.mark.parametrize(
    ("path", "method"), [("/", "GET"), ("//", "POST"), ("/?a=b", "PUT"), ("/invocations", "OPTIONS")]
)
def test_what_only_describes_is_not_allowed_where_no_room_describes(path: str, method: str) -> None:
    sent = ask(app(), path, method)
    assert sent.status == 405
    assert sent.json() == {
        "code": 405,
        "type": "MethodNotAllowedException",
        "message": "Requested method is not allowed, please refer to API document.",
    }


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/ping%", "unterminated escape sequence at index 5 of: /ping%"),
        ("/ping%4", "unterminated escape sequence at index 5 of: /ping%4"),
        ("/ping%zz", "invalid hex byte 'zz' at index 6 of '/ping%zz'"),
        ("/invocations?a=%zz", "invalid hex byte 'zz' at index 16 of '/invocations?a=%zz'"),
    ],
)
def test_wrong_percent_encoding_is_forbidden(target: str, message: str) -> None:
    sent = ask(app(), target)
    assert sent.json() == {"code": 403, "type": "IllegalArgumentException", "message": message}


def test_a_target_that_is_no_path_gets_torchserves_own_error() -> None:
    sent = ask(app(), "*", "OPTIONS")
    message = "Index 1 out of bounds for length 1"
    assert sent.json() == {"code": 500, "type": "ArrayIndexOutOfBoundsException", "message": message}


@pytest.mark.parametrize(("name", "status"), [("model", 200), ("", 200), ("mod%65l", 200), ("other", 404)])
def test_a_query_may_name_the_only_model_and_no_other(name: str, status: int) -> None:
    sent = ask(app(), f"/invocations?model_name={name}&model_name=x")
    assert sent.status == status
    if status == 404:
        message = "Model not found: other"
        assert sent.json() == {"code": 404, "type": "ModelNotFoundException", "message": message}


def test_of_several_models_whoever_has_them_chooses() -> None:
    workers = FakeWorkers()
    several = App(workers, replace(CONTRACT, multi_model=True), access=Access())
    assert ask(several, "/invocations?model_name=other").status == 200
    assert workers.asked[0].query == "model_name=other"


def test_rooms_answer_other_paths_in_their_order() -> None:
    first, second = FakeRoom("/a/b"), FakeRoom("/a/b")
    rooms = [FakeRoom("/"), first, second]
    sent = ask(app(rooms=rooms), "/a%2Fb/?x=y", "PUT", [b"12"], [("X-Y", "z")])
    assert (sent.body, sent.status, second.asked) == (b"room", 200, [])
    (asked,) = first.asked
    assert (asked.method, asked.path, asked.query) == ("PUT", "/a/b", "x=y")
    assert (asked.request.body, asked.request.headers[0]) == (b"12", ("X-Y", "z"))
    assert asked.request.id == sent.headers["x-request-id"]


def test_rooms_have_no_say_about_inference_and_health() -> None:
    rooms = [FakeRoom("/ping"), FakeRoom("/invocations")]
    assert ask(app(rooms=rooms), "/ping").body != b"room"
    assert ask(app(rooms=rooms), "/invocations").body == b"fine"
    assert ask(app(rooms=rooms), "/invocations", "OPTIONS").body == b"room"
    assert ask(app(rooms=[FakeRoom("/")]), "/", "GET").body == b"room"


def test_a_body_is_measured_as_it_arrives() -> None:
    workers = FakeWorkers()
    assert ask(app(workers), "/invocations", chunks=[b"12345"] * 2).status == 200
    refused = ask(app(workers), "/invocations", chunks=[b"12345", b"12345", b"1"])
    assert (refused.status, refused.reason, refused.body) == (413, "Request Entity Too Large", b"")
    assert "content-type" not in refused.headers
    assert len(workers.asked) == 1


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    incoming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    start, *_ = exchange(app(), "/invocations", "POST", incoming, [("Content-Length", "11")])
    assert start["status"] == 413
    assert len(incoming) == 1


def test_an_endless_body_is_not_read_to_its_end() -> None:
    incoming: list[Message] = [{"type": "http.request", "body": b"12345", "more_body": True}] * 9
    start, *_ = exchange(app(), "/invocations", "POST", incoming)
    assert start["status"] == 413
    assert len(incoming) == 6


def test_a_client_that_goes_away_costs_no_worker_anything() -> None:
    workers, notes = FakeWorkers(), Notes()
    incoming: list[Message] = [
        {"type": "http.request", "body": b"1", "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert exchange(app(workers, observers=[notes]), "/invocations", "POST", incoming) == []
    assert workers.asked == []
    assert [answer.status for answer in notes.answers] == [499]


def test_an_answer_that_nobody_waits_for_any_more_is_noted() -> None:
    notes = Notes()
    with pytest.raises(asyncio.CancelledError):
        ask(app(FakeWorkers(asyncio.CancelledError()), observers=[notes]), "/invocations")
    assert [answer.status for answer in notes.answers] == [499]


FULL = (
    'Model "model" has no worker to serve inference request. Please use scale workers API to add workers. '
    "If this is a sequence inference, please check if it is closed, or expired; "
    "or exceeds maxSequenceJobQueueSize"
)
IN_TIME = "No worker became free within SageMaker's time limit."


@pytest.mark.parametrize(
    ("error", "status", "kind", "message"),
    [
        (QueueFullError(), 503, "ServiceUnavailableException", FULL),
        (TimeoutError(), 503, "ServiceUnavailableException", IN_TIME),
        (WorkerDiedError("it ended"), 500, "InternalServerException", "Worker died."),
        (WorkerDiedError("killed", out_of_memory=True), 507, "InternalServerException", "Worker died."),
    ],
)
def test_a_request_that_got_no_answer_gets_the_front_ends(
    error: Exception, status: int, kind: str, message: str
) -> None:
    sent = ask(app(FakeWorkers(error)), "/invocations")
    assert sent.status == status
    assert sent.json() == {"code": status, "type": kind, "message": message}


def test_status_reason_and_headers_of_the_entry_point_are_passed_on() -> None:
    headers = (("content-type", "text/csv"), ("X-Amzn-SageMaker-Custom-Attributes", "é=1"))
    sent = ask(app(FakeWorkers(Response(202, headers, b"1", "Fine"))), "/invocations")
    assert (sent.status, sent.reason, sent.body) == (202, "Fine", b"1")
    assert sent.headers["content-type"] == "text/csv"
    assert sent.headers["X-Amzn-SageMaker-Custom-Attributes"] == "é=1"
    assert sent.headers["content-length"] == "1"


def test_the_entry_point_has_no_say_in_what_the_front_end_says() -> None:
    theirs = ("Content-Length", "Transfer-Encoding", "Connection", "X-Request-Id", "PRAGMA", "Cache-Control")
    headers = tuple((name, "theirs") for name in theirs)
    sent = ask(app(FakeWorkers(Response(200, headers, b"1"))), "/invocations")
    assert "theirs" not in sent.headers.values()
    assert sent.headers["content-length"] == "1"


@pytest.mark.parametrize(
    "header",
    [
        *(("x", "a\r\nset-cookie: a=b"), ("x", "a\nb"), ("x", "a\rb"), ("x", "a\0b"), ("x", "a\x0bb")),
        *(("x y", "a"), ("x:y", "a"), ("", "a"), ("é", "a"), ("x\r\ny", "a")),
    ],
)
def test_a_header_that_cannot_be_written_is_an_error_as_in_the_container(header: tuple[str, str]) -> None:
    sent = ask(app(FakeWorkers(Response(200, (header,), b"secret"))), "/invocations")
    assert sent.json() == {"code": 500, "type": "InternalServerException", "message": "Worker died."}


@pytest.mark.parametrize(("status", "length"), [(204, None), (100, None), (205, "0"), (304, "4"), (200, "4")])
def test_an_answer_says_its_length_where_it_may(status: int, length: str | None) -> None:
    sent = ask(app(FakeWorkers(Response(status, (), b"body"))), "/invocations")
    assert sent.headers.get("content-length") == length


def test_every_answer_has_an_id_and_forbids_caching() -> None:
    workers = FakeWorkers()
    sent = ask(app(workers), "/invocations")
    assert sent.headers["x-request-id"] == workers.asked[0].id
    assert sent.headers["Cache-Control"] == "no-cache; no-store, must-revalidate, private"
    assert sent.headers["Pragma"] == "no-cache"
    assert sent.headers["Expires"] == "Thu, 01 Jan 1970 00:00:00 UTC"
    assert ask(app(), "/nowhere").headers["x-request-id"] != sent.headers["x-request-id"]


def test_a_stream_is_sent_piece_by_piece_under_the_first_ones_headers() -> None:
    parts = (Part(0, 200, STREAM, b"one", ""), Part(0, 500, (("x", "y"),), b"two"))
    sent = ask(app(FakeWorkers(Response(201, (), b"last"), parts=parts)), "/invocations")
    assert (sent.status, sent.reason, sent.is_whole) == (200, "", True)
    assert sent.headers["ts_stream_next"] == "true"
    assert sent.pieces == [b"one", b"two", b"last"]
    assert {"content-length", "content-type", "x"}.isdisjoint(sent.headers)


@pytest.mark.parametrize("outcome", [WorkerDiedError("it ended"), Response(500, (), b"Traceback")])
def test_a_stream_that_fails_has_no_end(outcome: Response | Exception) -> None:
    notes = Notes()
    workers = FakeWorkers(outcome, parts=(Part(0, 200, STREAM, b"one", ""),))
    sent = ask(app(workers, observers=[notes]), "/invocations")
    assert (sent.pieces, sent.is_whole) == ([b"one"], False)
    assert [answer.status for answer in notes.answers] == [500]


def test_a_stream_whose_headers_cannot_be_written_is_an_error() -> None:
    workers = FakeWorkers(parts=(Part(0, 200, (("x", "\n"),), b"one", ""),))
    assert ask(app(workers), "/invocations").status == 500


def test_access_comes_before_everything() -> None:
    workers = FakeWorkers()
    foreign = [("host", "evil.example")]
    assert ask(app(workers, access=LOCAL), "/invocations", headers=foreign).status == 421
    assert ask(app(workers, access=LOCAL, rooms=[FakeRoom("/")]), "/", headers=foreign).status == 421
    assert ask(app(workers, access=guarded("secret")), "/invocations").status == 401
    assert workers.asked == []


def test_ping_is_free_of_the_token_by_every_name_it_has() -> None:
    for path in ("/ping", "/ping/", "/pi%6eg"):
        assert ask(app(access=guarded("secret")), path, "GET").status == 200
    for path in ("/", "/metrics", "/ping%00", "/invocations", "//ping"):
        assert ask(app(access=guarded("secret"), rooms=[FakeRoom(path)]), path, "GET").status == 401


def test_observers_are_told_of_each_answer_and_never_of_a_body() -> None:
    notes = Notes()
    outcome = Response(200, (), b"answer", "", ("accept-echoed",), 0.25)
    observed = app(FakeWorkers(outcome), observers=[notes])
    sent = ask(observed, "/invocat%69ons?secret=1", chunks=[b"payload"])
    ask(observed, "/nope", "GET")
    first, second = notes.answers
    assert (first.id, first.method, first.path) == (sent.headers["x-request-id"], "POST", "/invocat%69ons")
    assert (first.status, first.request_bytes, first.response_bytes) == (200, 7, 6)
    assert (first.model_seconds, first.traps, first.error) == (0.25, ("accept-echoed",), "")
    assert 0 < first.seconds < 10
    assert second.error == "Requested resource is not found, please refer to API document."
    assert "payload" not in repr(notes)
    assert "secret" not in repr(notes)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"bad \xc3\xa9\nTraceback (most recent call last):\n", "bad \\xe9"),
        (b'{"code": 400, "message": "no"}', "no"),
        (b'{"code": 400}', '{"code": 400}'),
        (b"{broken", "{broken"),
        (b"[" * 9000, "[" * 200),
        (b"\xff", "\\ufffd"),
        (b"", ""),
    ],
)
def test_observers_are_told_the_first_sentence_of_an_error(body: bytes, error: str) -> None:
    notes = Notes()
    outcome = Response(500, (), body, trace="Traceback")
    ask(app(FakeWorkers(outcome), observers=[notes]), "/invocations")
    (answer,) = notes.answers
    assert (answer.error, answer.trace) == (error, "Traceback")
