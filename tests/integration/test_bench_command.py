"""`bench` against servers that answer, stall, refuse, lie and break off."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from orchestrator.adapters.load import HttpLoad
from orchestrator.adapters.volley import Connection, Shot, Volley
from orchestrator.cli import boundary, main
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Case, Request
from orchestrator.core.latency import Measured, Pace

STALL_SECONDS = 0.5
GOLDEN = {"request": {"body": {"image": [1]}}, "response": {"body": {"label": "owl"}}}
OWL = b'{"label": "owl"}'
BROKEN = {"/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "/garbage": b"SSH-2.0-OpenSSH\r\n\r\n"}
CASE = Case("owl", Request(b'{"image": [1]}'))


class Handler(BaseHTTPRequestHandler):
    """Answers by the path that was asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: "Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        number = self.server.count()
        match self.path:
            case "/invocations":
                self.give(200, OWL)
            case "/echo":
                self.give(200, f"{self.headers['Content-Type']} {self.headers['Accept']}".encode() + body)
            case "/flaky":
                self.give(503 if number % 2 else 200, b"{}")
            case "/guarded":
                is_known = self.headers["Authorization"] == "Bearer s3cret"
                self.give(200 if is_known else 401, OWL)
            case "/nowhere" | "/invocation":
                self.give(404, b"no such path")
            case _:
                self.misbehave(number)

    def misbehave(self, number: int) -> None:
        match self.path:
            case "/stall":
                if number == 5:
                    threading.Event().wait(STALL_SECONDS)
                self.give(200, b"{}")
            case "/silent":
                self.server.closing.wait()
                self.close_connection = True
            case "/closing":
                self.close_connection = True
                self.give(200, b"{}")
            case "/early":
                self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
                self.give(200, b"{}")
            case path:
                self.wfile.write(BROKEN[path])
                self.close_connection = True

    def give(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Counts its requests."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._counted = 0
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def count(self) -> int:
        with self._lock:
            self._counted += 1
            return self._counted

    @property
    def counted(self) -> int:
        return self._counted

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away is a part of these tests."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.closing.set()
            running.shutdown()
            thread.join()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def measured(server: Server, path: str, pace: Pace, case: Case = CASE) -> Measured:
    return HttpLoad(server.url(path)).run([case], pace)


def test_a_closed_loop_sends_as_fast_as_answers_come_and_loses_none(server: Server) -> None:
    found = measured(server, "/invocations", Pace(4, 0.2))
    assert len(found.latencies) == server.counted > 4
    assert found.errors == 0
    assert found.seconds >= 0.2


def test_an_open_loop_sends_what_is_due_and_no_more(server: Server) -> None:
    found = measured(server, "/invocations", Pace(4, 0.5, 60.0))
    assert len(found.latencies) == server.counted == 30
    assert found.seconds >= 29 / 60


def test_a_stall_makes_the_requests_behind_it_late_in_an_open_loop(server: Server) -> None:
    found = measured(server, "/stall", Pace(1, 0.5, 100.0))
    # The fifth request stalls when 40 ms have gone by: those due in the 460 ms after it wait for it.
    late = [latency for latency in found.latencies if latency > 0.05]
    assert len(found.latencies) == 50
    assert len(late) >= 40
    assert max(found.latencies) >= STALL_SECONDS


def test_a_request_is_sent_whole_however_large_it_is(server: Server) -> None:
    body = bytes(range(256)) * 40_000
    found = measured(server, "/echo", Pace(2, 0.2), Case("large", Request(body, "application/x-npy")))
    assert found.latencies
    assert found.errors == 0


def test_one_request_is_answered_with_its_types(server: Server) -> None:
    answer = HttpLoad(server.url("/echo")).ask(Request(b"!", "text/csv", "application/x-npy"))
    assert (answer.status, answer.body) == (200, b"text/csv application/x-npy!")


def test_answers_with_another_status_are_counted_by_it(server: Server) -> None:
    found = measured(server, "/flaky", Pace(1, 0.2))
    assert set(found.wrong) == {503}
    assert abs(found.wrong[503] - len(found.latencies)) <= 1


def test_a_status_that_the_case_expects_is_right(server: Server) -> None:
    found = measured(server, "/nowhere", Pace(1, 0.1), Case("absent", CASE.request, status=404))
    assert found.latencies
    assert found.errors == 0


def test_a_server_that_closes_after_each_answer_is_connected_to_again(server: Server) -> None:
    found = measured(server, "/closing", Pace(2, 0.2))
    assert len(found.latencies) > 2
    assert found.errors == 0


def test_hints_before_the_answer_are_no_answer(server: Server) -> None:
    found = measured(server, "/early", Pace(1, 0.1))
    assert found.errors == 0
    assert len(found.latencies) == server.counted


@pytest.mark.parametrize(
    ("path", "why"), [("/cut", "the connection was closed"), ("/garbage", "the answer is not HTTP")]
)
def test_an_answer_that_is_none_is_counted_with_its_reason(server: Server, path: str, why: str) -> None:
    found = measured(server, path, Pace(1, 0.1, 50.0))
    assert dict(found.unanswered) == {why: 5}


def test_nobody_there_is_counted_and_not_asked_without_a_pause(closed_port: int) -> None:
    found = HttpLoad(f"http://127.0.0.1:{closed_port}").run([CASE], Pace(4, 0.2))
    assert list(found.unanswered) == ["connection refused"]
    assert 1 <= found.unanswered["connection refused"] <= 21


def test_a_server_that_never_answers_does_not_keep_us_for_ever(server: Server) -> None:
    host, port = "127.0.0.1", server.server_address[1]
    shot = Shot(b"POST /silent HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 200)
    pace = Pace(connections=2, seconds=0.1, rate=100.0)
    found = Volley(lambda: Connection(host, port), [shot], pace, patience_seconds=0.2).measured()
    assert not found.latencies
    assert found.unanswered["no answer in 0.2 s"] >= 2
    assert sum(found.unanswered.values()) == 10


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1",
        "ftp://x",
        "http://",
        "http://a:b",
        "http://a:0",
        "http://a b",
        "http://a/\r\nX: y",
    ],
)
def test_what_is_no_servers_address_is_refused(url: str) -> None:
    with pytest.raises(SpecError, match="not the address of a plain HTTP server"):
        HttpLoad(url)


