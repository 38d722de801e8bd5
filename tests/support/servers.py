"""Start, ask and stop serving processes; wait for what they do, with deadlines and without sleeping."""

import contextlib
import errno
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.01


def eventually(fact: Callable[[], bool], what: str) -> None:
    """Wait until ``fact`` holds, or fail with ``what`` was waited for."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / _PAUSE_SECONDS)):
        if fact():
            return
        pause.wait(_PAUSE_SECONDS)
    raise AssertionError(f"waited in vain: {what}")


class Lines:
    """What a process writes to one of its streams, line by line."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self.seen: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for line in self._stream:
            self.seen.append(line.rstrip("\n"))

    @property
    def text(self) -> str:
        """Everything so far."""
        return "\n".join(self.seen)

    @property
    def is_complete(self) -> bool:
        """Whether the process can write no more."""
        return not self._thread.is_alive()

    def holds(self, text: str, times: int = 1) -> Callable[[], bool]:
        """Return the question whether ``text`` was written at least ``times``."""
        return lambda: self.text.count(text) >= times

    def close(self) -> None:
        """Wait for the end of the stream, and close it."""
        self._thread.join(PATIENCE_SECONDS)
        self._stream.close()


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> object:
        """Return the body's content."""
        return json.loads(self.body)


class ServingProcess:
    """A running ``python -m orchestrator.serving``."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        self.process = process
        self.stdin = process.stdin
        self.stdout = Lines(process.stdout)
        self.stderr = Lines(process.stderr)

    def event(self) -> dict[str, object]:
        """Wait for the one line that says how the start went."""
        eventually(lambda: bool(self.stdout.seen) or self.stdout.is_complete, "a line on stdout")
        assert self.stdout.seen, self.stderr.text
        content = json.loads(self.stdout.seen[0])
        assert isinstance(content, dict)
        return content

    @property
    def port(self) -> int:
        """The port of a server that has said it is ready."""
        event = self.event()
        assert event["event"] == "ready", event
        return int(str(event["port"]))

    @property
    def workers(self) -> list[int]:
        """The process ids of every worker that has loaded its model, in that order."""
        loaded = (line for line in self.stderr.seen if line.endswith(" s") and "loaded the model" in line)
        return [int(line.partition("(")[2].partition(")")[0]) for line in loaded]

    def ask(
        self, path: str = "/ping", body: bytes | None = None, *, method: str | None = None, **headers: str
    ) -> Answer:
        """Send one request over a connection of its own; ``content_type`` names the header Content-Type."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            spelt = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method or ("GET" if body is None else "POST"), path, body, spelt)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())

    def command(self, verb: str, argument: object = None) -> Answer:
        """Have `entrypoints_samples.COMMANDED` do something."""
        body = json.dumps([verb, argument]).encode()
        return self.ask("/invocations", body, content_type="application/json")

    def exit_code(self) -> int:
        """Wait for the end."""
        return self.process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def serving(
    model_dir: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[ServingProcess]:
    """Start a server on a free port, with one worker unless told otherwise, and end it on the way out."""
    variables = {"SAGEMAKER_MODEL_SERVER_WORKERS": "1", **os.environ, **(environment or {})}
    command = [sys.executable, "-m", "orchestrator.serving", str(model_dir), "--port", "0", *arguments]
    # One that is killed leaves its folders.
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as temporary:
        process = subprocess.Popen(
            command,
            env={**variables, "TMPDIR": temporary},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server = ServingProcess(process)
        try:
            yield server
        finally:
            process.kill()
            process.wait()
            server.stdin.close()
            # The streams end when the last worker has, for it has inherited them.
            server.stdout.close()
            server.stderr.close()


class Gate:
    """A FIFO on which an entry point waits; made closed, opened by `release`."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.path = str(path)
        self._descriptor: int | None = None

    def meet(self) -> None:
        """Wait until somebody waits at the gate, and make them wait for `release`."""
        eventually(self._is_met, "somebody at the gate")

    def _is_met(self) -> bool:
        try:
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return False
        return True

    def release(self) -> None:
        """Let whoever was met go on."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def has_ended(pid: int) -> bool:
    """Tell whether no program runs under ``pid``; one that has ended may still wait for its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
