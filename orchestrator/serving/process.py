"""One worker process, as the server sees it.

The server never imports user code: it talks to the worker over a socket pair and watches the process end.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from orchestrator.core.errors import ArtifactError
from orchestrator.serving import frames, messages
from orchestrator.serving.frames import Frame
from orchestrator.serving.messages import Failed, Loaded, Request, Response, WorkerDiedError

_STDERR = 2
_GRACE_SECONDS = 3.0


class LoadError(ArtifactError):
    """The model or its entry point does not load.

    Attributes:
        error: The last line of the traceback.
        traceback: All of it; empty if the worker ended without one.
    """

    def __init__(self, model_dir: Path, error: str, traceback: str = "") -> None:
        super().__init__(
            f"the model in '{model_dir}' does not load",
            details=[("error", error)],
            hint="fix the entry point or the model, then package it again",
        )
        self.error = error
        self.traceback = traceback


class Worker:
    """A running worker process.

    Attributes:
        served: Whether it has been given a request.
    """

    def __init__(self, process: Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._is_killed = False
        self._is_idle = False
        self._ended = asyncio.create_task(process.wait())
        # A process that user code has forked may hold the socket open after the worker itself has ended.
        self._ended.add_done_callback(lambda _: writer.transport.abort())
        self.served = False

    @property
    def pid(self) -> int:
        """The id of the process, and of the process group it leads."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process has neither ended nor been killed, as far as is known."""
        return not (self._is_killed or self._ended.done() or self._reader.at_eof())

    async def ended(self) -> int:
        """Wait until the process has ended, and return its exit code: minus the signal, if one ended it."""
        return await asyncio.shield(self._ended)

    async def outcome(self) -> Loaded | Failed:
        """Wait until the model has loaded or has failed to."""
        try:
            outcome = messages.read_outcome(await self._receive(sys.maxsize))
        except WorkerDiedError:
            return Failed(f"the worker ended with {ending(await self.ended())} while loading the model", "")
        self._is_idle = isinstance(outcome, Loaded)
        return outcome

    async def ask(self, request: Request, *, max_bytes: int, timeout_seconds: float) -> Response:
        """Return the worker's answer.

        The worker is killed if it takes longer than ``timeout_seconds``, if its answer has more than
        ``max_bytes``, or if the caller stops waiting, since what it says next would be the wrong answer.

        Raises:
            WorkerDiedError: If there is no answer.
        """
        self.served, self._is_idle = True, False
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._send(messages.request_frame(request))
                response = messages.read_response(await self._receive(max_bytes))
        except TimeoutError:
            self.kill()
            raise WorkerDiedError(f"no answer in {timeout_seconds:g} s") from None
        except BaseException:
            self.kill()
            raise
        self._is_idle = True
        return response

    def kill(self) -> None:
        """End the worker, and what user code has started in its process group, at once."""
        self._is_killed = True
        if not self._ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def end(self) -> None:
        """Let an idle worker end by itself; kill one that does not, or that is at work.

        Goes on to the end if it is cancelled: a process that nobody waits for would be left behind.
        """
        ending = asyncio.create_task(self._end())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _end(self) -> None:
        self._writer.transport.abort()
        if self._is_idle:
            await asyncio.wait({self._ended}, timeout=_GRACE_SECONDS)
        self.kill()
        await self._ended

    async def _send(self, frame: Frame) -> None:
        try:
            self._writer.write(frames.opening(frame))
            self._writer.write(frame.body)
            await self._writer.drain()
        except OSError as error:
            raise WorkerDiedError(str(error)) from error

    async def _receive(self, max_bytes: int) -> Frame:
        try:
            head, body = frames.lengths(await self._reader.readexactly(frames.PREFIX_BYTES))
            if body > max_bytes:
                raise WorkerDiedError(f"its answer has {body} bytes, {max_bytes} are allowed")
            return Frame(await self._reader.readexactly(head), await self._reader.readexactly(body))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise WorkerDiedError("it ended") from error


@contextlib.asynccontextmanager
async def started(model_dir: Path, environment: Mapping[str, str]) -> AsyncIterator[Worker]:
    """Start a worker for ``model_dir``, and end it on the way out.

    Raises:
        OSError: If no process can be started.
    """
    opening = asyncio.create_task(_open(model_dir, environment))
    try:
        worker = await asyncio.shield(opening)
    except asyncio.CancelledError:
        # A process that nobody knows would be left behind if its start were cut off.
        with contextlib.suppress(OSError):
            await (await opening).end()
        raise
    try:
        yield worker
    finally:
        await worker.end()


async def _open(model_dir: Path, environment: Mapping[str, str]) -> Worker:
    ours, theirs = socket.socketpair()
    try:
        process = await _spawn(theirs.fileno(), model_dir, environment)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return Worker(process, *await asyncio.open_unix_connection(sock=ours))


async def _spawn(descriptor: int, model_dir: Path, environment: Mapping[str, str]) -> Process:
    # -P: files beside the current folder must not stand in for the standard library's.
    command = [sys.executable, "-P", "-m", "orchestrator.serving.worker", str(descriptor), str(model_dir)]
    return await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        stdin=DEVNULL,
        # stdout belongs to the server; what user code prints is part of the log.
        stdout=_STDERR,
        # A terminal's Ctrl-C is for the server, which lets requests in flight finish.
        start_new_session=True,
        pass_fds=[descriptor],
    )


def ending(code: int) -> str:
    """Return how a process ended, in words.

    >>> ending(3), ending(-9)
    ('exit code 3', 'SIGKILL')
    """
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
