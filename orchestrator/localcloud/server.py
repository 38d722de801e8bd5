"""The local cloud as a process: its socket, its state folder, its beginning and its end."""

import asyncio
import contextlib
import datetime as dt
import fcntl
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from orchestrator import __version__
from orchestrator.core.errors import ConflictError
from orchestrator.localcloud.assembly import MODELS, Ground, assemble
from orchestrator.localcloud.front import LocalCloud
from orchestrator.localcloud.lifecycle import HOST, STATE_FILE, listen

_GRACE_SECONDS = 5
_OWNER_FILE = "owner.lock"


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
        shutil.rmtree(options.state_dir / MODELS, ignore_errors=True)
        (options.state_dir / MODELS).mkdir(mode=0o700)
        try:
            asyncio.run(_run(options, listener))
        finally:
            (options.state_dir / STATE_FILE).unlink(missing_ok=True)
            shutil.rmtree(options.state_dir / MODELS, ignore_errors=True)


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
    assembled = assemble(Ground(url, options.state_dir, options.container))
    server = _Server(_configured(assembled.application), lambda: _announce(options.state_dir, url, port))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    serving = asyncio.create_task(server.serve([listener]))
    await stop.wait()
    await assembled.close()
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