def test_a_token_that_no_header_can_hold_is_refused() -> None:
    with pytest.raises(SpecError, match="token"):
        HttpLoad("http://127.0.0.1", "a\r\nX-Evil: 1")


@pytest.mark.parametrize(
    ("url", "goes_to"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000/invocations"),
        ("http://[::1]:9000/", "http://[::1]:9000/invocations"),
        ("http://host/models/a/invoke?x=1", "http://host:80/models/a/invoke?x=1"),
    ],
)
def test_a_path_in_the_address_replaces_the_usual_one(url: str, goes_to: str) -> None:
    assert HttpLoad(url).url == goes_to


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    for name in ("ORCHESTRATOR_CONFIG", "ORCHESTRATOR_TOKEN", "ORCHESTRATOR_ENV"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "owl.json").write_text(json.dumps(GOLDEN))
    (tmp_path / "orchestrator.toml").write_text(
        'version = 1\nname = "pets"\n[model]\npath = "m.pt"\nclass = "net.py:Net"\n'
        '[golden]\ncases = "golden/*.json"\n'
    )

    def bench(*arguments: str) -> tuple[int, str, str]:
        code = boundary.run(main.cli, ["bench", "--duration", "0.2", "--connections", "2", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return bench


def test_the_command_prints_figures_and_a_plot_and_says_where_the_rate_comes_from(
    server: Server, run: Run
) -> None:
    code, out, err = run(server.url())
    assert code == 0
    assert "throughput" in out
    assert all(name in out for name in ("p50", "p95", "p99", "max"))
    assert "errors      none" in out
    assert "\x1b" not in out
    assert "70 % of what a warm-up has found possible" in err


def test_the_command_prints_one_document(server: Server, run: Run) -> None:
    code, out, _ = run(server.url(), "--rate", "100", "-o", "json")
    document = json.loads(out)
    assert code == 0
    assert (document["loop"], document["rate"], document["requests"]) == ("open", 100, 20)
    assert sum(bin_["count"] for bin_ in document["histogram"]) == 20


def test_two_servers_are_compared_with_an_interval(server: Server, run: Run) -> None:
    code, out, _ = run(server.url(), "--compare", server.url(), "--closed", "-o", "json")
    document = json.loads(out)
    assert code == 0
    assert [one["url"] for one in document["servers"]] == [server.url("/invocations")] * 2
    for found in document["ratios"].values():
        assert found["low"] <= found["estimate"] <= found["high"]


def test_a_comparison_is_told_in_words(server: Server, run: Run) -> None:
    code, out, _ = run(server.url(), "--compare", server.url(), "--closed")
    assert code == 0
    assert "the second as a multiple of the first, 8 rounds in turn, 95 % confidence" in out


def test_a_token_is_sent(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(server.url("/guarded"), "--closed")[0] == 1
    assert run(server.url("/guarded"), "--closed", "--token", "s3cret")[0] == 0
    monkeypatch.setenv("ORCHESTRATOR_TOKEN", "s3cret")
    assert run(server.url("/guarded"), "--closed")[0] == 0


@pytest.mark.parametrize("case", ["owl", "owl.json", "golden/owl.json"])
def test_a_case_is_chosen_by_its_name_or_its_file(server: Server, run: Run, case: str) -> None:
    assert run(server.url(), "--closed", "--case", case)[0] == 0


def test_a_body_needs_no_spec(server: Server, run: Run, tmp_path: Path) -> None:
    (tmp_path / "orchestrator.toml").unlink()
    (tmp_path / "x.npy").write_bytes(b"npy")
    code, _, err = run(
        server.url("/echo"), "--closed", "--body", "x.npy", "--content-type", "application/x-npy"
    )
    assert (code, "error" in err) == (0, False)


def test_without_a_spec_the_way_without_one_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "orchestrator.toml").unlink()
    code, _, err = run()
    assert code == 2
    assert "--case FILE or --body FILE" in err


def test_a_case_that_is_unknown_gets_those_that_are_known(run: Run) -> None:
    code, _, err = run("--case", "cat")
    assert code == 2
    assert "golden/owl.json" in err


@pytest.mark.parametrize(
    "arguments",
    [("--closed", "--rate", "5"), ("--accept", "text/csv"), ("--case", "owl", "--body", "orchestrator.toml")],
)
def test_options_that_contradict_each_other_are_refused(run: Run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert "error[usage]" in err


def test_nobody_there_ends_with_one_and_says_how_to_start_a_server(run: Run, closed_port: int) -> None:
    code, out, err = run(f"http://127.0.0.1:{closed_port}")
    assert (code, out) == (1, "")
    assert "nobody answers at" in err
    assert "orchestrator local-serve" in err


def test_a_wrong_path_ends_with_one(server: Server, run: Run) -> None:
    code, _, err = run(server.url("/invocation"))
    assert code == 1
    assert "answered 404, not 200" in err


def test_a_wrong_answer_ends_with_one_before_there_is_any_load(server: Server, run: Run) -> None:
    code, _, err = run(server.url("/flaky"))
    assert code == 1
    assert "gives a wrong answer to 'golden/owl.json'" in err
    assert server.counted == 1


def test_a_server_that_does_not_speak_http_ends_with_one(server: Server, run: Run) -> None:
    code, _, err = run(server.url("/garbage"))
    assert code == 1
    assert "nobody answers at" in err
