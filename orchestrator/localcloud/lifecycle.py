"""Start, find and stop the local cloud: what the CLI needs, without importing what runs it.

The local cloud is a process of its own that outlives the command that started it. Its address is in a
file in the state folder; a file that nobody answers for is stale and counts for nothing.
"""

import contextlib
import fcntl
import http.client
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import MissingExtraError, OrchestratorError, PortInUseError
from orchestrator.localcloud.defaults import PORT

HOST = "127.0.0.1"
"""The loopback, and nothing else: the data plane runs code from uploaded archives."""

STATE_FILE = "local-cloud.json"
LOG_FILE = "local-cloud.log"
_LOCK_FILE = "start.lock"
_HEALTH = "/_local/health"
_HEALTH_SECONDS = 5.0
_POLL_SECONDS = 0.05
_START_SECONDS = 60.0
_BACKLOG = 512
_STOP_SECONDS = 45.0


@dataclass(frozen=True, slots=True)
class Running:
    """A local cloud that answers.

    Attributes:
        url: What ``AWS_ENDPOINT_URL`` has to be.
        log: The file it writes to.
    """

    url: str
    port: int
    pid: int
    log: Path


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return where the local cloud keeps its state unless it is told otherwise.

    >>> str(default_state_dir({"ORCHESTRATOR_STATE_DIR": "/var/orchestrator"}))
    '/var/orchestrator/local-cloud'
    """
    return state_home(environ) / "local-cloud"


def state_home(environ: Mapping[str, str]) -> Path:
    """Return where the orchestrator keeps what it remembers for a user of this machine."""
    if chosen := environ.get("ORCHESTRATOR_STATE_DIR"):
        return Path(chosen)
    # XDG Base Directory Specification: relative paths are to be ignored.
    state = environ.get("XDG_STATE_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    root = Path(state) if state.startswith("/") else home / ".local" / "state"
    return root / "orchestrator"


def check_installed(find: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Check that what the local cloud runs on is installed.

    Args:
        find: Returns ``None`` for a top-level module that is not there.

    Raises:
        MissingExtraError: If it is not.
    """
    if any(find(name) is None for name in ("moto", "flask", "a2wsgi")):
        raise MissingExtraError("local", needed_for="the local cloud")


def listen(port: int | None, usual: int = PORT) -> socket.socket:
    """Return a socket that listens on the loopback.

    Args:
        port: Where, or ``None`` for the ``usual`` port if that is free, and any other if not.
        usual: That port.

    Raises:
        PortInUseError: If the port that was asked for is taken.
    """
    try:
        return _without_delay(socket.create_server((HOST, usual if port is None else port), backlog=_BACKLOG))
    except OSError as error:
        if port is None:
            return _without_delay(socket.create_server((HOST, 0), backlog=_BACKLOG))
        reason = os.strerror(error.errno) if error.errno else error
        raise PortInUseError(
            f"port {port} on {HOST} cannot be listened on: {reason}",
            hint="choose another port, or none to get a free one",
        ) from error


def _without_delay(listener: socket.socket) -> socket.socket:
    """Return ``listener``, whose connections inherit that they send at once.

    asyncio sets this itself only on sockets that were made with TCP's protocol number, which
    `socket.create_server` does not do; answers in two writes then wait 40 ms for the client's delayed ACK.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def running(state_dir: Path) -> Running | None:
    """Return the local cloud of ``state_dir`` if it answers, or ``None``."""
    try:
        written = json.loads((state_dir / STATE_FILE).read_text())
        found = Running(str(written["url"]), int(written["port"]), int(written["pid"]), state_dir / LOG_FILE)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if _answers(found) else None


def start(state_dir: Path, port: int | None = None, *, timeout_seconds: float = _START_SECONDS) -> Running:
    """Start a local cloud, or return the one that runs in ``state_dir`` already.

    Two commands that start one at once get the same one.

    Args:
        state_dir: Its own folder, made if need be.
        port: Where it is to listen; without, the usual port if it is free, or any other.
        timeout_seconds: How long it may take to answer.

    Raises:
        MissingExtraError: If the extra ``local`` is not installed.
        PortInUseError: If somebody else listens on ``port``.
        OrchestratorError: If its folder cannot be used, it ends, or it does not answer in time.
    """
    check_installed()
    with _locked(state_dir):
        if found := running(state_dir):
            return found
        if port:
            listen(port).close()
        return _await_answer(state_dir, _spawn(state_dir, port), timeout_seconds)


def stop(state_dir: Path) -> bool:
    """End the local cloud of ``state_dir`` and return once it and its fleets are gone.

    Returns:
        Whether there was one.

    Raises:
        OrchestratorError: If it does not end; it is killed then, and its fleets end with it.
    """
    found = running(state_dir)
    if found is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(found.pid)
        try:
            os.kill(found.pid, signal.SIGTERM)
            if not select.select([process], [], [], _STOP_SECONDS)[0]:
                os.kill(found.pid, signal.SIGKILL)
                select.select([process], [], [], _STOP_SECONDS)
        finally:
            os.close(process)
    _reap(found.pid)
    return True


def _answers(found: Running) -> bool:
    """Tell whether the process that wrote the state file, and no other, listens on its port."""
    # Not urllib: it would ask the proxy that HTTP_PROXY names.
    connection = http.client.HTTPConnection(HOST, found.port, timeout=_HEALTH_SECONDS)
    try:
        connection.request("GET", _HEALTH)
        content = json.loads(connection.getresponse().read())
        return isinstance(content, dict) and content.get("pid") == found.pid
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _spawn(state_dir: Path, port: int | None) -> int:
    """Start the process in a session of its own, so that it outlives ours; return its id."""
    command = [sys.executable, "-m", "orchestrator.localcloud", "--state-dir", str(state_dir.absolute())]
    if port is not None:
        command += ["--port", str(port)]
    log = os.open(state_dir / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        return os.posix_spawn(
            sys.executable,
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(log)


def _await_answer(state_dir: Path, pid: int, timeout_seconds: float) -> Running:
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        if (found := running(state_dir)) and found.pid == pid:
            return found
        if _reap(pid):
            raise _failed(state_dir, "ended before it answered")
        time.sleep(_POLL_SECONDS)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise _failed(state_dir, f"did not answer within {timeout_seconds:g} s")


def _failed(state_dir: Path, what: str) -> OrchestratorError:
    log = state_dir / LOG_FILE
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "it wrote nothing")
    return OrchestratorError(f"the local cloud {what}: {last}", details=[("log", str(log))])


def _reap(pid: int) -> bool:
    """Tell whether our child ``pid`` has ended, and let it go; a child of somebody else is not ours."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False


@contextlib.contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """Make the state folder if need be, and let one command at a time start a local cloud in it."""
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (state_dir / _LOCK_FILE).open("a")
    except OSError as error:
        raise OrchestratorError(
            f"the state folder '{state_dir}' cannot be used: {error.strerror}",
            hint="set ORCHESTRATOR_STATE_DIR to a folder of your own",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
