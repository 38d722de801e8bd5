"""What is said of requirements that cannot be installed, and where environments are kept."""

import os
from pathlib import Path

import pytest

from orchestrator.serving.preparing.environments import default_cache
from orchestrator.serving.preparing.installing import RequirementsError

FILE = Path("/model/code/requirements.txt")


def facts(error: RequirementsError) -> list[str]:
    return [fact for label, fact in error.details if label == "pip"]


def test_the_lines_that_pip_calls_errors_are_shown() -> None:
    output = [
        "Collecting nope",
        "ERROR: No matching distribution found for nope==1",
        "[notice] a new pip",
        "",
    ]
    error = RequirementsError(FILE, output)
    assert facts(error) == ["No matching distribution found for nope==1"]
    assert error.output == tuple(output)
    assert f"'{FILE}'" in str(error)


def test_without_such_lines_the_last_are_shown() -> None:
    shown = facts(RequirementsError(FILE, [*map(str, range(100)), "  ", "[notice] a new pip"]))
    assert shown[-1] == "99"
    assert len(shown) < 10


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (f"ERROR: Could not install packages due to an OSError: [Errno 28] {os.strerror(28)}", "free some"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)': /simple/x/", "connect to"),
        ("ERROR: No matching distribution found for nope==1", "correct requirements.txt"),
    ],
)
def test_the_advice_fits_the_failure(line: str, advice: str) -> None:
    assert str(RequirementsError(FILE, [line, "ERROR: no"]).hint).startswith(advice)


def test_environments_are_kept_in_the_users_cache() -> None:
    at_home = Path("/home/u/.cache/orchestrator/environments")
    assert default_cache({"HOME": "/home/u"}) == at_home
    assert default_cache({"HOME": "/home/u", "XDG_CACHE_HOME": "relative"}) == at_home
    assert default_cache({"HOME": "/home/u", "XDG_CACHE_HOME": "/c"}) == Path("/c/orchestrator/environments")
