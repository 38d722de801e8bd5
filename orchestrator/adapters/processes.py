"""The processes of this machine, as far as a lock has to know them."""

import getpass
import hashlib
import os
import re
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.lock import Process

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_PIDS = Path("/proc/self/ns/pid")
_START_FIELD = 22
"""Of ``/proc/PID/stat``: when the process was started, in ticks since the machine was (proc(5))."""


_NO_SESSION_NAME = re.compile(r"[^\w+=,.@-]", re.ASCII)
_LONGEST_SESSION_NAME = 64
"""And what may not be in it: RoleSessionName in the service model of STS."""


def session_name(environ: Mapping[str, str]) -> str:
    """Return by what name a role is taken on: what ``AWS_ROLE_SESSION_NAME`` says, or who works where.

    It is part of the caller's ARN, which journal and lock show: two people with one role stay two.
    """
    said = environ.get("AWS_ROLE_SESSION_NAME", "")
    try:
        found = said or f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):  # a container's user may have no name
        found = f"{os.getuid()}@{socket.gethostname()}"
    return _NO_SESSION_NAME.sub("-", found)[:_LONGEST_SESSION_NAME].ljust(2, "-")


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
        if is_no_process(process.pid):
            return True
        started = _started(process.pid)
        return bool(started and process.started) and started != process.started

    def nonce(self) -> str:
        """Return what nobody else has ever been given."""
        return secrets.token_hex(16)


def is_no_process(pid: int) -> bool:
    """Tell whether no process of this machine, whosever, has this id now."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False  # it is another user's, or no id at all
    return False


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
