"""What a container leaves behind: processes that left its session are found by a variable, and killed.

A container ends with all of its processes. Here model code may start one in a session of its own, which no
signal to the container's session reaches, and which would keep its pipes open.
"""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

VARIABLE = "ORCHESTRATOR_CONTAINER"
"""Says in the environment of every process of a container, whose it is."""

_PROC = Path("/proc")
# One that was just being started while we looked is found by the next look.
_LOOKS = 3
_REAPING_SECONDS = 0.01


async def exited(process: asyncio.subprocess.Process) -> int:
    """Return the exit status as soon as a process has ended.

    Its `wait` returns only once its pipes are closed as well, which one that it has left may hold open.
    """
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        loop.add_reader(descriptor, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    while process.returncode is None:  # noqa: ASYNC110 - asyncio says it to none but `wait`
        await asyncio.sleep(_REAPING_SECONDS)
    return process.returncode


def kill_leftovers(mark: str) -> None:
    """Kill every process whose environment has `VARIABLE` as ``mark``, on Linux (proc(5), environ)."""
    sought = b"\0" + f"{VARIABLE}={mark}".encode() + b"\0"
    for _ in range(_LOOKS):
        if not sum(_killed(entry, sought) for entry in _PROC.glob("[0-9]*")):
            return


def _killed(entry: Path, sought: bytes) -> bool:
    """Kill the process of ``entry`` if it is one that is sought; ids are used again, descriptors are not."""
    with contextlib.suppress(OSError):
        process = os.pidfd_open(int(entry.name))
        try:
            if sought in b"\0" + (entry / "environ").read_bytes():
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return True
        finally:
            os.close(process)
    return False
