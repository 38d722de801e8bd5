"""One serving process, in the place of a container.

It is started as ``COMMAND MODEL_DIR --port 0 --host 127.0.0.1 --workers 1 --exit-with-stdin`` and says on
stdout, as one line of JSON, ``{"event": "ready", "port": N, ...}`` once it answers, or ``{"event":
"failed", "error": ..., ...}`` before it ends. Everything else it writes, to stdout or stderr, is its log,
with the traceback of what failed. It holds the reading end of a pipe as stdin, so that it ends with the
local cloud however that ends.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

from orchestrator.localcloud.fleets.leftovers import VARIABLE, exited, kill_leftovers

_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH")
_CHUNK_BYTES = 65_536
_MAX_LINE_BYTES = 200_000
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_LAST_WORDS_SECONDS = 2.0


class ContainerError(Exception):
    """The serving process did not come up; its log says why."""


def environment(own: Mapping[str, str], model: Mapping[str, str]) -> dict[str, str]:
    """Return what a serving process sees: what Python needs of our ``own`` variables, then the model's.

    A container would have none of the user's variables, least of all credentials.

    >>> environment({"PATH": "/bin", "AWS_PROFILE": "prod"}, {"SAGEMAKER_PROGRAM": "predict.py"})
    {'PATH': '/bin', 'SAGEMAKER_PROGRAM': 'predict.py'}
    """
    return {name: own[name] for name in _INHERITED if name in own} | dict(model)


class Container:
    """A serving process that is started again, with growing pauses, when it dies.

    Args:
        command: The whole command line.
        variables: Its environment.
        log: Takes each line it writes.

    Attributes:
        port: Where it answers, or ``None`` while it does not.
        restarts: How often it was started again after it had ended by itself.
    """

    def __init__(
        self, command: Sequence[str], variables: Mapping[str, str], log: Callable[[str], None]
    ) -> None:
        self._command = command
        self._mark = secrets.token_hex(16)
        self._variables = {**variables, VARIABLE: self._mark}
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._pumps: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._error = ""
        self.port: int | None = None
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The id of the process, or ``None`` while there is none."""
        return None if self._process is None else self._process.pid

    async def start(self, timeout_seconds: float) -> None:
        """Return once it answers.

        Raises:
            ContainerError: If it does not within ``timeout_seconds``. Nothing of it is left then.
        """
        await self._launch(timeout_seconds)
        self._keeper = asyncio.create_task(self._keep(timeout_seconds))

    async def stop(self, grace_seconds: float) -> None:
        """End it: SIGTERM, and SIGKILL after ``grace_seconds`` to all that it has started."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._end(grace_seconds)

    async def _launch(self, timeout_seconds: float) -> None:
        self._process = process = await self._spawn()
        self._error = ""
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._pumps = [
            asyncio.create_task(self._pump(process.stdout, ready)),
            asyncio.create_task(self._pump(process.stderr, None)),
        ]
        either: list[asyncio.Future[Any]] = [ready, asyncio.create_task(self._over(process))]
        try:
            await asyncio.wait(either, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                code = process.returncode
                late = f"no answer within {timeout_seconds:g} s"
                raise ContainerError(late if code is None else self._error or f"exit status {code}")
            self.port = ready.result()
        finally:
            if self.port is None:
                await self._end(0)
                either[1].cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._variables,
                # Ctrl-C in the terminal is for the local cloud alone, which then ends its containers.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a variable has a byte 0 in it
            why = error.strerror if isinstance(error, OSError) else error
            raise ContainerError(f"{self._command[0]} cannot be started: {why}") from error

    async def _end(self, grace_seconds: float) -> None:
        process, self.port = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await exited(process)
        # Whatever it has left behind is in its session still, or says in its environment whose it is.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await self._over(process)
        for pump in self._pumps:
            pump.cancel()
        self._process = None

    async def _over(self, process: asyncio.subprocess.Process) -> None:
        """Return once the process and all that it has left are gone, and what they wrote is in the log."""
        await exited(process)
        await asyncio.to_thread(kill_leftovers, self._mark)
        # One that hides keeps the pipes open; nobody waits for that.
        if self._pumps:
            await asyncio.wait(self._pumps, timeout=_LAST_WORDS_SECONDS)

    async def _keep(self, timeout_seconds: float) -> None:
        """Start the process again whenever it ends; a container on AWS is, too."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            if self._process is not None:
                code = await exited(self._process)
                self._log(f"the container ended with exit status {code}")
                await self._end(0)
            self._log(f"starting the container again in {pause_seconds:g} s")
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            self.restarts += 1
            with contextlib.suppress(ContainerError):
                await self._launch(timeout_seconds)

    async def _pump(self, stream: asyncio.StreamReader | None, ready: asyncio.Future[int] | None) -> None:
        """Copy a stream of the process to the log; its events on stdout are ours."""
        if stream is None:
            return
        async for line in lines(stream):
            event = _event(line) if ready is not None else {}
            match event:
                case {"event": "ready", "port": int(port)} if ready is not None and not ready.done():
                    ready.set_result(port)
                case {"event": "failed", "error": str(error)}:
                    self._error = error
                case _:
                    self._log(line)


def _event(line: str) -> Mapping[str, object]:
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines of ``stream``; one without an end is cut, not kept in memory."""
    kept = b""
    while chunk := await stream.read(_CHUNK_BYTES):
        *whole, kept = (kept + chunk).split(b"\n")
        if len(kept) > _MAX_LINE_BYTES:
            whole, kept = [*whole, kept], b""
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")
    if kept:
        yield kept.decode("utf-8", "replace")
