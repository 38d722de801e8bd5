"""`orchestrator local-serve`: that its options do what they say, with the server as a person starts it."""

import contextlib
import http.client
import json
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.commands import OWL, SPEC, Shell, change_weights, write_files
from tests.support.entrypoints_samples import ECHO, write
from tests.support.servers import PATIENCE_SECONDS, Answer, Lines, eventually

VERSION = """
import os

def model_fn(model_dir): return {answer!r}
def input_fn(data, content_type): return data
def predict_fn(data, model): return model
def output_fn(prediction, accept): return prediction + os.environ.get("SUFFIX", "")
"""
JSON = "application/json"
USAGE = 2
ANYWHERE = ("--host", "0.0.0.0")  # noqa: S104 - what a token is needed for


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    port: int
    log: Lines

    def ask(
        self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, method: str = ""
    ) -> Answer:
        """Send one request over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request(method or ("GET" if body is None else "POST"), path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())

    def invoke(self, body: bytes = b"x", **headers: str) -> Answer:
        """Ask the model."""
        spelt = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("/invocations", body, {"Content-Type": "text/plain", **spelt})


@contextlib.contextmanager
def serving(folder: Path, *arguments: str) -> Iterator[Served]:
    """Serve ``folder`` with one worker on a free port, and stop as Ctrl-C does."""
    with started(Shell(folder.parent), str(folder), *arguments) as served:
        yield served


@contextlib.contextmanager
def started(shell: Shell, *words: str) -> Iterator[Served]:
    """Serve with one worker on a free port, and stop as Ctrl-C does."""
    process = shell.start("local-serve", "--port", "0", "--workers", "1", *words)
    assert process.stdout
    assert process.stderr
    out, log = Lines(process.stdout), Lines(process.stderr)
    try:
        eventually(lambda: bool(out.seen) or out.is_complete, "a line on stdout")
        found = re.match(r"serving at http://[^ ]*:(\d+)/invocations", out.text)
        assert found, log.text
        yield Served(int(found[1]), log)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0, log.text
    finally:
        process.kill()
        process.wait()
        out.close()
        log.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a model folder whose entry point says 'first'."""
    model = write(tmp_path / "model", VERSION.format(answer="first"))
    (model / "weights").touch()
    return model


