"""Serve one model folder under the container's contract until asked to stop.

The address is taken first, so that a busy port is known before a model is loaded; then the workers start; the
first that has loaded its model opens the doors. A model that does not load is an error at once, where the
container would answer ``/ping`` with 200 for five minutes and no request ever.
"""

import asyncio
import contextlib
import errno
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

from orchestrator.core.errors import ArtifactError, OrchestratorError, PortInUseError, SpecError
from orchestrator.serving.app import App
from orchestrator.serving.contract import CODE_FOLDER, read, worker_environment
from orchestrator.serving.pool import Pool, Site, running

DRAIN_SECONDS = 25
"""How long requests in flight may take after SIGTERM; SageMaker sends SIGKILL after 30 s."""

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})
_BACKLOG = 2048
# Longer than clients keep an idle connection, so that they close it and no request meets a closing one.
_KEEP_ALIVE_SECONDS = 75
_STDIN = 0
_READ_BYTES = 65536


@dataclass(frozen=True, slots=True)
class Options:
    """What to serve, and where.

    Attributes:
        model_dir: The extracted archive.
        host: The interface to listen on. On a loopback interface only requests for a local name are
            answered: a page that rebinds its own name to 127.0.0.1 gets 421.
        port: 0 picks a free one.
        workers: Overrides what the environment says.
        environment: The container's, in place of this process's own.
        exit_with_stdin: Stop when stdin closes, so that nothing outlives whoever started this process.
    """

    model_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int | None = None
    environment: Mapping[str, str] | None = None
    exit_with_stdin: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The server answers at this address."""

    host: str
    port: int
    pid: int
    workers: int


def run(options: Options, on_ready: Callable[[Ready], None]) -> None:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish and return.

    Needs the main thread, which is where signals arrive. stdout is left alone; stderr gets one line for each
    answer and each event of a worker, and whatever user code prints.

    Args:
        options: What to serve, and where.
        on_ready: Is called once, when requests are answered.

    Raises:
        PortInUseError: If somebody else listens on the port.
        SpecError: If the address cannot be listened on, or the environment has an impossible number.
        ArtifactError: If there is no such folder; a `LoadError` if the model does not load.
    """
    if not options.model_dir.is_dir():
        raise ArtifactError(
            f"there is no model folder '{options.model_dir}'", hint="name the folder of an extracted archive"
        )
    with (
        _listening(options.host, options.port) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(options, listener, on_ready))


class _Server(uvicorn.Server):
    """uvicorn's server, with the two differences that `run` promises."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `run`: uvicorn would raise them again after the shutdown, and end the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell whoever waits for it."""
        await super().startup(sockets)
        self._on_started()


async def _serve(options: Options, listener: socket.socket, on_ready: Callable[[Ready], None]) -> None:
    environment = _environment(options)
    code = [path.name for path in (options.model_dir / CODE_FOLDER).glob("*")]
    contract = read(environment, code=code, cores=_cores())
    variables = worker_environment(environment, contract, cores=_cores())
    address, port = listener.getsockname()[:2]
    ready = Ready(options.host, port, os.getpid(), contract.workers)
    stop = asyncio.Event()
    _on_signals(stop.set)
    if options.exit_with_stdin:
        _stop_with_stdin(stop)
    async with running(Site(options.model_dir.resolve(), variables), contract, _log) as pool:
        if await _has_loaded(pool, stop):
            app = App(pool, contract, _log, hosts=_hosts(options.host, address))
            server = _Server(_config(app), lambda: on_ready(ready))
            await _answer_until(stop, server, listener)


async def _has_loaded(pool: Pool, stop: asyncio.Event) -> bool:
    """Wait for the first worker; return `False` if asked to stop before."""
    loading, stopping = asyncio.create_task(pool.first()), asyncio.create_task(stop.wait())
    await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if loading.done():
        await loading
        return True
    return False


async def _answer_until(stop: asyncio.Event, server: _Server, listener: socket.socket) -> None:
    """Serve until asked to stop, then until no request is in flight, or until asked again."""
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    serving.add_done_callback(lambda _: stop.set())
    await stop.wait()
    server.should_exit = True
    _on_signals(lambda: setattr(server, "force_exit", True))
    await serving


def _environment(options: Options) -> Mapping[str, str]:
    environment = os.environ if options.environment is None else options.environment
    workers = {} if options.workers is None else {"SAGEMAKER_MODEL_SERVER_WORKERS": str(options.workers)}
    return {**environment, **workers}


def _listening(host: str, port: int) -> socket.socket:
    # One that only binds does not hold the port: another could still listen first.
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def _refused(host: str, port: int, error: OSError | OverflowError) -> OrchestratorError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return PortInUseError(
            f"port {port} of '{host}' is in use",
            hint="choose another with --port, or let --port 0 pick a free one",
        )
    return SpecError(
        f"cannot listen on port {port} of '{host}'",
        details=[("error", str(error))],
        hint="choose an address of this machine with --host, and a port from 0 to 65535 with --port",
    )


def _hosts(host: str, address: str) -> frozenset[str] | None:
    if not ipaddress.ip_address(address).is_loopback:
        return None
    return _LOCAL_HOSTS | {host.lower(), f"[{address}]" if ":" in address else address}


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _on_signals(react: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, react)


def _stop_with_stdin(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # Not sys.stdin: its lock would be held when the interpreter shuts down. An error is an end, too.
        with contextlib.suppress(OSError):
            while os.read(_STDIN, _READ_BYTES):
                pass
        # The loop may have been closed before stdin.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, daemon=True).start()


def _cores() -> int:
    return os.cpu_count() or 1


def _log(line: str) -> None:
    # Whoever reads the log may be gone before the last request is.
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
