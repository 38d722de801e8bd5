"""Many processes, one endpoint: exactly one changes it, whoever is stopped for too long is refused.

``ORCHESTRATOR_FUZZ`` multiplies the rounds of the race: `make fuzz` runs some hundred.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.core import journal
from orchestrator.core.errors import ConflictError
from orchestrator.core.journal import Entry
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import hold, holder
from orchestrator.usecases.recording import Recorder
from tests.support.clouds import STANDIN, TestCloud, local_cloud
from tests.support.contender import STEPS, change, edge, store_at

pytestmark = pytest.mark.slow

ROUNDS = 10 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
PROCESSES = 20
TTL_SECONDS = 1.0
LOSERS_SECONDS = 30.0
"""Against waiting for the lock, which lasts 90 s, not against a slow machine: a loser makes two calls."""

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as running:
        yield running


def contender(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.support.contender", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def outside(cloud: TestCloud, endpoint: str) -> Edge:
    return edge(store_at(cloud.url), endpoint, TTL_SECONDS)


def entries(cloud: TestCloud, endpoint: str) -> tuple[Entry, ...]:
    return outside(cloud, endpoint).journal.entries()


def test_of_twenty_processes_exactly_one_changes_the_endpoint_and_the_others_say_who_at_once_fuzz(
    cloud: TestCloud,
) -> None:
    # Nobody waits for the winner: it holds on until all others have answered.
    with contender("race", cloud.url, "raced", PROCESSES, ROUNDS) as racing:
        assert racing.stdout is not None
        rounds = [json.loads(line) for line in racing.stdout]
    assert racing.returncode == 0
    assert len(rounds) == ROUNDS
    for number, told in enumerate(rounds):
        assert sorted(code for code, _, _ in told) == [0] + [7] * (PROCESSES - 1)
        says = f"somebody else is changing endpoint 'raced-{number}': arn:"
        assert [text for code, _, text in told if code and not text.startswith(says)] == []
        assert max(seconds for code, seconds, _ in told if code) < LOSERS_SECONDS
        attempts = journal.deployments(entries(cloud, f"raced-{number}"))
        assert [attempt.outcome for attempt in attempts] == ["swept"]
        assert holder(outside(cloud, f"raced-{number}")) is None


def take_over(endpoint: str, cloud: TestCloud) -> None:
    """Change the endpoint as soon as the lock of somebody silent has run out."""
    pause = threading.Event()
    second = outside(cloud, endpoint)
    for _ in range(200):
        try:
            with hold(endpoint, "the second", second) as held:
                second.journal.entries()
                recorder = Recorder(change(endpoint), second, held)
                with recorder.deployment(), recorder.step(STEPS[0], 1):
                    pass
        except ConflictError:
            pause.wait(0.1)
        else:
            return
    raise AssertionError("the lock never ran out")


def test_a_holder_that_was_stopped_for_too_long_is_refused_at_its_next_step_and_writes_nothing(
    cloud: TestCloud,
) -> None:
    with contender("hold", cloud.url, "stopped", TTL_SECONDS) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "step 1\n"
        first.send_signal(signal.SIGSTOP)
        take_over("stopped", cloud)
        written = entries(cloud, "stopped")
        first.send_signal(signal.SIGCONT)
        said, _ = first.communicate("\n\n", timeout=60)
    assert first.returncode == 7
    assert "we no longer hold endpoint 'stopped'" in said
    assert "step 2" not in said
    assert entries(cloud, "stopped") == written
    assert [attempt.outcome for attempt in journal.deployments(written)] == ["", "swept"]


def test_a_holder_that_was_killed_is_taken_over_at_once_on_its_own_machine(cloud: TestCloud) -> None:
    with contender("hold", cloud.url, "killed", 3600) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "step 1\n"
        first.kill()
    take_over("killed", cloud)
    assert [attempt.outcome for attempt in journal.deployments(entries(cloud, "killed"))] == ["", "swept"]