def test_variables_reach_the_contract_and_the_entry_point(folder: Path) -> None:
    write(folder, ECHO, "other.py")
    variables = ("SAGEMAKER_PROGRAM=other.py", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT=text/csv")
    with serving(folder, *(word for pair in variables for word in ("--set", pair))) as served:
        assert served.invoke().json() == {"input": ["bytearray", "b'x'", "text/plain"], "accept": "text/csv"}
    with serving(folder, "--set", "SUFFIX=!", "--set", "TS_MAX_REQUEST_SIZE=3") as served:
        assert served.invoke().body == b"first!"
        assert served.invoke(b"1234").status == 413


def test_a_browser_finds_the_page_and_everybody_the_metrics(folder: Path) -> None:
    with serving(folder, "--batch-size", "4", "--batch-delay-ms", "1") as served:
        page = served.ask("/", headers={"Accept": "text/html"})
        assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert served.ask("/").status == 405
        facts = json.loads(served.ask("/_local/cases").body)["facts"]
        assert (facts["program"], facts["batch size"], facts["workers"]) == ("predict.py", 4, 1)
        assert served.invoke().body == b"first"
        metrics = served.ask("/metrics").body.decode()
        assert re.search(r"^Invocations_total(\{.*\})? 1\.0$", metrics, re.MULTILINE), metrics


def test_the_log_names_each_request_and_holds_no_payload(folder: Path) -> None:
    with serving(folder, "--log-format", "json") as served:
        answer = served.invoke(b"the-payload")
        eventually(served.log.holds(answer.headers["x-request-id"]), "the line of the answer")
        lines = [json.loads(line) for line in served.log.seen]
        assert [line["status"] for line in lines if line["event"] == "answered"] == [200]
        assert "the-payload" not in served.log.text
    with serving(folder, "--log-format", "text") as served:
        identity = served.invoke().headers["x-request-id"]
        eventually(served.log.holds("POST /invocations 200 "), "the line of the answer")
        eventually(served.log.holds(identity), "its id")


def test_a_token_is_asked_for_and_needed_on_other_interfaces(folder: Path) -> None:
    with serving(folder, *ANYWHERE, "--token", "s3cret") as served:
        assert served.ask("/ping").status == 200
        assert served.invoke().status == 401
        assert served.invoke(Authorization="Bearer s3cret").body == b"first"
        # Only whoever sits at this machine may see tracebacks.
        known = {"Authorization": "Bearer s3cret", "Accept": "text/html"}
        assert served.ask("/", headers=known).status == 405
        assert served.ask("/_local/state", headers=known).status == 404
    for token in ((), ("--token", "")):
        done = Shell(folder.parent).run("local-serve", str(folder), "--port", "0", *ANYWHERE, *token)
        assert done.code == USAGE
        assert "token" in done.err


def test_strict_ends_at_a_trap_of_the_archive_and_answers_one_of_a_request(tmp_path: Path) -> None:
    lacking = write(tmp_path / "lacking", "def model_fn(model_dir): return None\n")
    (lacking / "weights").touch()
    done = Shell(tmp_path).run("local-serve", str(lacking), "--port", "0", "--strict")
    assert done.code != 0
    assert "the entry point lacks handler functions" in done.err
    assert "[default-functions]" in done.err
    assert "define model_fn" in done.err
    assert "Traceback" not in done.err
    whole = write(tmp_path / "whole", VERSION.format(answer="a\N{LATIN SMALL LETTER E WITH ACUTE}"))
    write(
        whole,
        (whole / "code" / "predict.py").read_text().replace("return prediction +", "return float('nan') #"),
    )
    (whole / "weights").touch()
    with serving(whole, "--strict") as served:
        answer = served.invoke()
        assert answer.status == 500
        assert "not-json" in answer.body.decode()
    with serving(whole) as served:
        assert served.invoke().body == b"NaN"


def test_exact_is_healthy_while_a_model_does_not_load(tmp_path: Path) -> None:
    broken = write(tmp_path / "model", "def model_fn(model_dir): raise ValueError('no weights')\n")
    with serving(broken, "--exact") as served:
        eventually(served.log.holds("no weights"), "the failure")
        assert served.ask("/ping").status == 200
    done = Shell(tmp_path).run("local-serve", str(broken), "--port", "0")
    assert done.code != 0
    assert "no weights" in done.err


@pytest.mark.parametrize("both", [("--strict", "--exact"), ("--reload", "--exact")])
def test_options_that_contradict_each_other_are_refused(folder: Path, both: tuple[str, str]) -> None:
    done = Shell(folder.parent).run("local-serve", str(folder), *both)
    assert done.code == USAGE
    assert all(option in done.err for option in both)


def test_a_change_is_served_and_one_with_an_error_is_told(folder: Path) -> None:
    with serving(folder, "--reload") as served:
        assert served.invoke().body == b"first"
        write(folder, VERSION.format(answer="second"))
        eventually(lambda: served.invoke().body == b"second", "the change")
        write(folder, "def model_fn(")
        eventually(served.log.holds("the change is not served"), "the error")
        assert served.invoke().body == b"second"
        assert "SyntaxError" in served.ask("/_local/state").body.decode()
        write(folder, VERSION.format(answer="third"))
        eventually(lambda: served.invoke().body == b"third", "the change")


def test_a_change_of_the_project_is_served_and_a_wrong_spec_is_told(tmp_path: Path) -> None:
    project = Shell(tmp_path / "project")
    write_files(project.folder)
    with started(project, "--reload") as served:
        case = json.loads(OWL)["request"]

        def asked() -> str:
            body = json.dumps(case["body"]).encode()
            answer = served.ask("/invocations", body, {"Content-Type": JSON})
            return answer.headers["x-amzn-sagemaker-custom-attributes"]  # the archive's fingerprint

        first = asked()
        change_weights(project.folder, 7.0)
        eventually(lambda: asked() != first, "the new weights")
        second = asked()
        (project.folder / "src" / "net.py").write_text("class Net(", "utf-8")
        eventually(served.log.holds("the change is not served"), "the error in the source")
        write_files(project.folder, SPEC + "\n[model]\n")
        eventually(served.log.holds("the change is not served", 2), "the error in the spec")
        assert asked() == second
        write_files(project.folder)
        eventually(lambda: asked() == first, "the first weights again")


def test_several_models_of_a_project_are_refused(tmp_path: Path) -> None:
    project = Shell(tmp_path / "project")
    write_files(project.folder)
    done = project.run("local-serve", "--port", "0", "--set", "SAGEMAKER_MULTI_MODEL=true")
    assert done.code == USAGE
    assert "a project is one model" in done.err


def test_several_models_are_loaded_asked_and_unloaded(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / "models" / name, VERSION.format(answer=name))
    variables = ("--set", "SAGEMAKER_MULTI_MODEL=true", "--set", "TS_ENABLE_MODEL_API=true")
    programs = ("--set", "SAGEMAKER_PROGRAM=predict.py")
    with serving(tmp_path / "models", *variables, *programs) as served:
        for name in ("one", "two"):
            wish = json.dumps({"model_name": name, "url": name}).encode()
            assert served.ask("/models", wish, {"Content-Type": JSON}).status == 200, served.log.text
            assert (
                served.ask(f"/models/{name}/invoke", b"x", {"Content-Type": "text/plain"}).body
                == name.encode()
            )
        wish = json.dumps({"model_name": "one", "url": "one"}).encode()
        assert served.ask("/models", wish, {"Content-Type": JSON}).status == 409
        assert served.ask("/models/one", method="DELETE").status == 200
        assert served.ask("/models/one/invoke", b"x", {"Content-Type": "text/plain"}).status == 404
