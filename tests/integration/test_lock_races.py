"""Many processes, one endpoint: exactly one changes it, whoever is stopped for too long is refused.

``ORCHESTRATOR_FUZZ`` multiplies the rounds of the race: `make fuzz` runs some hundred.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
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
    cloud: TestCloud, record_property: Callable[[str, object], None]
) -> None:
    # Nobody waits for the winner: it holds on until all others have answered.
    with contender("race", cloud.url, "raced", PROCESSES, ROUNDS) as racing:
        assert racing.stdout is not None
        rounds = [json.loads(line) for line in racing.stdout]
    assert racing.returncode == 0
    assert len(rounds) == ROUNDS
    slowest: list[float] = []
    for number, told in enumerate(rounds):
        assert sorted(code for code, _, _ in told) == [0] + [7] * (PROCESSES - 1)
        says = f"somebody else is changing endpoint 'raced-{number}': arn:"
        assert [text for code, _, text in told if code and not text.startswith(says)] == []
        slowest.append(max(seconds for code, seconds, _ in told if code))
        attempts = journal.deployments(entries(cloud, f"raced-{number}"))
        assert [attempt.outcome for attempt in attempts] == ["swept"]
        assert holder(outside(cloud, f"raced-{number}")) is None
    middle, worst = statistics.median(slowest), max(slowest)
    record_property("slowest loser, seconds", f"median {middle:.3f}, worst {worst:.3f}")
    print(f"of {PROCESSES} processes, the slowest loser took {middle:.3f} s, at worst {worst:.3f} s")  # noqa: T201
    assert worst < LOSERS_SECONDS


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


def walked(holder: "subprocess.Popen[str]", steps: int) -> None:
    """Let a contender take so many steps; it waits then."""
    assert holder.stdin is not None
    assert holder.stdout is not None
    for number in range(steps + 1):
        if number:
            holder.stdin.write("\n")
            holder.stdin.flush()
        assert holder.stdout.readline() == f"step {number}\n"


@pytest.mark.parametrize("taken", range(len(STEPS) + 1))
def test_a_holder_that_was_stopped_for_too_long_is_refused_at_whatever_comes_next_and_writes_nothing(
    cloud: TestCloud, taken: int
) -> None:
    name = f"stopped-{taken}"
    with contender("hold", cloud.url, name, TTL_SECONDS) as first:
        walked(first, taken)
        first.send_signal(signal.SIGSTOP)
        take_over(name, cloud)
        written = entries(cloud, name)
        first.send_signal(signal.SIGCONT)
        said, _ = first.communicate("\n" * len(STEPS), timeout=60)
    assert first.returncode == 7
    assert f"we no longer hold endpoint '{name}'" in said
    assert "step " not in said
    assert entries(cloud, name) == written
    assert [attempt.outcome for attempt in journal.deployments(written)] == ["", "swept"]


def test_a_holder_that_was_killed_is_taken_over_at_once_on_its_own_machine(cloud: TestCloud) -> None:
    with contender("hold", cloud.url, "killed", 3600) as first:
        walked(first, 1)
        first.kill()
    take_over("killed", cloud)
    assert [attempt.outcome for attempt in journal.deployments(entries(cloud, "killed"))] == ["", "swept"]
