"""The process that workers are forked from.

Started as ``python -P -m orchestrator.serving.worker.spawner FD MODULE...``.

It imports what every worker needs, once, and forks a worker whenever the server asks for one: the worker
starts in milliseconds and shares the memory of what was imported. It runs no user code, starts no thread and
opens no device, so a fork of it is as good as a new process.

Each message on the socket FD is one JSON document. The server says ``{"start": N, "assignment": TEXT}``,
together with the worker's end of its own channel, or ``{"kill": PID}``. The spawner says ``{"started": N,
"pid": PID}`` or ``{"refused": N, "error": TEXT}``, and of each worker once ``{"ended": PID, "code": CODE}``.
When the server closes the socket, however it ends, the spawner ends with all workers.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.serving import messages
from orchestrator.serving.contract import CODE_FOLDER
from orchestrator.serving.worker import main as worker

MESSAGE_BYTES = 64 * 1024
"""No message is longer."""

# Workers end by themselves when the server does; one that user code keeps busy takes a second to notice.
_GRACE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Birth:
    """What a forked process is to be.

    Attributes:
        descriptor: Of its channel.
        assignment: As `messages.assignment_text` wrote it.
    """

    descriptor: int
    assignment: str


class Nursery:
    """The workers that have been forked and not yet been reaped."""

    def __init__(self, orders: socket.socket) -> None:
        self._orders = orders
        self._children: set[int] = set()
        self._wakeup, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._wakes = wakes
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes)

    def tend(self) -> Birth | None:
        """Obey until the server is gone, and return `None`; in each forked worker, return its birth."""
        poll = select.poll()
        poll.register(self._orders, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            if self._wakeup in ready:
                self._reap()
            if self._orders.fileno() in ready:
                text, descriptors = self._order()
                if not text:
                    self._end()
                    return None
                birth = self._obey(json.loads(text), descriptors)
                if birth is not None:
                    return birth

    def _order(self) -> tuple[bytes, list[int]]:
        try:
            text, descriptors, _, _ = socket.recv_fds(self._orders, MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            return b"", []
        return text, descriptors

    def _obey(self, order: dict[str, object], descriptors: Sequence[int]) -> Birth | None:
        match order:
            case {"start": int(number), "assignment": str(assignment)}:
                return self._fork(number, Birth(descriptors[0], assignment))
            case {"kill": int(pid)} if pid in self._children:
                _kill(pid)
            case {"confirm": int(number)}:
                self._say({"confirmed": number})
        return None

    def _fork(self, number: int, birth: Birth) -> Birth | None:
        try:
            pid = _forked()
        except OSError as error:
            os.close(birth.descriptor)
            self._say({"refused": number, "error": str(error)})
            return None
        if pid == 0:
            self._leave()
            return birth
        os.close(birth.descriptor)
        self._children.add(pid)
        self._say({"started": number, "pid": pid})
        return None

    def _leave(self) -> None:
        """Become a process of its own: nothing of the spawner is this worker's."""
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._wakeup)
        os.close(self._wakes)
        self._orders.close()

    def _reap(self) -> None:
        # One wake-up may stand for several ends.
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeup, MESSAGE_BYTES)
        while self._children:
            # It stays a zombie until its group is gone, so that nobody else can have its id.
            state = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if state is None:
                return
            _kill(state.si_pid)
            _, status = os.waitpid(state.si_pid, 0)
            self._children.discard(state.si_pid)
            self._say({"ended": state.si_pid, "code": os.waitstatus_to_exitcode(status)})

    def _end(self) -> None:
        deadline = time.monotonic() + _GRACE_SECONDS
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        self._reap()
        while self._children and (left := deadline - time.monotonic()) > 0:
            poll.poll(left * 1000)
            self._reap()
        for pid in self._children:
            _kill(pid)

    def _say(self, report: dict[str, object]) -> None:
        # The server may be gone; that is noticed where its orders are read.
        with contextlib.suppress(OSError):
            self._orders.send(json.dumps(report).encode())


def main(descriptor: int, modules: Sequence[str]) -> int:
    """Import ``modules``, fork workers until the server is gone, and return the exit code.

    Returns in every worker, too, when its work is done.
    """
    orders = socket.socket(fileno=descriptor)
    orders.set_inheritable(False)
    before = set(sys.modules)
    _import(modules)
    imported = set(sys.modules) - before
    # What exists now is never garbage: the collector need not touch, and so copy, its pages in every worker.
    gc.collect()
    gc.freeze()
    birth = Nursery(orders).tend()
    return 0 if birth is None else _work(birth, imported)


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        # Whoever needs it meets the same error again, and reports it.
        with contextlib.suppress(Exception):
            importlib.import_module(module)


def _work(birth: Birth, imported: set[str]) -> int:
    assignment = messages.read_assignment(birth.assignment)
    if is_shadowed({Path(assignment.root), Path(assignment.folder)}, imported):
        _start_afresh(birth)
    sys.argv = sys.argv[:1]
    _reseed()
    return worker.main(birth.descriptor, assignment)


def is_shadowed(folders: Collection[Path], imported: Collection[str]) -> bool:
    """Tell whether an archive in ``folders`` brings a module of its own for one that has been imported."""
    names = {name.partition(".")[0] for name in imported}
    places = [place for folder in folders for place in (folder / CODE_FOLDER, folder)]
    return any(not names.isdisjoint(_importable(place)) for place in places)


def _importable(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    return {
        path.name.partition(".")[0]
        for path in folder.iterdir()
        if path.suffix in {".py", ".so"} or (path / "__init__.py").is_file()
    }


def _start_afresh(birth: Birth) -> None:
    os.set_inheritable(birth.descriptor, True)  # noqa: FBT003 - the standard library's signature
    command = [sys.executable, "-P", "-m", worker.__name__, str(birth.descriptor), birth.assignment]
    os.execv(sys.executable, command)  # noqa: S606 - our own program, in place of this process


def _reseed() -> None:
    # `random` does this by itself. numpy does not: all workers would draw the same numbers.
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()


def _forked() -> int:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads. numpy's OpenBLAS has some, and ends them before a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _kill(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        # It has not yet become the leader of its group.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    except PermissionError:
        # Of a group, some member may have become another user's.
        os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
