"""Virtual environments for programs that do not go together with ours: each is made once."""

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

VARIABLE = "ORCHESTRATOR_CLIENTS"
"""Names a folder that has such environments already."""

_ROOT = Path(__file__).parents[2]


def folder(name: str) -> Path:
    """Return where the environment ``name`` is, or is to be."""
    named = os.environ.get(VARIABLE)
    return (Path(named) if named else _ROOT / ".clients") / name


def is_installed(name: str) -> bool:
    """Tell whether the environment ``name`` is there, and whole."""
    return (folder(name) / ".installed").exists()


def installed(name: str, *requirements: str) -> Path:
    """Return the folder of the environment ``name``, made with ``requirements`` in it if it is not there.

    Raises:
        CalledProcessError: If they cannot be installed; pip's words are in ``stderr``.
    """
    environment = folder(name)
    environment.mkdir(parents=True, exist_ok=True)
    # Several test processes may come here at once.
    with (environment / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(name):
            sys.stderr.write(f"installing {' '.join(requirements)} into {environment}\n")
            venv.create(environment, with_pip=True)
            install = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements]
            subprocess.run(install, check=True, stderr=subprocess.PIPE, text=True)
            (environment / ".installed").touch()
    return environment
