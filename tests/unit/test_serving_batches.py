"""Which requests go together, when, and what they have to do with each other's fate."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import pytest

from orchestrator.serving.crew.batches import Batcher, Batching
from orchestrator.serving.messages import Part, QueueFullError, Request, Response, WorkerDiedError
from orchestrator.serving.ports import OnPart
from tests.support import loops

DELAY_SECONDS = 5.0
WORK_SECONDS = 60.0
MAX_BYTES = 100

Script = Callable[[Sequence[Request], OnPart], Awaitable[list[Response]]]


def echo(requests: Sequence[Request]) -> list[Response]:
    return [Response(200, request.headers, request.body) for request in requests]


async def ignored(part: Part) -> None:
    raise AssertionError(f"nobody streams: {part}")


class Workshop:
    """Turns that find as many workers as there are, which take a while and then do as the script says."""

    def __init__(self, workers: int = 1, script: Script | None = None) -> None:
        self._workers = workers
        self._turns: deque[asyncio.Future[str]] = deque()
        self._script = script
        self.batches: list[tuple[float, list[bytes]]] = []
        self.returned = 0
        self.killed = 0

    def free(self) -> str | None:
        if self._workers == 0:
            return None
        self._workers -= 1
        return "worker"

    async def take(self) -> str:
        worker = self.free()
        if worker is not None:
            return worker
        turn: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        return await turn

    async def answers(self, worker: str, requests: Sequence[Request], on_part: OnPart) -> list[Response]:
        now = asyncio.get_running_loop().time()
        self.batches.append((now, [request.body for request in requests]))
        try:
            if self._script is not None:
                return await self._script(requests, on_part)
            await asyncio.sleep(WORK_SECONDS)
            return echo(requests)
        except asyncio.CancelledError:
            self.killed += 1
            raise
        finally:
            self._offer()

    def give_back(self, worker: str) -> None:
        self.returned += 1
        self._offer()

    def _offer(self) -> None:
        while self._turns:
            turn = self._turns.popleft()
            if not turn.done():
                turn.set_result("worker")
                return
        self._workers += 1


class Counter:
    """Where requests are handed in."""

    def __init__(self, shop: Workshop, max_size: int = 3, max_waiting: int = 100) -> None:
        self.batcher: Batcher[str] = Batcher(
            shop, Batching(max_size, DELAY_SECONDS), max_waiting=max_waiting, max_bytes=MAX_BYTES
        )

    async def ask(self, body: bytes, on_part: OnPart = ignored, patience: float | None = None) -> Response:
        return await self.batcher.ask(Request((("n", body.decode()),), body, "id"), on_part, patience)

    def asking(self, *bodies: bytes) -> "list[asyncio.Task[Response]]":
        return [asyncio.create_task(self.ask(body)) for body in bodies]


async def until(seconds: float) -> None:
    await asyncio.sleep(seconds - asyncio.get_running_loop().time())


def test_a_lone_request_waits_for_others_as_long_as_it_may_and_then_goes_alone() -> None:
    async def test() -> None:
        shop = Workshop()
        response = await Counter(shop).ask(b"1")
        assert response.body == b"1"
        assert shop.batches == [(DELAY_SECONDS, [b"1"])]

    loops.run(test())


def test_a_full_batch_goes_at_once_and_each_gets_its_own_answer() -> None:
    async def test() -> None:
        shop = Workshop()
        answers = await asyncio.gather(*Counter(shop).asking(b"1", b"2", b"3"))
        assert [(answer.body, answer.headers) for answer in answers] == [
            (b"1", (("n", "1"),)),
            (b"2", (("n", "2"),)),
            (b"3", (("n", "3"),)),
        ]
        assert shop.batches == [(0.0, [b"1", b"2", b"3"])]

    loops.run(test())


def test_what_comes_within_the_delay_of_the_first_goes_with_it() -> None:
    async def test() -> None:
        shop = Workshop(workers=2)
        counter = Counter(shop)
        first = counter.asking(b"1")
        await until(4.0)
        second = counter.asking(b"2")
        await until(6.0)
        third = counter.asking(b"3")
        await asyncio.gather(*first, *second, *third)
        assert shop.batches == [(5.0, [b"1", b"2"]), (11.0, [b"3"])]

    loops.run(test())


def test_what_has_queued_while_every_worker_was_busy_goes_at_once() -> None:
    async def test() -> None:
        shop = Workshop()
        counter = Counter(shop)
        asking = counter.asking(b"1", b"2", b"3", b"4")
        await until(WORK_SECONDS - 1)
        asking += counter.asking(b"5")
        await asyncio.gather(*asking)
        assert shop.batches == [(0.0, [b"1", b"2", b"3"]), (WORK_SECONDS, [b"4", b"5"])]

    loops.run(test())


def test_batches_run_on_all_workers_at_the_same_time() -> None:
    async def test() -> None:
        shop = Workshop(workers=2)
        await asyncio.gather(*Counter(shop).asking(b"1", b"2", b"3", b"4", b"5", b"6", b"7"))
        assert shop.batches == [
            (0.0, [b"1", b"2", b"3"]),
            (0.0, [b"4", b"5", b"6"]),
            (WORK_SECONDS, [b"7"]),
        ]

    loops.run(test())


def test_a_caller_that_goes_away_harms_nobody_else() -> None:
    async def test() -> None:
        shop = Workshop()
        asking = Counter(shop).asking(b"1", b"2", b"3")
        await until(1.0)
        asking[0].cancel()
        answers = await asyncio.gather(*asking[1:])
        assert [answer.body for answer in answers] == [b"2", b"3"]
        assert shop.killed == 0

    loops.run(test())


def test_a_worker_does_not_go_on_when_every_caller_of_its_batch_has_gone() -> None:
    async def test() -> None:
        shop = Workshop()
        counter = Counter(shop)
        asking = counter.asking(b"1", b"2", b"3")
        await until(1.0)
        for task in asking:
            task.cancel()
        assert (await counter.ask(b"4")).body == b"4"
        assert shop.killed == 1

    loops.run(test())


def test_a_caller_that_goes_away_before_its_batch_is_made_is_not_in_it() -> None:
    async def test() -> None:
        shop = Workshop()
        counter = Counter(shop)
        gone, patient = counter.asking(b"1", b"2")
        await until(1.0)
        gone.cancel()
        await patient
        assert shop.batches == [(DELAY_SECONDS, [b"2"])]

    loops.run(test())


def test_a_worker_that_nobody_needs_any_more_is_given_back() -> None:
    async def test() -> None:
        shop = Workshop()
        counter = Counter(shop)
        (gone,) = counter.asking(b"1")
        await until(1.0)
        gone.cancel()
        await until(DELAY_SECONDS + 1)
        assert (shop.batches, shop.returned, len(counter.batcher)) == ([], 1, 0)

    loops.run(test())


def test_a_worker_that_dies_costs_its_whole_batch_the_answer_and_no_other() -> None:
    async def die(requests: Sequence[Request], on_part: OnPart) -> list[Response]:
        if any(request.body == b"poison" for request in requests):
            raise WorkerDiedError("it ended with SIGKILL", out_of_memory=True)
        return echo(requests)

    async def test() -> None:
        asking = Counter(Workshop(script=die)).asking(b"1", b"poison", b"3", b"4")
        results = await asyncio.gather(*asking, return_exceptions=True)
        deaths = [result for result in results if isinstance(result, WorkerDiedError)]
        assert [(str(death), death.out_of_memory) for death in deaths] == [
            ("it ended with SIGKILL", True)
        ] * 3
        assert isinstance(results[3], Response)

    loops.run(test())


def test_an_answer_that_is_too_large_costs_only_its_own_request() -> None:
    async def grow(requests: Sequence[Request], on_part: OnPart) -> list[Response]:
        return [Response(200, (), bytes(int(request.body))) for request in requests]

    async def test() -> None:
        asking = Counter(Workshop(script=grow)).asking(b"100", b"101", b"0")
        fits, large, empty = await asyncio.gather(*asking, return_exceptions=True)
        assert isinstance(fits, Response)
        assert isinstance(large, WorkerDiedError)
        assert isinstance(empty, Response)

    loops.run(test())


def test_a_full_queue_refuses_but_not_what_a_free_worker_is_about_to_take() -> None:
    async def test() -> None:
        counter = Counter(Workshop(), max_size=3, max_waiting=1)
        asking = counter.asking(b"1", b"2", b"3", b"4", b"5")
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(result, QueueFullError) for result in results] == [False] * 4 + [True]

    loops.run(test())


def test_who_waits_too_long_for_a_worker_is_told_so() -> None:
    async def test() -> None:
        shop = Workshop()
        counter = Counter(shop, max_size=1)
        busy = counter.asking(b"1")
        await until(1.0)
        with pytest.raises(TimeoutError):
            await counter.ask(b"2", patience=10.0)
        assert asyncio.get_running_loop().time() == 11.0
        await asyncio.gather(*busy)
        assert (await counter.ask(b"3")).body == b"3"

    loops.run(test())


def test_each_part_of_a_streamed_answer_reaches_its_own_caller_and_a_slow_one_holds_up_nobody() -> None:
    async def stream(requests: Sequence[Request], on_part: OnPart) -> list[Response]:
        for number in range(3):
            for index, request in enumerate(requests):
                await on_part(Part(index, 200, (), request.body + str(number).encode()))
        return echo(requests)

    async def test() -> None:
        heard: dict[str, list[bytes]] = {"a": [], "b": []}

        async def quick(part: Part) -> None:
            heard["a"].append(part.body)

        async def slow(part: Part) -> None:
            await asyncio.sleep(100)
            heard["b"].append(part.body)

        counter = Counter(Workshop(script=stream), max_size=2)
        first = asyncio.create_task(counter.ask(b"a", quick))
        second = asyncio.create_task(counter.ask(b"b", slow))
        assert (await first).body == b"a"
        assert asyncio.get_running_loop().time() == 0.0
        assert (await second).body == b"b"
        assert heard == {"a": [b"a0", b"a1", b"a2"], "b": [b"b0", b"b1", b"b2"]}

    loops.run(test())


def test_the_end_is_told_to_everybody_who_waits() -> None:
    async def test() -> None:
        counter = Counter(Workshop(), max_size=1)
        asking = counter.asking(b"1", b"2")
        await until(1.0)
        await counter.batcher.close()
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert [isinstance(result, WorkerDiedError) for result in results] == [True, True]

    loops.run(test())
