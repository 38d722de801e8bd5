"""Start many servers cheaply: each is forked from a process that has imported all of the server, and no more.

A server started so runs `orchestrator.serving.__main__.main`, as one that is started by itself does.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers import eventually

_FOR_CONTAINERS = ("SAGEMAKER", "SM_", "TS_")


@dataclass(frozen=True)
class Server:
    """A server that has said how its start went.

    Attributes:
        event: What it said: see `orchestrator.serving.__main__`.
    """

    event: Mapping[str, object]

    @property
    def port(self) -> int:
        """Where it answers, if it is ready."""
        return int(str(self.event["port"]))


class Forks:
    """Servers forked from one process; threads may share it."""

    def __init__(self, origin: "subprocess.Popen[str]") -> None:
        assert origin.stdin
        assert origin.stdout
        self._orders = origin.stdin
        self._pids = origin.stdout
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def serving(self, model: Path, environment: Mapping[str, str]) -> Iterator[Server]:
        """Serve ``model`` with one worker on a free port; end the server on the way out."""
        said = model.parent / "said"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOR_CONTAINERS)}
        variables = {
            **kept,
            "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            "TMPDIR": str(model.parent),
            **environment,
        }
        order = {"said": str(said), "environment": variables, "arguments": [str(model), "--port", "0"]}
        with self._lock:
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
            pid = int(self._pids.readline())
        try:
            eventually(lambda: said.exists() and said.read_text().endswith("\n"), "a word of the server")
            yield Server(json.loads(said.read_text()))
        finally:
            # One that could not load its model has ended by itself.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def forks() -> Iterator[Forks]:
    """Start the process that servers are forked from, and end it on the way out."""
    command = [sys.executable, "-m", "tests.conformance.forks"]
    folder = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as origin:
        yield Forks(origin)
        assert origin.stdin
        origin.stdin.close()


def _fork_as_told() -> None:
    # Only this process, not the one that runs the tests, is to import the server.
    from orchestrator.serving.__main__ import main  # noqa: PLC0415

    # Nobody waits for the servers.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(order)
            os._exit(main(order["arguments"]))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(order: dict[str, object]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    environment = order["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    said = Path(str(order["said"]))
    for descriptor, path in ((0, Path(os.devnull)), (1, said), (2, said.with_suffix(".log"))):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)


if __name__ == "__main__":
    _fork_as_told()
