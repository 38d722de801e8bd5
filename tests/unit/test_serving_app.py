"""The HTTP interface, without HTTP: the application is called as an ASGI server would."""

import json
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from orchestrator.serving.app import App
from orchestrator.serving.contract import Contract
from orchestrator.serving.messages import QueueFullError, Request, Response, WorkerDiedError

CONTRACT = Contract("predict.py", "application/json", workers=1, max_request_bytes=10)
LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass
class FakeWorkers:
    """Answers every request with what it was made with."""

    outcome: Response | Exception = field(default_factory=lambda: Response(200, (), b"fine"))
    is_ready: bool = True
    asked: list[Request] = field(default_factory=list)

    async def ask(self, request: Request) -> Response:
        self.asked.append(request)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@dataclass(frozen=True)
class Sent:
    """What the application sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        return json.loads(self.body)


Message = MutableMapping[str, Any]


def complete(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never has to wait, without an event loop, which would open a socket."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def ask(
    app: App,
    path: str,
    method: str = "POST",
    chunks: Iterable[bytes] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Sent:
    incoming: list[Message] = [
        *({"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks),
        {"type": "http.request", "body": b"", "more_body": False},
    ]
    return exchange(app, path, method, incoming, headers)


def exchange(
    app: App, path: str, method: str, incoming: list[Message], headers: Iterable[tuple[str, str]] = ()
) -> Sent:
    outgoing: list[Message] = []
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        outgoing.append(message)

    complete(app(scope, receive, send))
    names = {name.decode("latin-1"): value.decode("latin-1") for name, value in outgoing[0]["headers"]}
    return Sent(outgoing[0]["status"], names, b"".join(message["body"] for message in outgoing[1:]))


def ignore(_line: str) -> None:
    """Log nothing."""


def app(workers: FakeWorkers | None = None, log: Callable[[str], None] = ignore) -> App:
    return App(workers or FakeWorkers(), CONTRACT, log)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_ping_says_whether_a_worker_has_loaded_the_model(method: str) -> None:
    well, ill = ask(app(), "/ping", method), ask(app(FakeWorkers(is_ready=False)), "/ping", method)
    assert (well.status, well.body) == (200, b'{\n  "status": "Healthy"\n}\n')
    assert (ill.status, ill.body) == (500, b'{\n  "status": "Unhealthy"\n}\n')


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/invocations", "/invocations/"])
def test_these_methods_run_inference(method: str, path: str) -> None:
    workers = FakeWorkers()
    headers = [("content-type", "text/csv"), ("x-amzn-sagemaker-inference-id", "7")]
    assert ask(app(workers), path, method, [b"1,", b"2"], headers).body == b"fine"
    (request,) = workers.asked
    assert (request.body, list(request.headers)) == (b"1,2", headers)


@pytest.mark.parametrize("path", ["/", "/invocations/x", "/execution-parameters", "/models", "//invocations"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    sent = ask(app(), path)
    assert sent.status == 404
    assert sent.headers["content-type"] == "application/json"
    assert sent.json() == {
        "code": 404,
        "type": "ResourceNotFoundException",
        "message": "Requested resource is not found, please refer to API document.",
    }


@pytest.mark.parametrize(
    ("path", "method"), [("/invocations", "DELETE"), ("/invocations", "HEAD"), ("/ping", "PUT")]
)
def test_an_unknown_method_is_not_allowed(path: str, method: str) -> None:
    workers = FakeWorkers()
    sent = ask(app(workers), path, method)
    assert sent.status == 405
    assert sent.json() == {
        "code": 405,
        "type": "MethodNotAllowedException",
        "message": "Requested method is not allowed, please refer to API document.",
    }
    assert workers.asked == []


def test_a_body_is_measured_as_it_arrives() -> None:
    workers = FakeWorkers()
    assert ask(app(workers), "/invocations", chunks=[b"12345"] * 2).status == 200
    refused = ask(app(workers), "/invocations", chunks=[b"12345", b"12345", b"1"])
    assert (refused.status, refused.body) == (413, b"")
    assert "content-type" not in refused.headers
    assert len(workers.asked) == 1


def test_an_endless_body_is_not_read_to_its_end() -> None:
    chunk = bytes(1024 * 1024)
    incoming: list[Message] = [{"type": "http.request", "body": chunk, "more_body": True} for _ in range(100)]
    assert exchange(app(), "/invocations", "POST", incoming).status == 413
    assert len(incoming) > 30


def test_a_client_that_goes_away_costs_no_worker_anything() -> None:
    workers = FakeWorkers()
    lines: list[str] = []
    incoming: list[Message] = [
        {"type": "http.request", "body": b"1", "more_body": True},
        {"type": "http.disconnect"},
    ]
    exchange(app(workers, lines.append), "/invocations", "POST", incoming)
    assert workers.asked == []
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (QueueFullError(), 503, "ServiceUnavailableException"),
        (TimeoutError(), 503, "ServiceUnavailableException"),
        (WorkerDiedError(), 500, "InternalServerException"),
    ],
)
def test_a_request_that_got_no_answer_gets_the_front_ends(error: Exception, status: int, kind: str) -> None:
    sent = ask(app(FakeWorkers(error)), "/invocations")
    content = sent.json()
    assert isinstance(content, dict)
    assert (sent.status, content["code"], content["type"]) == (status, status, kind)
    assert sent.headers["connection"] == "close"


def test_status_and_headers_of_the_entry_point_are_passed_on() -> None:
    headers = (("content-type", "text/csv"), ("x-amzn-sagemaker-custom-attributes", "é=1"))
    sent = ask(app(FakeWorkers(Response(202, headers, b"1"))), "/invocations")
    assert (sent.status, sent.body) == (202, b"1")
    assert sent.headers["content-type"] == "text/csv"
    assert sent.headers["x-amzn-sagemaker-custom-attributes"] == "é=1"
    assert sent.headers["content-length"] == "1"


def test_the_entry_point_has_no_say_in_how_its_answer_is_transported() -> None:
    headers = (("content-length", "99"), ("transfer-encoding", "chunked"), ("connection", "upgrade"))
    sent = ask(app(FakeWorkers(Response(200, headers, b"1"))), "/invocations")
    assert sent.headers["content-length"] == "1"
    assert {"transfer-encoding", "connection"} & {*sent.headers} == set()


def test_a_header_value_cannot_begin_another_header() -> None:
    headers = (("content-type", "text/x\r\nset-cookie: a=b"),)
    sent = ask(app(FakeWorkers(Response(200, headers, b""))), "/invocations")
    assert sent.headers["content-type"] == "text/x set-cookie: a=b"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_has_none(status: int) -> None:
    assert ask(app(FakeWorkers(Response(status, (), b"body"))), "/invocations").body == b""


def test_every_answer_has_an_id_and_forbids_caching() -> None:
    workers = FakeWorkers()
    sent = ask(app(workers), "/invocations")
    assert sent.headers["x-request-id"] == workers.asked[0].id
    assert {"pragma", "cache-control", "expires"} < {*sent.headers}
    assert ask(app(), "/nowhere").headers["x-request-id"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]", "[::1]:8080"])
def test_a_local_host_is_answered(host: str) -> None:
    local = App(FakeWorkers(), CONTRACT, ignore, hosts=LOCAL)
    assert ask(local, "/ping", headers=[("host", host)]).status == 200


@pytest.mark.parametrize(
    "hosts", [["evil.example"], ["localhost.evil.example:8080"], ["localhost", "evil.example"]]
)
def test_a_foreign_host_is_misdirected(hosts: list[str]) -> None:
    workers = FakeWorkers()
    local = App(workers, CONTRACT, ignore, hosts=LOCAL)
    assert ask(local, "/invocations", headers=[("host", host) for host in hosts]).status == 421
    assert workers.asked == []


def test_the_log_has_one_line_for_each_answer() -> None:
    lines: list[str] = []
    logged = App(FakeWorkers(), replace(CONTRACT, max_request_bytes=1), lines.append)
    ask(logged, "/invocations", chunks=[b"12"])
    ask(logged, "/ping", "GET")
    assert [line.rpartition(" ms")[0].rsplit(" ", 1)[0] for line in lines] == [
        "POST /invocations 413",
        "GET /ping 200",
    ]
