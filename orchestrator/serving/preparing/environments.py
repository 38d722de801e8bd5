"""An environment of its own for what an archive's ``requirements.txt`` asks for.

The container runs ``pip install -r /opt/ml/model/code/requirements.txt`` with its own Python before it
serves, and exits if pip fails (``sagemaker_inference/model_server.py``). On somebody's machine that would
change an installation that is used for other things, so pip writes to a virtual environment which sees the
packages of this process behind its own: what they satisfy is not fetched again. It is kept for later starts.

Knows the disk; what pip reads and writes is `orchestrator.serving.preparing.installing`'s.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import importlib.util
import os
import shutil
import site
import stat
import sys
import time
import venv
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

from orchestrator.core.errors import ArtifactError, OrchestratorError
from orchestrator.serving.preparing import installing
from orchestrator.serving.preparing.installing import Say

UNUSED_SECONDS = 30 * 24 * 3600
"""How long an environment is kept that nobody uses; counted from its last start."""

_MARKER = "complete"
_LAYERS = "orchestrator-layers.pth"
_LOCK_POLL_SECONDS = 0.1


def default_cache(environ: Mapping[str, str]) -> Path:
    """Return where environments are kept unless somebody says otherwise.

    >>> str(default_cache({"XDG_CACHE_HOME": "/var/cache"}))
    '/var/cache/orchestrator/environments'
    """
    # XDG Base Directory Specification: relative paths are to be ignored.
    chosen = environ.get("XDG_CACHE_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    root = Path(chosen) if chosen.startswith("/") else home / ".cache"
    return root / "orchestrator" / "environments"


async def prepared(requirements: Path, cache: Path, environment: Mapping[str, str], say: Say) -> Path:
    """Return a Python that has what the file ``requirements`` asks for.

    It is this process's own where there is nothing to install. The first time, pip is run; later starts with
    the same file, the same Python and the same packages around it take the environment that is there. If this
    is cancelled, pip is ended and nothing is left.

    Args:
        requirements: The archive's ``code/requirements.txt``; it need not exist.
        cache: A folder for environments, made if need be. Those unused for `UNUSED_SECONDS` are removed.
        environment: The container's; pip takes its ``PIP_...``, but for those that name another place to
            install to.
        say: Is given each line that pip writes.

    Raises:
        RequirementsError: If pip fails.
        ArtifactError: If the file cannot be read.
        OrchestratorError: If there is no pip, or the environment cannot be written.
    """
    content = _read(requirements)
    if not installing.asks(content):
        return Path(sys.executable)
    place = cache / _digest(requirements, content, environment)
    if python := _complete(place):
        return python
    if importlib.util.find_spec("pip") is None:
        raise OrchestratorError(
            f"what '{requirements}' asks for cannot be installed: this Python has no pip",
            details=[("python", sys.executable)],
            hint=f"{sys.executable} -m ensurepip\n{installing.WITHOUT}",
        )
    try:
        async with _locked(place):
            # Whoever held the lock may have made it.
            return _complete(place) or await _made(place, requirements, environment, say)
    except OSError as error:
        raise _unwritable(place, error) from error


def _read(requirements: Path) -> bytes:
    try:
        return requirements.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ArtifactError(
            f"'{requirements}' cannot be read: {error.strerror}",
            details=[("rule", "the container exits where pip fails")],
            hint="make it a readable file, or leave it out of the archive",
        ) from error


def _digest(requirements: Path, content: bytes, environment: Mapping[str, str]) -> str:
    """Name an environment by all that decides what pip would do, as far as this machine knows it."""
    digest = hashlib.sha256()
    distributions = [path.name for layer in _layers() for path in sorted(layer.glob("*-info"))]
    told = [f"{name}={value}" for name, value in sorted(environment.items()) if name.startswith("PIP_")]
    for part in (sys.version, sys.executable, *map(str, _layers()), *distributions, *told):
        digest.update(part.encode() + b"\0")
    for text in installing.texts(requirements, content):
        digest.update(hashlib.sha256(text).digest())
        if installing.names_archive(text):
            # What it takes from there is not in the file, and may be used where it lies.
            digest.update(bytes(requirements.absolute()))
    return digest.hexdigest()[:32]


def _layers() -> list[Path]:
    """Return the folders this process's own packages are installed in."""
    users = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [path for path in map(Path, [*site.getsitepackages(), *users]) if path.is_dir()]


def _complete(place: Path) -> Path | None:
    """Return the Python of an environment that was finished, and note that it is used."""
    python, marker = _python(place), place / _MARKER
    # The Python it was made with may have been removed since.
    if not (marker.is_file() and python.exists()):
        return None
    with contextlib.suppress(OSError):
        os.utime(marker)
    return python


def _python(place: Path) -> Path:
    return place / "bin" / "python"


@contextlib.asynccontextmanager
async def _locked(place: Path) -> AsyncIterator[None]:
    """Let one process at a time make ``place``; the others wait for it."""
    with _lock_file(place) as lock:
        while not _taken(lock.fileno()):  # noqa: ASYNC110 - other processes set no event of ours
            await asyncio.sleep(_LOCK_POLL_SECONDS)
        yield


def _lock_file(place: Path) -> IO[str]:
    """Open the lock of ``place``, in a folder that is this user's own: what lies there is run.

    Raises:
        OSError: If it cannot be made, or somebody else owns it or may write there.
    """
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = place.parent.stat()
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(errno.EPERM, "others can write there")
    return place.with_suffix(".lock").open("a")


def _taken(lock: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


async def _made(place: Path, requirements: Path, environment: Mapping[str, str], say: Say) -> Path:
    """Make the environment ``place``; remove it again unless everything succeeds."""
    try:
        _begin(place)
        await installing.install(_python(place), requirements, environment, say)
        (place / _MARKER).touch()
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    _remove_unused(place.parent)
    return _python(place)


def _begin(place: Path) -> None:
    """Make an empty environment that sees this process's packages behind its own."""
    if place.exists():
        shutil.rmtree(place)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(place)
    (packages,) = place.glob("lib/python*/site-packages")
    # addsitedir, and not the paths themselves: editable installations lie in .pth files of their own.
    lines = [f"import site; site.addsitedir({str(layer)!r})\n" for layer in _layers()]
    (packages / _LAYERS).write_text("".join(lines))


def _remove_unused(cache: Path) -> None:
    """Remove the environments nobody has used for long."""
    for marker in cache.glob(f"*/{_MARKER}"):
        with contextlib.suppress(OSError):
            if time.time() - marker.stat().st_mtime > UNUSED_SECONDS:
                marker.unlink()
                shutil.rmtree(marker.parent)


def _unwritable(place: Path, error: OSError) -> OrchestratorError:
    is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return OrchestratorError(
        f"the environment '{place}' cannot be written: {error.strerror or error}",
        hint="free some space" if is_full else f"make the folder writable\n{installing.WITHOUT}",
    )
