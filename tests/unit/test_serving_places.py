"""When a worker that cannot be started is tried again."""

import asyncio

from orchestrator.serving.crew.places import Place
from orchestrator.serving.crew.process import Worker
from orchestrator.serving.messages import Failed, Loaded
from orchestrator.serving.ports import Answered
from tests.support import loops


class Witness:
    """A home for one place, which also observes it."""

    def __init__(self, *, is_exact: bool) -> None:
        self.is_exact = is_exact
        self.failures: list[str] = []
        self.pauses: list[object] = []
        self.attempts: list[float] = []
        self.place = Place(1, self.start, 120.0, self, self, monotonic=self.now)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def start(self) -> Worker:
        self.attempts.append(self.now())
        raise OSError("no memory")

    def entered(self, worker: Worker, loaded: Loaded) -> None:
        raise AssertionError("no worker can be started")

    def left(self, worker: Worker) -> None:
        raise AssertionError("no worker can be started")

    def failed(self, failed: Failed) -> None:
        self.failures.append(failed.error)

    def answered(self, answer: Answered) -> None:
        raise AssertionError("no server is here")

    def happened(self, event: str, **facts: object) -> None:
        if event == "restart":
            self.pauses.append(facts["seconds"])


def test_a_worker_is_tried_again_after_longer_and_longer_pauses_for_ever() -> None:
    async def test() -> None:
        witness = Witness(is_exact=False)
        keeping = asyncio.create_task(witness.place.keep())
        await asyncio.sleep(1000)
        assert witness.pauses == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 144, 144, 144, 144, 144]
        assert len(witness.failures) == len(witness.attempts) == 16 + 1
        assert set(witness.failures) == {"no worker can be started: no memory"}
        keeping.cancel()

    loops.run(test())


def test_in_exact_fidelity_it_is_given_up_where_torchserve_would() -> None:
    async def test() -> None:
        witness = Witness(is_exact=True)
        await witness.place.keep()
        assert witness.pauses == [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
        assert witness.attempts[-1] == 376.0
        assert not witness.place.is_healthy

    loops.run(test())


def test_a_place_is_healthy_for_300_seconds_of_failing() -> None:
    async def test() -> None:
        witness = Witness(is_exact=True)
        keeping = asyncio.create_task(witness.place.keep())
        health = [witness.place.is_healthy]
        for moment in (299.5, 300.5):
            await asyncio.sleep(moment - witness.now())
            health.append(witness.place.is_healthy)
        assert health == [True, True, False]
        keeping.cancel()

    loops.run(test())


def test_a_worker_that_is_never_born_is_a_failure_too() -> None:
    class Barren(Witness):
        async def start(self) -> Worker:
            await asyncio.sleep(10_000)
            raise AssertionError("nobody has that much patience")

    async def test() -> None:
        witness = Barren(is_exact=False)
        keeping = asyncio.create_task(witness.place.keep())
        await asyncio.sleep(120.5)
        assert witness.failures == ["no worker could be started in 120 s"]
        keeping.cancel()

    loops.run(test())


def test_a_place_that_waits_says_so() -> None:
    async def test() -> None:
        witness = Witness(is_exact=False)
        states = [witness.place.state()]
        keeping = asyncio.create_task(witness.place.keep())
        await asyncio.sleep(0.5)
        states.append(witness.place.state())
        assert [state.state for state in states] == ["starting", "waiting to start"]
        assert [state.restarts for state in states] == [0, 1]
        assert [(state.number, state.pid, state.rss_bytes) for state in states] == [(1, None, 0)] * 2
        keeping.cancel()

    loops.run(test())
