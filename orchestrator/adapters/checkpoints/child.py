"""The child process that loads what carries code: ``python -P -m orchestrator.adapters.checkpoints.child``.

Started by `orchestrator.adapters.checkpoints.loading` and by nothing else, for files whose code the user
has allowed. That code runs here, once, as the user, so this is no jail: it is a fresh process, without the
cloud's credentials in its environment, with limits on memory, time and files, and without a network where
the machine lets us take it away. What it leaves behind is data, which the parent takes for a stranger's.

One JSON document is the argument, one is the answer on stdout; what the file itself prints goes to stderr.
"""

import contextlib
import ctypes
import importlib
import json
import os
import resource
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # CLONE_NEWUSER and CLONE_NEWNET of linux/sched.h
_STDOUT, _STDERR = 1, 2
# What PyTorch's allocator says in a RuntimeError where Python would say MemoryError.
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory")


def main(request: Mapping[str, Any]) -> None:
    """Do what ``request`` asks for, and write the answer: ``{}``, or an ``error`` and its ``kind``."""
    isolated = _leave_network()
    with _own_stdout() as write:
        _limit(request["memory_bytes"], request["seconds"])
        sys.path.append(request["runtime"])
        warnings.simplefilter("ignore")  # old files make PyTorch talk; the developer cannot change that here
        write(json.dumps({"isolated": isolated, **_outcome(request)}))
        # The file's code may have left threads or exit handlers, which are not waited for.
        sys.stderr.flush()
    os._exit(0)


def _outcome(request: Mapping[str, Any]) -> dict[str, str]:
    # Only now: PyTorch starts threads, after which the kernel gives a process no new namespace.
    unpickling = importlib.import_module("orchestrator.adapters.checkpoints.unpickling")
    try:
        unpickling.TASKS[request["task"]](request)
    except unpickling.UnusableError as error:
        return {"kind": "unusable", "error": str(error)}
    # SystemExit, too: a file's code may call sys.exit().
    except BaseException as error:  # noqa: BLE001 - the edge of the file's code: the parent has to hear of all
        traceback.print_exc()
        text = str(error).strip().partition("\n")[0]
        return {"kind": _kind(error, text), "error": f"{type(error).__name__}: {text}"}
    return {}


def _kind(error: BaseException, text: str) -> str:
    is_memory = isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)
    return "memory" if is_memory else "failed"


@contextlib.contextmanager
def _own_stdout() -> Iterator[Any]:
    """Keep stdout for the answer: what the file's code prints must not be taken for it."""
    sys.stdout.flush()
    own = os.dup(_STDOUT)
    os.dup2(_STDERR, _STDOUT)
    with os.fdopen(own, "w", encoding="utf-8") as stream:
        yield stream.write


def _limit(memory_bytes: int, seconds: int) -> None:
    # Not RLIMIT_AS: PyTorch reserves far more addresses than it uses. RLIMIT_DATA counts what can be written.
    for kind, most in (
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, memory_bytes),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)  # noqa: PLW2901 - the lower one counts
        resource.setrlimit(kind, (most, most))


def _leave_network() -> bool:
    """Take the network away from this process, and tell whether the machine lets us.

    Before PyTorch is imported: the kernel refuses a new user namespace to a process with threads.
    """
    user, group = os.getuid(), os.getgid()
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (AttributeError, OSError):
        return False  # not Linux
    if unshare(_NEW_NETWORK) == 0:
        return True
    if unshare(_NEW_USER | _NEW_NETWORK) != 0:
        return False
    # Without a mapping the process would be 'nobody', whom libraries find no home for.
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny", "ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", "ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", "ascii")
    return True


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
