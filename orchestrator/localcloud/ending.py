"""How the process of a local cloud is found that does not answer, and how it is ended."""

import contextlib
import os
import select
import signal
from pathlib import Path

_LOCKS = Path("/proc/locks")
_PROC = Path("/proc")
_PROGRAM = b"orchestrator.localcloud"


def holder(lock: Path) -> int | None:
    """Return the local cloud that holds ``lock``, as Linux tells it (proc(5), locks), or ``None``."""
    with contextlib.suppress(OSError, ValueError):
        file = str(lock.stat().st_ino)
        for line in _LOCKS.read_text().splitlines():
            # 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF
            fields = line.split()
            if fields[1:2] != ["FLOCK"] or fields[5].rpartition(":")[2] != file:
                continue
            if _PROGRAM in (_PROC / fields[4] / "cmdline").read_bytes():
                return int(fields[4])
    return None


def end(pid: int, patience_seconds: float) -> bool:
    """End a process, whoever its parent is; tell whether it did so by itself, and was not killed."""
    is_own = True
    with contextlib.suppress(ProcessLookupError):
        process = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGTERM)
            if not select.select([process], [], [], patience_seconds)[0]:
                is_own = False
                os.kill(pid, signal.SIGKILL)
                select.select([process], [], [], patience_seconds)
        finally:
            os.close(process)
    reap(pid)
    return is_own


def reap(pid: int) -> bool:
    """Tell whether our child ``pid`` has ended, and let it go; a child of somebody else is not ours."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False
