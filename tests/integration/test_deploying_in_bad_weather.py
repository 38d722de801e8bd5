"""Deployments while AWS throttles, loses answers and resets connections: all arrive, or say rightly why not.

Thirty per cent of the calls are throttled, five lose their answer after they were carried out, five are reset
before. By default a few dozen deployments; ``ORCHESTRATOR_FUZZ=50`` makes it more than a thousand.
"""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator

import pytest

from orchestrator.adapters.aws import Clients
from orchestrator.core import journal
from orchestrator.core.errors import OrchestratorError
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import prepare
from orchestrator.usecases.resume import prepare_resume
from tests.support.clouds import STANDIN, TestCloud, local_cloud, order_faults
from tests.support.edges import HastyClock, edge_of, made_clients, published, wish
from tests.support.fakes import SilentProgress

DEPLOYMENTS = 24 * int(os.environ.get("ORCHESTRATOR_FUZZ", "1"))
WEATHER = (("throttle", 0.30), ("lose-answer", 0.05), ("reset", 0.05))
DIAGNOSES = {"throttled", "unreachable", "still-moving"}
ENDLESS = 10_000_000


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("weather"), STANDIN) as running:
        yield running


@contextlib.contextmanager
def storm(cloud: TestCloud) -> Iterator[None]:
    for seed, (kind, share) in enumerate(WEATHER):
        order = {"operation": "*", "kind": kind, "times": ENDLESS, "share": share, "seed": seed}
        order_faults(cloud, "POST", order)
    try:
        yield
    finally:
        order_faults(cloud, "DELETE")


class Counted:
    """Clients whose requests are counted."""

    def __init__(self, cloud: TestCloud) -> None:
        self.clock = HastyClock(haste=200.0)
        self.requests = 0
        self._made = made_clients(cloud.url, self.clock)
        self._seen: set[int] = set()

    def clients(self) -> Clients:
        def client(service: str) -> object:
            made = self._made(service)
            if id(made) not in self._seen:
                self._seen.add(id(made))
                made.meta.events.register_first("before-send", self._count)
            return made

        return client

    def edge(self, endpoint: str) -> Edge:
        return edge_of(self.clients(), endpoint, self.clock)

    def _count(self, **_: object) -> None:
        self.requests += 1


def attempt(counted: Counted, endpoint: str, mark: str) -> str:
    """Deploy the model ``mark``, and return what became of it: ``deployed``, or the error's slug."""
    edge = counted.edge(endpoint)
    try:
        found = prepare_resume(endpoint, edge, keep_revisions=5)
        if found is not None:
            deploy(found, edge, SilentProgress())
        change = prepare(wish(published(mark, endpoint, edge)), edge)
        if not change.nothing_to_do:
            deploy(change, edge, SilentProgress())
    except OrchestratorError as error:
        return error.code
    return journal.DEPLOYED


def one_life(counted: Counted, endpoint: str) -> Counter[str]:
    """Create an endpoint and update it, each until it has arrived; return what the attempts came to."""
    outcomes: Counter[str] = Counter()
    for mark in "ab":
        for _ in range(5):
            outcome = attempt(counted, endpoint, mark)
            outcomes[outcome] += 1
            if outcome == journal.DEPLOYED:
                break
        else:
            raise AssertionError(f"'{endpoint}' does not arrive: {outcomes}")
    return outcomes


def destroyed(counted: Counted, endpoint: str) -> None:
    edge = counted.edge(endpoint)
    deploy(prepare_destroy(endpoint, edge), edge, SilentProgress())


@pytest.mark.slow
def test_deployments_in_bad_weather_arrive_with_at_most_three_times_the_calls(cloud: TestCloud) -> None:
    calm = Counted(cloud)
    assert one_life(calm, "calm") == Counter({journal.DEPLOYED: 2})
    outcomes: Counter[str] = Counter()
    calls, lives = 0, DEPLOYMENTS // 2
    for number in range(lives):
        stormy = Counted(cloud)
        with storm(cloud):
            outcomes += one_life(stormy, f"storm-{number}")
        calls += stormy.requests
        destroyed(stormy, f"storm-{number}")
    assert set(outcomes) <= {journal.DEPLOYED, *DIAGNOSES}, outcomes
    assert outcomes[journal.DEPLOYED] == 2 * lives
    assert calls <= 3 * calm.requests * lives, (calls, calm.requests)
