"""The servers that are compared: ours, the real container's stack, and a bare ASGI application."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters.load import HttpLoad
from tests.benchmarks.serving_models import files
from tests.conformance import environment, stack
from tests.conformance.cases import Case as StackCase

WORKERS = 2
PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.01
# What a shell of the developer's says must not change what is measured.
_KEPT_AWAY = ("SAGEMAKER_", "TS_", "ORCHESTRATOR_", "OMP_", "MKL_")


@dataclass(frozen=True)
class Serving:
    """A server that answers.

    Attributes:
        pid: Of its first process, where that is ours to look at.
        ready_seconds: From its start to the first 200 from ``/ping``.
    """

    port: int
    pid: int | None
    ready_seconds: float

    def load(self, path: str = "") -> HttpLoad:
        """Return the port to put it under load with."""
        return HttpLoad(f"http://127.0.0.1:{self.port}{path}")


def toolkit() -> Path | None:
    """Return where the real stack is installed, or ``None``, having said what to do, if it cannot be run."""
    folder = environment.default().absolute()
    lacking = stack.missing(folder)
    if lacking is None and (folder / "bin" / "serve").exists():
        return folder
    what = f"there is no toolkit at {folder}" if lacking is None else f"{lacking} is missing"
    print(f"the real stack is left out: {what}")  # noqa: T201 - a report
    print(f"make conformance installs it; {environment.VARIABLE} names another place")  # noqa: T201 - likewise
    return None


@contextlib.contextmanager
def ours(model_dir: Path, variables: Mapping[str, str] | None = None) -> Iterator[Serving]:
    """Serve with `local-serve`'s server."""
    command = [sys.executable, "-m", "orchestrator.serving", str(model_dir), "--workers", str(WORKERS)]
    port = free_port()
    with _started([*command, "--port", str(port)], port, variables or {}) as serving:
        yield serving


@contextlib.contextmanager
def reloading(model_dir: Path) -> Iterator[Serving]:
    """Serve a folder, and each change of it."""
    port = free_port()
    command = [sys.executable, "-m", "orchestrator", "local-serve", str(model_dir), "--reload"]
    with _started([*command, "--workers", str(WORKERS), "--port", str(port)], port, {}) as serving:
        yield serving


@contextlib.contextmanager
def real(toolkit_: Path, model_dir: Path, program: str) -> Iterator[Serving]:
    """Serve with the code of the real container."""
    variables = {"SAGEMAKER_PROGRAM": program, "SAGEMAKER_MODEL_SERVER_WORKERS": str(WORKERS)}
    case = StackCase("bench", "", files(model_dir), (), environment=variables)
    started = time.perf_counter()
    with stack.running(toolkit_, case) as port:
        yield Serving(port, None, time.perf_counter() - started)


@contextlib.contextmanager
def bare(model_dir: Path) -> Iterator[Serving]:
    """Serve the generated entry point's decode, predict and encode, and nothing else, with Uvicorn."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "tests.benchmarks.serving_bare:app",
        "--workers",
        str(WORKERS),
    ]
    quiet = ["--log-level", "critical", "--no-access-log", "--port", str(port)]
    with _started([*command, *quiet], port, {"MODEL_DIR": str(model_dir)}) as serving:
        yield serving


@contextlib.contextmanager
def _started(command: list[str], port: int, variables: Mapping[str, str]) -> Iterator[Serving]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_AWAY)}
    with tempfile.TemporaryFile() as log:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**kept, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            _await_ping(process, port)
            yield Serving(port, process.pid, time.perf_counter() - started)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _await_ping(process: "subprocess.Popen[bytes]", port: int) -> None:
    pause = threading.Event()
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        if ping(port):
            return
        pause.wait(_PAUSE_SECONDS)
    raise SystemExit(f"a server did not answer: {process.args!r}")


def ping(port: int) -> bool:
    """Tell whether ``/ping`` says 200."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        connection.sendall(b"GET /ping HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        return connection.recv(64).startswith(b"HTTP/1.1 200")
    return False


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def family(pid: int) -> list[int]:
    """Return ``pid`` and the ids of all that it, and those, have started."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    found = [int(child) for file in children for child in file.read_text().split()]
    return [pid, *(member for child in found for member in family(child))]


def memory(pid: int) -> dict[str, float]:
    """Return a process's memory in MB: ``Rss`` has all that it shares with others, ``Pss`` its part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = (line.split()[:2] for line in lines)
    return {name.rstrip(":"): int(kilobytes) / 1024 for name, kilobytes in sizes}
