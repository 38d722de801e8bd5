"""The serving container with real processes and ports: `python -m orchestrator.serving`."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.server import Options, Ready, run
from orchestrator.serving.staff import House, InPlace
from tests.support.entrypoints_samples import COMMANDED, ECHO, write
from tests.support.servers import Answer, Gate, ServingProcess, eventually, has_ended, serving

EVERY_INTERFACE = "0.0.0.0"  # noqa: S104 - for the time of one test, to see that the Host check is off
WORKER_DIED = {"code": 500, "type": "InternalServerException", "message": "Worker died."}


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return write(tmp_path / "model", COMMANDED)


@pytest.fixture
def server(model_dir: Path) -> Iterator[ServingProcess]:
    with serving(model_dir) as server:
        yield server


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.release()


@pytest.fixture
def client() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as client:
        yield client


def held(server: ServingProcess, gate: Gate, client: ThreadPoolExecutor) -> "Future[Answer]":
    """Send a request that a worker is now answering, and will until the gate is released."""
    future = client.submit(server.command, "wait", gate.path)
    gate.meet()
    return future


def refuses_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_one_line_on_stdout_says_where_the_server_answers(server: ServingProcess) -> None:
    event = server.event()
    assert event == {
        "event": "ready",
        "host": "127.0.0.1",
        "port": server.port,
        "pid": server.process.pid,
        "workers": 1,
    }
    assert server.ask().status == 200


def test_a_request_runs_through_the_handler_functions(tmp_path: Path) -> None:
    with serving(write(tmp_path, ECHO)) as server:
        answer = server.ask("/invocations", b"[1, 2]", content_type="application/json", accept="text/csv")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv"
    assert answer.json() == {"input": ["str", "b'[1, 2]'", "application/json"], "accept": "text/csv"}


def test_a_compressed_body_arrives_as_it_was_sent(tmp_path: Path) -> None:
    with serving(write(tmp_path, ECHO)) as server:
        answer = server.ask(
            "/invocations", b"\x1f\x8b\x00", content_encoding="gzip", content_type="image/png"
        )
    assert answer.json() == {
        "input": ["bytearray", repr(b"\x1f\x8b\x00"), "image/png"],
        "accept": "application/json",
    }


def test_the_environment_is_the_containers(tmp_path: Path) -> None:
    write(tmp_path, "raise RuntimeError('the wrong entry point')")
    write(tmp_path, ECHO, "other.py")
    environment = {"SAGEMAKER_PROGRAM": "other.py", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}
    with serving(tmp_path, environment=environment) as server:
        assert server.ask("/invocations", b"1").headers["content-type"] == "text/csv"


def test_two_workers_answer_at_the_same_time(model_dir: Path, gate: Gate, client: ThreadPoolExecutor) -> None:
    with serving(model_dir, "--workers", "2") as server:
        eventually(lambda: len(server.workers) == 2, "two loaded workers")
        first = held(server, gate, client)
        second = server.command("answer")
        gate.release()
        assert {first.result().json(), second.json()} == set(server.workers)


def test_killing_a_worker_harms_only_its_own_request(
    model_dir: Path, gate: Gate, client: ThreadPoolExecutor
) -> None:
    with serving(model_dir, "--workers", "2") as server:
        eventually(lambda: len(server.workers) == 2, "two loaded workers")
        first = held(server, gate, client)
        other = server.command("answer").json()
        (victim,) = {*server.workers} - {other}
        os.kill(victim, signal.SIGKILL)
        assert first.result().status == 507
        assert first.result().json() == {**WORKER_DIED, "code": 507}
        assert server.command("answer").json() == other
        eventually(lambda: len(server.workers) == 3, "another worker in its place")
        assert server.stderr.holds("ended with SIGKILL")()


def test_an_idle_worker_that_dies_is_replaced_before_it_is_given_a_request(server: ServingProcess) -> None:
    assert server.ask().status == 200
    (first,) = server.workers
    os.kill(first, signal.SIGKILL)
    eventually(lambda: len(server.workers) == 2, "another worker")
    answer = server.command("answer")
    assert answer.status == 200
    assert answer.json() == server.workers[1]


def test_user_code_that_exits_costs_one_answer(server: ServingProcess) -> None:
    assert server.command("exit", 3).json() == WORKER_DIED
    assert server.command("answer").status == 200
    assert server.stderr.holds("ended with exit code 3")()


def test_a_worker_that_takes_too_long_is_replaced(
    model_dir: Path, gate: Gate, client: ThreadPoolExecutor
) -> None:
    with serving(model_dir, environment={"TS_DEFAULT_RESPONSE_TIMEOUT": "1"}) as server:
        slow = held(server, gate, client).result()
        assert (slow.status, slow.json()) == (500, WORKER_DIED)
        assert server.command("answer").json() == server.workers[1]
        assert has_ended(server.workers[0])


def test_an_answer_over_the_limit_costs_the_worker_its_life(model_dir: Path) -> None:
    with serving(model_dir, environment={"TS_MAX_RESPONSE_SIZE": "100000"}) as server:
        assert len(server.command("large", 100_000).body) == 100_000
        refused = server.command("large", 100_001)
        assert (refused.status, refused.json()) == (500, WORKER_DIED)
        assert server.command("answer").json() == server.workers[1]


def test_a_request_over_the_limit_gets_413_and_no_words(tmp_path: Path) -> None:
    with serving(write(tmp_path, ECHO), environment={"TS_MAX_REQUEST_SIZE": "1000000"}) as server:
        assert server.ask("/invocations", bytes(1_000_000)).status == 200
        refused = server.ask("/invocations", bytes(1_000_001))
    assert (refused.status, refused.body) == (413, b"")


def test_a_full_queue_gets_503_and_nothing_that_waits_is_lost(
    model_dir: Path, gate: Gate, client: ThreadPoolExecutor
) -> None:
    with serving(model_dir, environment={"TS_JOB_QUEUE_SIZE": "1"}) as server:
        running = held(server, gate, client)
        waiting = [client.submit(server.command, "answer") for _ in range(2)]
        (refused,) = wait(waiting, return_when=FIRST_COMPLETED).done
        content = refused.result().json()
        gate.release()
        assert isinstance(content, dict)
        assert (content["code"], content["type"]) == (503, "ServiceUnavailableException")
        assert sorted(future.result().status for future in [running, *waiting]) == [200, 200, 503]


def test_sigterm_lets_requests_in_flight_finish(
    server: ServingProcess, gate: Gate, client: ThreadPoolExecutor
) -> None:
    port = server.port
    future = held(server, gate, client)
    server.process.send_signal(signal.SIGTERM)
    eventually(lambda: refuses_connections(port), "closed doors")
    assert not future.done()
    gate.release()
    assert future.result().status == 200
    assert server.exit_code() == 0
    assert all(map(has_ended, server.workers))


def test_a_second_ctrl_c_does_not_wait_for_requests_in_flight(
    server: ServingProcess, gate: Gate, client: ThreadPoolExecutor
) -> None:
    port = server.port
    future = held(server, gate, client)
    server.process.send_signal(signal.SIGINT)
    eventually(lambda: refuses_connections(port), "closed doors")
    server.process.send_signal(signal.SIGINT)
    assert future.result().json() == WORKER_DIED
    assert server.exit_code() == 0
    assert all(map(has_ended, server.workers))


def test_a_server_that_is_killed_leaves_no_worker_behind_not_even_a_busy_one(
    model_dir: Path, gate: Gate, client: ThreadPoolExecutor
) -> None:
    with serving(model_dir, "--workers", "2") as server:
        eventually(lambda: len(server.workers) == 2, "two loaded workers")
        future = held(server, gate, client)
        server.process.kill()
        eventually(lambda: all(map(has_ended, server.workers)), "the end of both workers")
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            future.result()


def test_a_server_can_end_with_its_stdin(model_dir: Path) -> None:
    with serving(model_dir, "--exit-with-stdin") as server:
        assert server.ask().status == 200
        server.stdin.close()
        assert server.exit_code() == 0
        assert all(map(has_ended, server.workers))


def test_sigterm_while_the_model_loads_ends_the_server_without_a_word(tmp_path: Path, gate: Gate) -> None:
    write(tmp_path / "model", f"def model_fn(model_dir): open({gate.path!r}).read()\n{STAGES}")
    with serving(tmp_path / "model") as server:
        gate.meet()
        server.process.send_signal(signal.SIGTERM)
        assert server.exit_code() == 0
        assert server.stdout.seen == []


STAGES = """
def input_fn(data, content_type): return data
def predict_fn(data, model): return data
def output_fn(prediction, accept): return prediction
"""


def test_a_model_that_does_not_load_ends_the_server_with_the_traceback(tmp_path: Path) -> None:
    write(tmp_path, f"def model_fn(model_dir): raise ValueError('no weights')\n{STAGES}")
    with serving(tmp_path) as server:
        event = server.event()
        assert server.exit_code() == 1
        server.stderr.close()
        traceback = str(event["traceback"])
        assert (event["event"], event["reason"]) == ("failed", "load")
        assert event["error"] == "ValueError: no weights"
        assert "in model_fn" in traceback
        assert traceback in server.stderr.text + "\n"
        assert server.stdout.seen == [json.dumps(event)]


def test_user_code_that_exits_while_loading_is_a_failure_to_load(tmp_path: Path) -> None:
    with serving(write(tmp_path, "import sys; sys.exit(7)")) as server:
        assert server.event() == {
            "event": "failed",
            "reason": "load",
            "error": "the worker ended with exit code 7 while loading the model",
            "traceback": "",
        }
        assert server.exit_code() == 1


def test_a_busy_port_is_known_before_the_model_is_loaded(model_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serving(model_dir, "--port", str(port)) as server:
            event = server.event()
            assert server.exit_code() == 1
            assert server.workers == []
    assert event["reason"] == "port-in-use"
    assert event["error"] == f"port {port} of '127.0.0.1' is in use"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--port", "http"], "argument --port: invalid int value: 'http'"),
        (["--port", "65536"], "cannot listen on port 65536 of '127.0.0.1'"),
        (["--workers", "0"], "'SAGEMAKER_MODEL_SERVER_WORKERS' is '0', not a whole number above zero"),
    ],
)
def test_wrong_usage_is_reported_like_every_other_failure(
    model_dir: Path, arguments: list[str], error: str
) -> None:
    with serving(model_dir, *arguments) as server:
        assert server.event() == {"event": "failed", "reason": "usage", "error": error, "traceback": ""}
        assert server.exit_code() == 1


def test_a_model_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serving(tmp_path / "nowhere") as server:
        event = server.event()
        assert server.exit_code() == 1
    assert (event["reason"], event["error"]) == (
        "usage",
        f"there is no model folder '{tmp_path / 'nowhere'}'",
    )


def fail(ready: Ready) -> None:
    pytest.fail(f"{ready} although the model does not load")


def test_a_command_that_serves_can_show_why_the_model_does_not_load(tmp_path: Path) -> None:
    write(tmp_path, f"def model_fn(model_dir): raise ValueError('no weights')\n{STAGES}")
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(LoadError, match="does not load") as caught:
        run(Options(InPlace(tmp_path, {"TEAM": "ml"}), port=0, house=House(cores=2)), fail)
    assert caught.value.details == (("error", "ValueError: no weights"),)
    assert "in model_fn" in caught.value.traceback
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_what_user_code_prints_is_logged_and_breaks_nothing(server: ServingProcess) -> None:
    answer = server.command("print", '{"event": "ready"}')
    assert answer.status == 200
    eventually(server.stderr.holds('{"event": "ready"}'), "the line that was printed")
    assert server.stderr.holds("model_fn says hello")()
    assert len(server.stdout.seen) == 1


def test_what_user_code_logs_from_info_on_is_in_the_log_as_in_the_container(tmp_path: Path) -> None:
    source = "import logging\ndef model_fn(model_dir): logging.getLogger('mine').info('the model is here')\n"
    with serving(write(tmp_path / "model", source + STAGES)) as server:
        eventually(server.stderr.holds("the model is here"), "the line that was logged")


def test_every_answer_is_one_line_of_the_log(server: ServingProcess) -> None:
    server.ask("/ping")
    server.command("raise", "no good")
    eventually(server.stderr.holds("POST /invocations 500 "), "the second answer's line")
    assert server.stderr.holds("GET /ping 200 ")()
    assert server.stderr.holds("ValueError: no good")()


def test_a_foreign_host_is_refused_on_the_loopback_interface(server: ServingProcess) -> None:
    assert server.ask(Host="rebound.example:8080").status == 421
    assert server.ask(Host=f"localhost:{server.port}").status == 200


def test_on_other_interfaces_any_host_is_answered_to_whoever_knows_the_token(model_dir: Path) -> None:
    token = {"ORCHESTRATOR_TOKEN": "s3cret"}
    with serving(model_dir, "--host", EVERY_INTERFACE, environment=token) as server:
        assert server.ask(Host="model.example").status == 200
        asked = ("/invocations", b'["echo", 1]')
        assert server.ask(*asked, Host="model.example").status == 401
        assert server.ask(*asked, Host="model.example", Authorization="Bearer guess").status == 401
        assert server.ask(*asked, Host="model.example", Authorization="Bearer s3cret").status == 200
        assert server.ask("/", Accept="text/html", Authorization="Bearer s3cret").status == 405


def test_another_interface_without_a_token_is_refused(model_dir: Path) -> None:
    with serving(model_dir, "--host", EVERY_INTERFACE) as server:
        event = server.event()
    assert event["reason"] == "usage"
    assert "could use this model" in str(event["error"])
