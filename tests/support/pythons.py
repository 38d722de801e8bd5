"""Other interpreters on this machine, for what has to be so with more than one version of Python."""

import functools
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

INTERPRETERS = "ORCHESTRATOR_TEST_PYTHONS"
"""The variable that may name a folder of interpreters, laid out like pyenv's ``versions``."""

Version = tuple[int, int]
_MINORS = range(10, 16)
_TELL = "import sys; print(*sys.version_info[:2])"


@functools.cache
def pythons() -> Mapping[Version, str]:
    """Return an interpreter of each version, by its major and minor number.

    They are looked for in the folder that ``$ORCHESTRATOR_TEST_PYTHONS`` names, in pyenv's, and on the path.
    """
    versions: dict[Version, str] = {}
    for python in _candidates():
        # A name on the path may be that of a version manager, which has no such Python after all.
        told = subprocess.run([python, "-c", _TELL], check=False, capture_output=True, text=True)
        numbers = told.stdout.split()
        if told.returncode == 0 and len(numbers) == 2:
            versions.setdefault((int(numbers[0]), int(numbers[1])), python)
    return MappingProxyType(versions)


def _candidates() -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    named = os.environ.get(INTERPRETERS)
    for folder in ([Path(named)] if named else []) + [pyenv]:
        yield from map(str, sorted(folder.glob("*/bin/python3")))
    found = (shutil.which(f"python3.{minor}") for minor in _MINORS)
    yield from (python for python in found if python)
