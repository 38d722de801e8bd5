"""Start, find and stop the local cloud: what the CLI needs, without importing what runs it.

The local cloud is a process of its own that outlives the command that started it. Its address is in a
file in the state folder; a file that nobody answers for is stale and counts for nothing.
"""

import contextlib
import errno
import fcntl
import http.client
import importlib.util
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.core.errors import MissingExtraError, OrchestratorError, PortInUseError
from orchestrator.localcloud.defaults import PORT
from orchestrator.localcloud.ending import end, holder, reap
from orchestrator.localcloud.wanted import HOST, TOKEN_HEADER, Wanted

STATE_FILE = "local-cloud.json"
LOG_FILE = "local-cloud.log"
OWNER_FILE = "owner.lock"
_LOCK_FILE = "start.lock"
_HEALTH = "/_local/health"
_RESET = "/_local/reset"
_HEALTH_SECONDS = 5.0
_POLL_SECONDS = 0.05
_START_SECONDS = 60.0
_BACKLOG = 512
_STOP_SECONDS = 45.0
_RESET_SECONDS = 120.0
_ANY = Wanted()


@dataclass(frozen=True, slots=True)
class Running:
    """A local cloud that answers.

    Attributes:
        url: What ``AWS_ENDPOINT_URL`` has to be.
        log: The file it writes to.
        options: What it was started with.
    """

    url: str
    port: int
    pid: int
    log: Path
    options: Wanted = field(default_factory=Wanted)


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


def listen(port: int | None, usual: int = PORT, host: str = HOST) -> socket.socket:
    """Return a socket that listens.

    Args:
        port: Where, or ``None`` for the ``usual`` port if that is free, and any other if not.
        usual: That port.
        host: The address; the loopback, unless it is told otherwise.

    Raises:
        PortInUseError: If the port that was asked for is taken, or the address is none of this machine's.
    """
    try:
        return _listener(host, usual if port is None else port)
    except OSError as error:
        if port is None and error.errno == errno.EADDRINUSE:
            return listen(0, host=host)
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        raise PortInUseError(
            f"port {usual if port is None else port} on {host} cannot be listened on: {reason}",
            hint="choose another port, or none to get a free one",
        ) from error


def _listener(host: str, port: int) -> socket.socket:
    """Return a listening socket, whose connections inherit that they send at once.

    asyncio sets this itself only on sockets that were made with TCP's protocol number, which
    `socket.create_server` does not do; answers in two writes then wait 40 ms for the client's delayed ACK.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def running(state_dir: Path) -> Running | None:
    """Return the local cloud of ``state_dir`` if it answers, or ``None``."""
    try:
        written = json.loads((state_dir / STATE_FILE).read_text())
        options = Wanted.written(written.get("options", {}))
        url, port, pid = str(written["url"]), int(written["port"]), int(written["pid"])
        found = Running(url, port, pid, state_dir / LOG_FILE, options)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if _answers(found) else None


def start(state_dir: Path, wanted: Wanted = _ANY, *, timeout_seconds: float = _START_SECONDS) -> Running:
    """Start a local cloud, or return the one that runs in ``state_dir`` already, whatever that one is like.

    Two commands that start one at once get the same one.

    Args:
        state_dir: Its own folder, made if need be.
        wanted: What it is to be.
        timeout_seconds: How long it may take to answer.

    Raises:
        MissingExtraError: If the extra ``local`` is not installed.
        RefusedError: If others could come in without a token.
        PortInUseError: If somebody else listens on ``port``.
        OrchestratorError: If its folder cannot be used, it ends, or it does not answer in time.
    """
    check_installed()
    wanted.check()
    with _locked(state_dir):
        if found := running(state_dir):
            return found
        if wanted.port:
            listen(wanted.port, host=wanted.host or HOST).close()
        return _await_answer(state_dir, _spawn(state_dir, wanted), timeout_seconds)


def stop(state_dir: Path, *, patience_seconds: float = _STOP_SECONDS) -> bool:
    """End the local cloud of ``state_dir`` and return once it and its fleets are gone.

    One that is just being started is waited for, and one that does not answer is ended all the same.

    Args:
        state_dir: Its own folder.
        patience_seconds: How long it may take to end.

    Returns:
        Whether there was one.

    Raises:
        OrchestratorError: If it does not end; it is killed then, and its fleets end with it.
    """
    # Nothing was started here by a command where that has left no file, and none is made.
    with _locked(state_dir) if (state_dir / _LOCK_FILE).exists() else contextlib.nullcontext():
        found = running(state_dir)
        pid = found.pid if found else holder(state_dir / OWNER_FILE)
        if pid is None:
            return False
        if not end(pid, patience_seconds):
            raise OrchestratorError(
                f"the local cloud did not end within {patience_seconds:g} s and was killed",
                details=[("log", str(state_dir / LOG_FILE))],
                hint="what it has left in its folder is deleted by the next start",
            )
    return True


def reset(found: Running) -> None:
    """Empty a local cloud: endpoints end, and nothing that was made or kept in it is left.

    Raises:
        OrchestratorError: If it does not do so.
    """
    connection = _connection(found, _RESET_SECONDS)
    try:
        connection.request("POST", _RESET, headers=_headers(found))
        answer = connection.getresponse()
        said, status = answer.read().decode("utf-8", "replace"), answer.status
    except (OSError, http.client.HTTPException) as error:
        raise OrchestratorError(f"the local cloud at {found.url} does not answer: {error}") from error
    finally:
        connection.close()
    if status != http.HTTPStatus.NO_CONTENT:
        log = ("log", str(found.log))
        raise OrchestratorError(f"the local cloud could not be reset: {said}", details=[log])


def _answers(found: Running) -> bool:
    """Tell whether the process that wrote the state file, and no other, listens on its port."""
    # Not urllib: it would ask the proxy that HTTP_PROXY names.
    connection = _connection(found, _HEALTH_SECONDS)
    try:
        connection.request("GET", _HEALTH, headers=_headers(found))
        content = json.loads(connection.getresponse().read())
        return isinstance(content, dict) and content.get("pid") == found.pid
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _connection(found: Running, timeout_seconds: float) -> http.client.HTTPConnection:
    host = urlsplit(found.url).hostname or HOST
    return http.client.HTTPConnection(host, found.port, timeout=timeout_seconds)


def _headers(found: Running) -> dict[str, str]:
    return {TOKEN_HEADER: found.options.token} if found.options.token else {}


def _spawn(state_dir: Path, wanted: Wanted) -> int:
    """Start the process in a session of its own, so that it outlives ours; return its id."""
    command = [sys.executable, "-m", "orchestrator.localcloud", "--state-dir", str(state_dir.absolute())]
    command += wanted.arguments()
    log = os.open(state_dir / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        return os.posix_spawn(
            sys.executable,
            command,
            wanted.environment(os.environ),
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
    try:
        while time.monotonic() < deadline:
            if (found := running(state_dir)) and found.pid == pid:
                return found
            if reap(pid):
                raise _failed(state_dir, "ended before it answered")
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        # Ctrl-C reaches us alone: it has a session of its own, and nobody waits for it any more.
        end(pid, _STOP_SECONDS)
        raise
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise _failed(state_dir, f"did not answer within {timeout_seconds:g} s")


def _failed(state_dir: Path, what: str) -> OrchestratorError:
    log = state_dir / LOG_FILE
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    last = next((line for line in reversed(lines) if line.strip()), "it wrote nothing")
    return OrchestratorError(f"the local cloud {what}: {last}", details=[("log", str(log))])


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
