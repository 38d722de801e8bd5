"""What the tests of this folder share: the wheel, and one environment that has nothing but it."""

import fcntl
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.installed import Installed

ROOT = Path(__file__).parents[2]
# Generous: the environment is made from scratch, torch included.
INSTALL_SECONDS = 900


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of this run, which is the same for all workers of pytest-xdist."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def wheel(shared: Path) -> Path:
    """Return the wheel; the first worker to come here builds it, and the others wait."""
    with (shared / "wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        out = shared / "wheel"
        if not any(out.glob("*.whl")):
            _build(out)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def installed(wheel: Path, shared: Path) -> Installed:
    """Return an environment with the wheel; the first worker to come here makes it, and the others wait."""
    place = shared / "installed"
    with (shared / "installed.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "orchestrator.done").exists():
            _install(wheel, place)
            (place / "orchestrator.done").touch()
    return Installed(place / "bin")


def _build(out: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
        timeout=INSTALL_SECONDS,
    )


def _install(wheel: Path, place: Path) -> None:
    # One that was given up half made is made anew.
    venv.create(place, with_pip=True, clear=True)
    # Of thousands of modules the tests import few: compiling all of them takes longer than the rest.
    pip = [str(place / "bin" / "pip"), "install", "--quiet", "--no-compile"]
    pip += ["--constraint", str(ROOT / "constraints.txt")]
    # Of a PYTHONPATH that leads to this tree pip would learn that the package is there already.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([*pip, f"{wheel}[all]"], check=True, env=environment, timeout=INSTALL_SECONDS)
    # As pip does otherwise: new projects may not get what lies beside their templates then.
    (ours,) = place.glob("lib/python*/site-packages/orchestrator")
    subprocess.run([str(place / "bin" / "python"), "-m", "compileall", "-q", str(ours)], check=True)
