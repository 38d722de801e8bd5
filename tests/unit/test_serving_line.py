"""Who gets which worker when."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.serving.crew.line import Line
from orchestrator.serving.messages import QueueFullError, WorkerDiedError
from tests.support import loops


class Hand:
    """A worker that can die."""

    def __init__(self) -> None:
        self.is_alive = True


def run(test: Callable[[Line[Hand]], Awaitable[None]]) -> None:
    async def tested() -> None:
        await test(Line[Hand]())

    loops.run(tested())


async def waiter(line: Line[Hand], only: Hand | None = None) -> "asyncio.Task[Hand]":
    task = asyncio.create_task(line.wait(100, only))
    await asyncio.sleep(0)
    return task


def test_workers_are_handed_out_in_the_order_of_coming_and_the_dead_are_skipped() -> None:
    async def test(line: Line[Hand]) -> None:
        first, dead, third = Hand(), Hand(), Hand()
        for hand in (first, dead, third):
            line.offer(hand)
        dead.is_alive = False
        assert [line.free(), line.free(), line.free()] == [first, third, None]

    run(test)


def test_who_has_waited_longest_is_served_first() -> None:
    async def test(line: Line[Hand]) -> None:
        first, second = await waiter(line), await waiter(line)
        one, other = Hand(), Hand()
        line.offer(one)
        line.offer(other)
        assert (await first, await second) == (one, other)

    run(test)


def test_who_wants_one_worker_lets_others_pass() -> None:
    async def test(line: Line[Hand]) -> None:
        wanted, other = Hand(), Hand()
        faithful, anybody = await waiter(line, wanted), await waiter(line)
        line.offer(other)
        assert await anybody is other
        assert not faithful.done()
        line.offer(wanted)
        assert await faithful is wanted

    run(test)


def test_a_free_worker_is_given_only_to_who_wants_it() -> None:
    async def test(line: Line[Hand]) -> None:
        wanted, other = Hand(), Hand()
        line.offer(other)
        assert line.free(wanted) is None
        line.offer(wanted)
        assert line.free(wanted) is wanted
        assert line.free() is other

    run(test)


def test_who_wants_a_worker_that_has_ended_gets_another() -> None:
    async def test(line: Line[Hand]) -> None:
        wanted, other = Hand(), Hand()
        faithful = await waiter(line, wanted)
        line.offer(other)
        wanted.is_alive = False
        line.remove(wanted)
        assert await faithful is other

    run(test)


def test_the_queue_has_an_end() -> None:
    async def test(line: Line[Hand]) -> None:
        waiting = await waiter(line)
        with pytest.raises(QueueFullError):
            await line.wait(1)
        line.offer(Hand())
        await waiting

    run(test)


def test_a_worker_meant_for_somebody_who_has_gone_goes_to_the_next() -> None:
    async def test(line: Line[Hand]) -> None:
        gone, late, patient = await waiter(line), await waiter(line), await waiter(line)
        gone.cancel()
        hand = Hand()
        line.offer(hand)
        late.cancel()
        assert await patient is hand
        assert len(line) == 0
        assert gone.cancelled()
        assert late.cancelled()

    run(test)


def test_the_end_is_told_to_everybody_who_waits() -> None:
    async def test(line: Line[Hand]) -> None:
        waiting = await waiter(line)
        line.close()
        with pytest.raises(WorkerDiedError):
            await waiting

    run(test)
