"""The local cloud as a process: its socket, its state folder, its beginning and its end."""

import asyncio
import contextlib
import datetime as dt
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from orchestrator import __version__
from orchestrator.core.errors import ConflictError
from orchestrator.localcloud.alarms import Watcher
from orchestrator.localcloud.asynchronous import AsyncRuntime
from orchestrator.localcloud.capture import Capture
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.control import ControlPlane
from orchestrator.localcloud.engine import Engine, Time
from orchestrator.localcloud.fallback import Moto, datapoints
from orchestrator.localcloud.fleet import Launcher
from orchestrator.localcloud.front import LocalCloud, Parts
from orchestrator.localcloud.lifecycle import HOST, STATE_FILE, listen
from orchestrator.localcloud.metrics import Metrics
from orchestrator.localcloud.runtime import Runtime
from orchestrator.localcloud.scaling import Scaling
from orchestrator.localcloud.streaming import StreamRuntime
from orchestrator.localcloud.world import Worlds

_GRACE_SECONDS = 5
_OWNER_FILE = "owner.lock"
_MODELS = "models"


@dataclass(frozen=True, slots=True)
class Options:
    """How a local cloud is to run.

    Attributes:
        state_dir: Its folder: the state file, and the unpacked models.
        port: Where it listens, or ``None`` for the usual port if that is free, and any other if not.
        container: The program that serves a model, up to where the model's folder is named.
    """

    state_dir: Path
    port: int | None
    container: Sequence[str]


def serve(options: Options) -> None:
    """Run a local cloud until SIGTERM or SIGINT.

    Raises:
        PortInUseError: If somebody else listens on the port that was asked for.
        ConflictError: If another local cloud runs in the same folder.
    """
    options.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    options.state_dir.chmod(0o700)
    # The folder that it was started in may be gone before it is, and no container would start then.
    os.chdir(options.state_dir)
    with _owned(options.state_dir), listen(options.port) as listener:
        # What a local cloud that was killed has left.
        shutil.rmtree(options.state_dir / _MODELS, ignore_errors=True)
        (options.state_dir / _MODELS).mkdir(mode=0o700)
        try:
            asyncio.run(_run(options, listener))
        finally:
            (options.state_dir / STATE_FILE).unlink(missing_ok=True)
            shutil.rmtree(options.state_dir / _MODELS, ignore_errors=True)


@contextlib.contextmanager
def _owned(state_dir: Path) -> Iterator[None]:
    """Hold the state folder: two local clouds in one would delete each other's models."""
    with (state_dir / _OWNER_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                f"another local cloud runs in '{state_dir}'",
                hint="orchestrator local-cloud status",
            ) from error
        yield


class _Server(uvicorn.Server):
    """uvicorn, but for signals, which are the local cloud's own: its fleets end before it stops to answer."""

    def __init__(self, config: uvicorn.Config, answering: Callable[[], None]) -> None:
        super().__init__(config)
        self._answering = answering

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._answering()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _run(options: Options, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    url = f"http://{HOST}:{port}"
    worlds, clients = Worlds(), Clients(url)
    launcher = Launcher(clients, options.container, options.state_dir / _MODELS, time.time)
    metrics = Metrics(clients)
    alarms = Watcher(clients, datapoints, time.time)
    engine = Engine(worlds, launcher.launch, alarms.firing, Time(time.time))
    capture = Capture(clients, secrets.SystemRandom())
    runtime = Runtime(engine.traffic, metrics.record, capture.take)
    queues = AsyncRuntime(runtime, clients)
    application = LocalCloud(
        Parts(
            worlds,
            ControlPlane(worlds, engine, clients, alarms, time.time),
            runtime,
            StreamRuntime(runtime),
            queues,
            Scaling(clients),
            Moto(),
        ),
        lambda: _health(worlds),
    )
    server = _Server(_configured(application), lambda: _announce(options.state_dir, url, port))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve([listener]))
    await stop.wait()
    for part in (queues, runtime, engine, alarms, metrics, capture):
        await part.close()
    server.should_exit = True
    await serving


def _configured(application: LocalCloud) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        lifespan="off",
        ws="none",
        log_level="warning",
        access_log=False,
        # A request on a connection that is just being closed would fail; clients keep unused ones for long.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def _health(worlds: Worlds) -> dict[str, Any]:
    endpoints = [
        {"name": endpoint.name, "region": world.scope.region, "status": str(endpoint.status)}
        for world in worlds.all()
        for endpoint in world.endpoints.values()
    ]
    return {"status": "ok", "pid": os.getpid(), "version": __version__, "endpoints": endpoints}


def _announce(state_dir: Path, url: str, port: int) -> None:
    """Write the state file, whole or not at all."""
    content = {
        "pid": os.getpid(),
        "port": port,
        "url": url,
        "started_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "version": __version__,
    }
    draft = state_dir / f"{STATE_FILE}.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content))
    draft.replace(state_dir / STATE_FILE)
    sys.stdout.write(f"the local cloud answers on {url}\n")
    sys.stdout.flush()
