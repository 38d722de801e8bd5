"""One worker process, as the server sees it.

The server never imports user code: it talks to the worker over a socket pair. How the process came to be, and
how it ends, is the business of `spawning`.
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from orchestrator.core.errors import ArtifactError
from orchestrator.serving import messages
from orchestrator.serving.crew.channel import ENDED, Channel
from orchestrator.serving.messages import Failed, Loaded, Part, Request, Response, WorkerDiedError
from orchestrator.serving.ports import OnPart

ExitCode = int | None
"""What `subprocess` calls a return code; ``None`` if nobody is left who could tell."""

# An idle worker that is told to end has this long to do so, and one that is killed to be gone. Together they
# stay under the five seconds in which a pool has to be gone.
_GRACE_SECONDS = 2.0
# A worker's socket closes an instant before the process has ended.
_ENDING_SECONDS = 1.0
_SIGKILLED = -signal.SIGKILL
# What a shell would say of SIGKILL; TorchServe heeds it, too.
_MEMORY_CODES = (_SIGKILLED, 128 + signal.SIGKILL)


class LoadError(ArtifactError):
    """The model or its entry point does not load.

    Attributes:
        error: The last line of the traceback.
        traceback: All of it; empty if the worker ended without one.
    """

    def __init__(self, place: Path | str, error: str, traceback: str = "", advice: str = "") -> None:
        super().__init__(
            f"the model in '{place}' does not load",
            details=[("error", error)],
            hint=advice or "fix the entry point or the model, then package it again",
        )
        self.error = error
        self.traceback = traceback


class Worker:
    """A running worker process.

    Args:
        pid: The id of the process, and of the process group it leads.
        channel: Connected to it.
        ended: Has a result when the process has ended.
        kill: Ends the process and its group at once; does nothing if it has ended.
        confirms: Tells whether what has started the process still runs; without it a worker does not stay.

    Attributes:
        served: How many requests it has been given.
    """

    def __init__(
        self,
        pid: int,
        channel: Channel,
        ended: "asyncio.Future[ExitCode]",
        kill: Callable[[], None],
        confirms: Callable[[], Awaitable[bool]],
    ) -> None:
        self.pid = pid
        self.served = 0
        self._channel = channel
        self._ended = ended
        self._kill = kill
        self._confirms = confirms
        self._is_killed = False
        self._is_idle = False
        # A process that user code has forked may hold the socket open after the worker itself has ended.
        ended.add_done_callback(lambda _: channel.close())

    @property
    def is_alive(self) -> bool:
        """Whether the process has neither ended nor been killed, as far as is known."""
        return self._channel.is_open and not self._is_killed and not self._ended.done()

    @property
    def is_idle(self) -> bool:
        """Whether it has loaded its model and is not at work."""
        return self._is_idle

    async def ended(self) -> ExitCode:
        """Wait until the process has ended, and return its exit code: minus the signal, if one ended it.

        A worker that cannot be reached any more is given a moment to end by itself.
        """
        signs: set[asyncio.Future[Any]] = {self._ended, self._channel.closed}
        await asyncio.wait(signs, return_when=asyncio.FIRST_COMPLETED)
        return await self._last_code()

    async def outcome(self, timeout_seconds: float) -> Loaded | Failed:
        """Wait until the model has loaded or has failed to, which taking too long is, too."""
        try:
            frame = await self._channel.receive(sys.maxsize, timeout_seconds)
            outcome = messages.read_outcome(frame)
        except TimeoutError:
            self.kill()
            late = f"the worker did not load the model in {timeout_seconds:g} s"
            return Failed(late, "", advice="set TS_DEFAULT_STARTUP_TIMEOUT to more seconds, or load less")
        except WorkerDiedError:
            return Failed(
                f"the worker ended with {ending(await self._last_code())} while loading the model", ""
            )
        except (ValueError, KeyError, TypeError):
            self.kill()
            return Failed("user code has written to the worker's own socket while loading the model", "")
        self._channel.rest()
        # User code may have ended what has started it, which takes a while to be gone.
        if isinstance(outcome, Loaded) and not await self._confirms():
            return Failed("the process that starts workers was ended while the model loaded", "")
        self._is_idle = isinstance(outcome, Loaded)
        return outcome

    async def ask(
        self, requests: Sequence[Request], on_part: OnPart, *, max_bytes: int, timeout_seconds: float
    ) -> list[Response]:
        """Return the worker's answers to a batch of ``requests``, in their order.

        The worker is killed if it says nothing for ``timeout_seconds``, if it sends more than ``max_bytes``
        for each request in one frame, or if the caller stops waiting, since what it says next would be the
        wrong answer.

        Raises:
            WorkerDiedError: If there is no answer.
        """
        self.served += len(requests)
        self._is_idle = False
        try:
            self._channel.send(messages.requests_frame(requests))
            while isinstance(reply := await self._reply(len(requests), max_bytes, timeout_seconds), Part):
                await on_part(reply)
        except BaseException:
            self.kill()
            raise
        self._channel.rest()
        self._is_idle = True
        return reply

    async def _reply(self, size: int, max_bytes: int, timeout_seconds: float) -> Part | list[Response]:
        try:
            frame = await self._channel.receive(size * max_bytes, timeout_seconds)
            return messages.read_reply(frame, size)
        except TimeoutError:
            raise WorkerDiedError(f"no answer in {timeout_seconds:g} s") from None
        except (ValueError, KeyError, TypeError) as error:
            raise WorkerDiedError("its answer cannot be read") from error
        except WorkerDiedError as error:
            raise await self._explained(error) from None

    async def _explained(self, error: WorkerDiedError) -> WorkerDiedError:
        if self._is_killed or str(error) != ENDED:
            return error
        code = await self._last_code()
        return WorkerDiedError(f"it ended with {ending(code)}", out_of_memory=code in _MEMORY_CODES)

    async def _last_code(self) -> ExitCode:
        """Return how a worker has ended whose socket has closed; end it if only its socket has."""
        await asyncio.wait({self._ended}, timeout=_ENDING_SECONDS)
        self.kill()
        await asyncio.wait({self._ended}, timeout=_GRACE_SECONDS)
        return self._ended.result() if self._ended.done() else None

    def kill(self) -> None:
        """End the worker, and what user code has started in its process group, at once."""
        self._is_killed = True
        if not self._ended.done():
            self._kill()
        self._channel.close()

    async def end(self) -> None:
        """Let an idle worker end by itself; kill one that does not, or that is at work.

        Goes on to the end if it is cancelled: a process that nobody waits for would be left behind.
        """
        await finished(self._end())

    async def _end(self) -> None:
        self._channel.close()
        if self._is_idle:
            await asyncio.wait({self._ended}, timeout=_GRACE_SECONDS)
        self.kill()
        await asyncio.wait({self._ended}, timeout=_GRACE_SECONDS)


async def finished(work: Awaitable[None]) -> None:
    """Wait for ``work``, to its end even if cancelled meanwhile, and be cancelled then."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def ending(code: ExitCode) -> str:
    """Return how a process ended, in words.

    >>> ending(3), ending(-9), ending(None)
    ('exit code 3', 'SIGKILL', 'the process that had started it')
    """
    if code is None:
        return "the process that had started it"
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
