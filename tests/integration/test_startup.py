"""What a start costs: `--help` imports nothing heavy, and no verb of the engine imports torch."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.plain_moto import plain_moto

HEAVY = ("boto3", "botocore", "torch", "numpy", "jinja2", "pydantic", "starlette", "uvicorn", "moto")


def imported(*arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "orchestrator", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("bootstrap", "--help"), ("doctor", "--help")]
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported(*arguments) & set(HEAVY)


def test_the_list_of_imports_is_really_read() -> None:
    assert "click" in imported("--help")


LOADING = """
import importlib
import pkgutil
import sys
import orchestrator
from orchestrator import api, cli, usecases
from orchestrator.cli.main import COMMANDS, cli as program

for name in COMMANDS:
    program.get_command(None, name)
for package in (api, cli, usecases):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
for name in orchestrator.__all__:
    getattr(orchestrator, name)
assert "orchestrator.cli.deploy" in sys.modules
assert "torch" not in sys.modules, "torch was imported"
"""
PLANNING = """
import sys
from orchestrator.usecases.plan import prepare
from tests.benchmarks.deploying import bring
from tests.support.edges import HastyClock, edge_of, made_clients

clock = HastyClock()
made = made_clients(sys.argv[1], clock)
assert bring("light", edge_of(made, "light", clock)) > 0
assert bring("light", edge_of(made, "light", clock)) == 0
import orchestrator.api.wiring
assert "botocore" in sys.modules
assert "torch" not in sys.modules, "torch was imported"
"""


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with plain_moto() as url:
        yield url


@pytest.mark.parametrize(
    "programme", [LOADING, PLANNING], ids=["loading every verb", "planning and deploying"]
)
def test_no_verb_imports_torch(programme: str, moto: str) -> None:
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", programme, moto]
    done = subprocess.run(
        command, env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
