"""The processes of this machine, as far as a lock has to know them."""

import hashlib
import os
import secrets
import socket
from pathlib import Path

from orchestrator.core.lock import Process

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PIDS = Path("/proc/self/ns/pid")
_START_FIELD = 22
"""Of ``/proc/PID/stat``: when the process was started, in ticks since the machine was (proc(5))."""


class LocalProcesses:
    """The `Processes` port on Linux. Where ``/proc`` says nothing, no process is ever taken for gone."""

    def ours(self) -> Process:
        """Return our own process."""
        pid = os.getpid()
        return Process(socket.gethostname(), _machine(), pid, _started(pid))

    def is_gone(self, process: Process) -> bool:
        """Tell whether it ran on this machine and certainly does not any more."""
        if not process.machine or process.machine != _machine() or process.pid <= 0:
            return False
        try:
            os.kill(process.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False  # it is another user's
        started = _started(process.pid)
        return bool(started and process.started) and started != process.started

    def nonce(self) -> str:
        """Return what nobody else has ever been given."""
        return secrets.token_hex(16)


def _machine() -> str:
    """Return what tells this boot of this machine, and this space of process ids, from all others.

    The host's name does not: containers often share one, and their processes do not see each other.
    """
    try:
        place = f"{_BOOT.read_text().strip()} {_PIDS.readlink()}"
    except OSError:
        return ""
    return hashlib.sha256(place.encode()).hexdigest()[:16]


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field is the program's name in brackets, and may hold anything.
    return fields.rpartition(")")[2].split()[_START_FIELD - 3]
