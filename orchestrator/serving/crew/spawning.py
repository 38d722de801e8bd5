"""The helper process that workers are forked from, as the server sees it, and what it is to import.

The other side, and the protocol between the two, is `orchestrator.serving.worker.spawner`.
"""

import asyncio
import contextlib
import json
import re
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from orchestrator.serving import messages
from orchestrator.serving.contract import CODE_FOLDER
from orchestrator.serving.crew.channel import Channel
from orchestrator.serving.crew.process import ExitCode, Worker, finished
from orchestrator.serving.messages import Assignment

_STDERR = 2
_MESSAGE_BYTES = 64 * 1024
# The spawner gives workers two seconds to end, and then ends them.
_GRACE_SECONDS = 3.0

PRELOADED = ("numpy", "torch", "safetensors")
"""What is slow to import, and starts neither a thread that a fork would lose nor a device."""

# What the container's own model_fn looks for.
_TORCHSCRIPT = (".pt", ".pth")

_Child = tuple[int, "asyncio.Future[ExitCode]"]
"""A worker's process id, and how it will have ended."""

# More source than this is somebody else's library, which says nothing about the entry point.
_SOURCE_BYTES = 4 * 1024 * 1024
# What torch, numpy and the libraries below them read when they are imported.
_READ_BY_LIBRARIES = (
    "ATEN_|CUBLAS_|CUDA_|GOMP_|KMP_|LD_|MKL_|NCCL_|NPY_|NUMEXPR_|NUMPY_|OMP_|OPENBLAS_|PYTORCH_|TORCH|VECLIB_"
)
# A variable whose name stands there counts if a library reads it; one whose name is computed always does.
_NAME = rf"\s*(?:[\"'](?:{_READ_BY_LIBRARIES})|[^\s\"'])"
_SETS_VARIABLES = re.compile(
    r"\bputenv\b"
    rf"|\benviron\b(?:\.update\b|\s*\|=|\.(?:setdefault|pop)\({_NAME}|\s*\[{_NAME}[^\]]*\]\s*=[^=])"
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What a spawner is started with. Workers of equal origins may come from the same spawner.

    Attributes:
        environment: Of the spawner and of every worker.
        interpreter: The Python that runs them; this package can be imported in it.
        preload: Modules to import once.
    """

    environment: Mapping[str, str]
    interpreter: str = sys.executable
    preload: tuple[str, ...] = ()


def preload(folder: Path) -> tuple[str, ...]:
    """Return the modules of `PRELOADED` that the archive in ``folder`` uses, by the look of its sources.

    Libraries read variables such as OMP_NUM_THREADS when they are imported; if the archive sets any itself,
    nothing may be imported before. Nor may it if the archive brings a module of such a name.
    """
    if any(_has_module(place, name) for place in (folder, folder / CODE_FOLDER) for name in PRELOADED):
        return ()
    sources = list(_sources(folder))
    if any(_SETS_VARIABLES.search(source) for source in sources):
        return ()
    words = {word for source in sources for word in re.findall(r"\w+", source)}
    if any(path.suffix in _TORCHSCRIPT for path in folder.glob("*")):
        words |= {"numpy", "torch"}  # maybe for the container's own functions
    return tuple(name for name in PRELOADED if name in words)


def _has_module(place: Path, name: str) -> bool:
    return (place / f"{name}.py").exists() or (place / name / "__init__.py").exists()


def _sources(folder: Path) -> Iterator[str]:
    left = _SOURCE_BYTES
    for path in [*sorted((folder / CODE_FOLDER).rglob("*.py")), *sorted(folder.glob("*.py"))]:
        with contextlib.suppress(OSError):
            left -= path.stat().st_size
            if left < 0:
                return
            yield path.read_text(errors="replace")


class Spawner:
    """Starts workers; its process is started when the first is, and again if it has died."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._helper: _Helper | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The id of the helper process, if it runs."""
        return self._helper.process.pid if self._helper is not None and self._helper.is_alive else None

    async def start(self, assignment: Assignment) -> Worker:
        """Start a worker; it loads its model on its own time.

        Raises:
            OSError: If no process can be started.
        """
        async with self._starting:
            if self._helper is None or not self._helper.is_alive:
                await self.close()
                self._helper = await _Helper.started(self.origin)
            helper = self._helper
        ours, theirs = socket.socketpair()
        try:
            pid, ended = await helper.fork(assignment, theirs)
            _, channel = await asyncio.get_running_loop().create_unix_connection(Channel, sock=ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return Worker(pid, channel, ended, lambda: helper.kill(pid), helper.confirms)

    async def close(self) -> None:
        """End the helper process, and with it the workers that are left."""
        if self._helper is not None:
            await finished(self._helper.end())


class _Helper:
    """One running spawner process."""

    def __init__(self, process: Process, orders: socket.socket) -> None:
        self.process = process
        self.is_alive = True
        self._orders = orders
        self._numbers = count()
        self._births: dict[int, asyncio.Future[_Child]] = {}
        self._asked: dict[int, asyncio.Future[bool]] = {}
        self._living: dict[int, asyncio.Future[ExitCode]] = {}
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(orders, self._read)

    @classmethod
    async def started(cls, origin: Origin) -> "_Helper":
        # Each message is a whole one on such a socket.
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        try:
            return cls(await _spawn(origin, theirs.fileno()), ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    async def fork(self, assignment: Assignment, channel: socket.socket) -> _Child:
        """Have a worker forked that is given ``channel``."""
        number = next(self._numbers)
        born: asyncio.Future[_Child] = self._loop.create_future()
        order = {"start": number, "assignment": messages.assignment_text(assignment)}
        socket.send_fds(self._orders, [json.dumps(order).encode()], [channel.fileno()])
        self._births[number] = born
        return await born

    async def confirms(self) -> bool:
        """Tell whether the process runs: one that has been killed may take its time to be gone."""
        number = next(self._numbers)
        asked: asyncio.Future[bool] = self._loop.create_future()
        try:
            self._orders.send(json.dumps({"confirm": number}).encode())
        except OSError:
            return False
        self._asked[number] = asked
        return await asked

    def kill(self, pid: int) -> None:
        """Have the worker's process group killed, unless it has ended."""
        # A spawner that takes no orders any more takes its workers along.
        with contextlib.suppress(OSError):
            self._orders.send(json.dumps({"kill": pid}).encode())

    async def end(self) -> None:
        if self._births:
            # It may import for seconds yet, and then start a worker whose folder is gone.
            self._kill()
        self._lose()
        try:
            async with asyncio.timeout(_GRACE_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self._kill()
            await self.process.wait()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def _read(self) -> None:
        while self.is_alive:
            try:
                report = self._orders.recv(_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                report = b""
            if report:
                self._take(json.loads(report))
            else:
                self._lose()

    def _take(self, report: dict[str, object]) -> None:
        match report:
            case {"started": int(number), "pid": int(pid)}:
                ended = self._living[pid] = self._loop.create_future()
                born = self._births.pop(number)
                if born.cancelled():
                    self.kill(pid)
                else:
                    born.set_result((pid, ended))
            case {"refused": int(number), "error": str(error)}:
                born = self._births.pop(number)
                if not born.cancelled():
                    born.set_exception(OSError(error))
            case {"confirmed": int(number)}:
                asked = self._asked.pop(number)
                if not asked.done():
                    asked.set_result(True)
            case {"ended": int(pid), "code": int(code)}:
                self._living.pop(pid).set_result(code)

    def _lose(self) -> None:
        """Give up the process: nobody can tell any more what becomes of its workers."""
        if not self.is_alive:
            return
        self.is_alive = False
        self._loop.remove_reader(self._orders)
        self._orders.close()
        for born in self._births.values():
            if not born.done():
                born.set_exception(OSError("the process that starts workers has ended"))
        for ended in self._living.values():
            ended.set_result(None)
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(False)
        self._births.clear()
        self._living.clear()
        self._asked.clear()


async def _spawn(origin: Origin, descriptor: int) -> Process:
    # -P: files beside the current folder must not stand in for the standard library's.
    program = ["-P", "-m", "orchestrator.serving.worker.spawner", str(descriptor), *origin.preload]
    return await asyncio.create_subprocess_exec(
        origin.interpreter,
        *program,
        env=dict(origin.environment),
        stdin=DEVNULL,
        # stdout belongs to the server; what user code prints is part of the log.
        stdout=_STDERR,
        # A terminal's Ctrl-C is for the server, which lets requests in flight finish.
        start_new_session=True,
        pass_fds=[descriptor],
    )


@contextlib.asynccontextmanager
async def spawning(origin: Origin) -> AsyncIterator[Spawner]:
    """Give a spawner for workers of ``origin``, and end its process on the way out."""
    spawner = Spawner(origin)
    try:
        yield spawner
    finally:
        await spawner.close()
