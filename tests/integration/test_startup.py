"""What a start costs: `orchestrator --help` imports nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("boto3", "botocore", "torch", "numpy", "jinja2", "pydantic", "starlette", "uvicorn", "moto")


def imported(*arguments: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-m", "orchestrator", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert not imported(*arguments) & set(HEAVY)


def test_the_list_of_imports_is_really_read() -> None:
    assert "click" in imported("--help")
