"""This machine, as far as the orchestrator depends on it: Python, packages, folders, variables."""

import contextlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path

from orchestrator.core.errors import OrchestratorError
from orchestrator.core.premises import Package, Place

_OWN = "cloud-deployment-orchestrator"


class ThisMachine:
    """The `Machine` port.

    Args:
        environ: The environment variables.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def python(self) -> str:
        """Return the version of Python that runs this."""
        return platform.python_version()

    def variables(self) -> Mapping[str, str]:
        """Return the environment variables."""
        return self._environ

    def package(self, name: str) -> Package | None:
        """Return an installed package, or ``None``; it is not imported."""
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found = importlib.metadata.metadata(name)
            return Package(str(found["Version"]), "".join(found.get_all("Requires-Python") or ()))
        return None

    def has_module(self, name: str) -> bool:
        """Tell whether a module can be imported by its name; it is not."""
        try:
            return importlib.util.find_spec(name) is not None
        except (ImportError, ValueError):
            return False

    def own(self) -> tuple[Package, tuple[str, ...]] | None:
        """Return our own package, and what it says it requires; ``None`` where it was not installed."""
        found = self.package(_OWN)
        return None if found is None else (found, tuple(importlib.metadata.requires(_OWN) or ()))

    def place(self, path: str) -> Place:
        """Look at a file or folder; nothing of it is read."""
        there = Path(path)
        # What is absent would be made in the nearest folder that is there.
        nearest = next((one for one in (there, *there.absolute().parents) if _is_there(one)), Path("/"))
        writable = os.access(nearest, os.W_OK | (os.X_OK if nearest.is_dir() else 0))
        free: int | None = None
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(nearest).free
        return Place(nearest == there, writable, _mode(there), free, not nearest.is_dir())

    def restrict(self, path: str) -> None:
        """Take from everybody else what they may do with a file or folder of ours.

        Raises:
            OrchestratorError: If it is not ours.
        """
        there = Path(path)
        try:
            there.chmod(stat.S_IMODE(there.stat().st_mode) & ~(stat.S_IRWXG | stat.S_IRWXO))
        except OSError as error:
            raise OrchestratorError(f"changing the mode of '{path}': {error.strerror}") from error


def _is_there(path: Path) -> bool:
    """Tell whether there is something; what nobody lets us see is not."""
    try:
        return path.exists()
    except OSError:
        return False


def _mode(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        return 0
    return stat.S_IMODE(found.st_mode) if found.st_uid == os.getuid() else 0
