"""Each import contract breaks on a planted violation, so none of them is empty."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLANTED = {
    "arrows point inward only": ("orchestrator/core/names.py", "import orchestrator.serving.contract"),
    "use cases and adapters do not import serving's insides": (
        "orchestrator/adapters/clock.py",
        "import orchestrator.serving.contract",
    ),
    "only wiring imports adapters": ("orchestrator/cli/render.py", "import orchestrator.adapters.clock"),
    "only adapters and localcloud know boto3": ("orchestrator/usecases/edge.py", "import boto3"),
    "only localcloud knows moto": ("orchestrator/adapters/clock.py", "import moto"),
    "core is pure: no disk, network, clock or chance": (
        "orchestrator/core/names.py",
        "import os",
    ),
    "torch is for checkpoints and entry points": (
        "orchestrator/adapters/clock.py",
        "import torch",
    ),
    "the server imports nothing that runs beside user code": (
        "orchestrator/serving/crew/line.py",
        "import orchestrator.serving.worker.handler",
    ),
    "workers import nothing of the server": (
        "orchestrator/serving/worker/turn.py",
        "import orchestrator.serving.front.wire",
    ),
    "the server's rooms build on each other in one direction": (
        "orchestrator/serving/front/wire.py",
        "import orchestrator.serving.staff",
    ),
    "orchestrator and entrypoints are independent of each other": (
        "orchestrator/adapters/clock.py",
        "import entrypoints.media",
    ),
    "the local cloud's rooms build on each other in one direction": (
        "orchestrator/localcloud/fleets/slots.py",
        "import orchestrator.localcloud.dataplane.sessions",
    ),
    "no package has a cycle": ("orchestrator/core/names.py", "import orchestrator.core.revision"),
}


def lint(folder: Path) -> str:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"]
    done = subprocess.run(
        [*command, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("orchestrator", "entrypoints"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_code_as_it_is_keeps_every_contract(checkout: Path) -> None:
    shown = lint(checkout)
    assert f"{len(PLANTED)} kept, 0 broken" in shown


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_violation_breaks_its_contract(checkout: Path, contract: str) -> None:
    file, statement = PLANTED[contract]
    path = checkout / file
    path.write_text(f"{path.read_text('utf-8')}\n\n{statement}\n", "utf-8")
    shown = lint(checkout)
    assert f"{contract} BROKEN" in " ".join(shown.split())
