"""The local cloud as a process: its socket, its folders, its beginning and its end."""

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
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp

from orchestrator import __version__
from orchestrator.core.errors import ConflictError, OrchestratorError
from orchestrator.localcloud.ground import MODELS, OBJECTS, Ground
from orchestrator.localcloud.lifecycle import OWNER_FILE, STATE_FILE, listen
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.renewing import Site
from orchestrator.localcloud.wanted import HOST, Wanted, url_of

_TEMPORARY, _TEMPORARY_NOTE = "local-cloud-", "temporary.txt"
_GRACE_SECONDS = 5
_PASSING = (MODELS, OBJECTS)
"""What is below the folder of a local cloud that keeps nothing, and ends with it; models always do."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a local cloud is to run.

    Attributes:
        state_dir: Where the state file is, by which it is found.
        wanted: What was asked for.
        container: The program that serves a model, up to where the model's folder is named.
        exits_with_stdin: Whether it ends once nobody can write to its standard input any more.
    """

    state_dir: Path
    wanted: Wanted
    container: Sequence[str]
    exits_with_stdin: bool = False

    @property
    def folder(self) -> Path:
        """Where everything that is in it is: the folder that is to be kept, or else the state folder."""
        return self.wanted.state or self.state_dir


def serve(options: Options) -> None:
    """Run a local cloud until SIGTERM or SIGINT.

    Raises:
        PortInUseError: If somebody else listens on the port that was asked for.
        ConflictError: If another local cloud runs in the same folder.
        RefusedError: If others could come in without a token, or it cannot be sent.
        OrchestratorError: If a folder cannot be used, or what is kept in it.
    """
    wanted = options.wanted
    wanted.check()
    with contextlib.ExitStack() as held:
        for folder in dict.fromkeys((options.state_dir, options.folder)):
            held.enter_context(_owned(folder))
        # The folder that it was started in may be gone before it is, and no container would start then.
        os.chdir(options.state_dir)
        listener = held.enter_context(listen(wanted.port, host=wanted.host or HOST))
        held.enter_context(_emptied(options))
        held.enter_context(_temporary(options.state_dir))
        # It takes a third off what an invocation costs here.
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(options, listener))


@contextlib.contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Hold a folder, made if need be: two local clouds in one would delete each other's models.

    Raises:
        ConflictError: If another local cloud holds it.
        OrchestratorError: If it cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = (folder / OWNER_FILE).open("a")
    except OSError as error:
        raise _unusable(folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConflictError(
                f"another local cloud runs in '{folder}'", hint="orchestrator local-cloud status"
            ) from error
        yield


@contextlib.contextmanager
def _emptied(options: Options) -> Iterator[None]:
    """Delete what a local cloud that was killed has left, and at the end what this one has.

    Raises:
        OrchestratorError: If the folder cannot be used.
    """
    passing = [options.folder / name for name in (_PASSING[:1] if options.wanted.state else _PASSING)]
    for folder in passing:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        (options.folder / MODELS).mkdir(mode=0o700)
    except OSError as error:
        raise _unusable(options.folder, error) from error
    try:
        yield
    finally:
        (options.state_dir / STATE_FILE).unlink(missing_ok=True)
        for folder in passing:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _temporary(state_dir: Path) -> Iterator[None]:
    """Give this process and its containers a folder for temporary files, which ends with it.

    A container that is killed leaves what it has there. Not below the state folder, whose path may be long:
    that of a socket has at most 108 bytes. What a local cloud that was killed has left is found by a note.
    """
    note = state_dir / _TEMPORARY_NOTE
    with contextlib.suppress(OSError):
        left = Path(note.read_text("utf-8"))
        if left.name.startswith(_TEMPORARY):
            shutil.rmtree(left, ignore_errors=True)
    folder = _noted(note)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = None
        shutil.rmtree(folder, ignore_errors=True)
        note.unlink(missing_ok=True)


def _noted(note: Path) -> str:
    """Make a folder for temporary files and write down where it is.

    Raises:
        OrchestratorError: If it cannot be made or written down. Nothing of it is left then.
    """
    folder = ""
    try:
        # First whether there is room: without any, Python says only that there are no such folders.
        note.write_text(_TEMPORARY, "utf-8")
        folder = tempfile.mkdtemp(prefix=_TEMPORARY)
        note.write_text(folder, "utf-8")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        note.unlink(missing_ok=True)
        raise _unusable(note.parent, error) from error
    return folder


def _unusable(folder: Path, error: OSError) -> OrchestratorError:
    where = f": {error.filename}" if error.filename else ""
    return OrchestratorError(f"the state folder '{folder}' cannot be used: {error.strerror}{where}")


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
    wanted, port = options.wanted, listener.getsockname()[1]
    url = url_of(wanted.host or HOST, port)
    site = Site(_ground(options, url))

    def answering() -> None:
        _announce(options, url, port)
        site.begin()

    server = _Server(_configured(site), answering)
    stop = _stopping(exits_with_stdin=options.exits_with_stdin)
    serving, stopped = asyncio.create_task(server.serve([listener])), asyncio.create_task(stop.wait())
    # It may also end by itself: if it cannot say that it answers.
    await asyncio.wait((serving, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await site.close()
    server.should_exit = True
    await serving


def _ground(options: Options, url: str) -> Ground:
    wanted = options.wanted
    return Ground(
        url,
        options.folder,
        options.container,
        Pace(speed=wanted.speed or 1.0),
        keeps=wanted.state is not None,
        launch_seconds=wanted.launch_seconds or 0.0,
        any_image=bool(wanted.any_image),
        token=wanted.token or "",
    )


def _stopping(*, exits_with_stdin: bool) -> asyncio.Event:
    """Return what is set once the local cloud is to end."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def look() -> None:
        if not os.read(0, 1024):
            loop.remove_reader(0)
            stop.set()

    if exits_with_stdin:
        loop.add_reader(0, look)
    return stop


def _configured(application: ASGIApp) -> uvicorn.Config:
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


def _announce(options: Options, url: str, port: int) -> None:
    """Write the state file, whole or not at all; the token is in it, and nobody else may read it.

    Raises:
        OrchestratorError: If it cannot be written.
    """
    content = {
        "pid": os.getpid(),
        "port": port,
        "url": url,
        "started_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "options": replace(options.wanted, port=port).content(),
    }
    draft = options.state_dir / f"{STATE_FILE}.{os.getpid()}"
    try:
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(content))
        draft.replace(options.state_dir / STATE_FILE)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise _unusable(options.state_dir, error) from error
    sys.stdout.write(f"the local cloud answers on {url}\n")
    sys.stdout.flush()
