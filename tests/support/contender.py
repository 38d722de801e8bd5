"""Processes that want to change the same endpoint of a local cloud, as programs of their own.

``race URL ENDPOINT PROCESSES ROUNDS`` lets many try at once, round by round, and prints one line of JSON a
round: who won, and what became of the others. ``hold URL ENDPOINT TTL`` begins a change, says so, waits for a
line before each step and says when it is taken, and ends with the exit code of what came of it.
"""

import json
import multiprocessing
import sys
import time
from dataclasses import dataclass, replace
from multiprocessing.synchronize import Barrier, Event
from typing import TYPE_CHECKING

from orchestrator.adapters.clock import SystemClock
from orchestrator.adapters.journal import S3Journal
from orchestrator.adapters.processes import LocalProcesses
from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core import journal, names
from orchestrator.core.errors import ConflictError, OrchestratorError
from orchestrator.core.resources import State
from orchestrator.core.steps import DeleteModel
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge, Patience
from orchestrator.usecases.holding import hold
from orchestrator.usecases.recording import Recorder
from tests.support.clouds import BUCKET
from tests.support.edges import made_clients
from tests.support.fakes import fake_edge

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

PATIENCE_SECONDS = 120.0
STEPS = (DeleteModel("first"), DeleteModel("second"), DeleteModel("third"))


def store_at(url: str) -> S3Store:
    """Return the bucket of a local cloud."""
    return S3Store(made_clients(url, SystemClock()), BUCKET)


def edge(store: S3Store, endpoint: str, ttl_seconds: float) -> Edge:
    """Return an edge whose bucket, clock and processes are real."""
    return replace(
        fake_edge(endpoint).edge(),
        store=store,
        journal=S3Journal(store, S3Slot(store.bucket, names.head_key(endpoint)), endpoint),
        lock=S3Slot(store.bucket, names.lock_key(endpoint)),
        clock=SystemClock(),
        processes=LocalProcesses(),
        patience=Patience(lease_seconds=ttl_seconds),
    )


def change(endpoint: str) -> Change:
    """Return a change of some steps."""
    return Change(endpoint, journal.SWEEP, STEPS, State())


@dataclass(frozen=True)
class Ring:
    """What the processes of a race share.

    Attributes:
        begin: Where all wait for each other before a round.
        told: How each fared: the exit code, the seconds that it took, and the error.
        losers_told: Set once all but the winner have told, so that nobody can win after the first.
    """

    begin: Barrier
    told: "Queue[tuple[int, float, str]]"
    losers_told: Event


def race(url: str, endpoint: str, processes: int, rounds: int) -> None:
    """Let ``processes`` try to change an endpoint at once, ``rounds`` times."""
    context = multiprocessing.get_context("fork")
    ring = Ring(context.Barrier(processes + 1), context.Queue(), context.Event())
    contenders = [
        context.Process(target=contend, args=(url, endpoint, ring, rounds), daemon=True)
        for _ in range(processes)
    ]
    for contender in contenders:
        contender.start()
    for _ in range(rounds):
        ring.losers_told.clear()
        ring.begin.wait(PATIENCE_SECONDS)
        told = [ring.told.get(timeout=PATIENCE_SECONDS) for _ in range(processes - 1)]
        ring.losers_told.set()
        told.append(ring.told.get(timeout=PATIENCE_SECONDS))
        print(json.dumps(told), flush=True)  # noqa: T201 - how the test is told
        ring.begin.wait(PATIENCE_SECONDS)
    for contender in contenders:
        contender.join(PATIENCE_SECONDS)


def contend(url: str, endpoint: str, ring: Ring, rounds: int) -> None:
    """Try to change the endpoint in each round."""
    store = store_at(url)
    for number in range(rounds):
        name = f"{endpoint}-{number}"
        outside = edge(store, name, ttl_seconds=90.0)
        outside.journal.entries()
        ring.begin.wait(PATIENCE_SECONDS)
        started = time.monotonic()
        try:
            change_it(name, outside, ring.losers_told)
            ring.told.put((0, time.monotonic() - started, ""))
        except ConflictError as error:
            ring.told.put((error.exit_code, time.monotonic() - started, str(error)))
        ring.begin.wait(PATIENCE_SECONDS)


def change_it(endpoint: str, outside: Edge, may_end: Event) -> None:
    """Hold the endpoint, and record a change of it that ends when it may."""
    with hold(endpoint, "a change", outside) as held:
        recorder = Recorder(change(endpoint), outside, held)
        with recorder.deployment():
            may_end.wait(PATIENCE_SECONDS)


def hold_on(url: str, endpoint: str, ttl_seconds: float) -> int:
    """Begin a change; before each step and before the end, say how many are taken and wait for a line."""
    outside = edge(store_at(url), endpoint, ttl_seconds)
    try:
        with hold(endpoint, "the first", outside) as held:
            recorder = Recorder(change(endpoint), outside, held)
            with recorder.deployment():
                _say_and_wait(0)
                for number, step in enumerate(STEPS, start=1):
                    with recorder.step(step, number):
                        pass
                    _say_and_wait(number)
    except OrchestratorError as error:
        print(error, flush=True)  # noqa: T201 - how the test is told
        return error.exit_code
    return 0


def _say_and_wait(taken: int) -> None:
    print(f"step {taken}", flush=True)  # noqa: T201 - how the test is told
    sys.stdin.readline()


def main(arguments: list[str]) -> int:
    """Do what the first of ``arguments`` says."""
    verb, url, endpoint, *numbers = arguments
    if verb == "hold":
        return hold_on(url, endpoint, float(numbers[0]))
    race(url, endpoint, int(numbers[0]), int(numbers[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
