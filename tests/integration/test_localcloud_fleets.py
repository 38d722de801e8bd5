"""Fleets whose instances are real processes: they come, share the work, die, come back and go."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from orchestrator.localcloud.faulting.faults import Fault, Kind
from orchestrator.localcloud.fleets.coldstart import ServerlessFleet
from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, LostInstanceError
from orchestrator.localcloud.fleets.fleet import FleetError, ProcessFleet, pids
from orchestrator.localcloud.fleets.launcher import Launcher
from orchestrator.localcloud.fleets.slots import Slots
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Place, Variant
from tests.support.clouds import IMAGE
from tests.support.fleets import DIE, PID, Workshop, is_alive, pid_of, soon
from tests.support.transforms import SCOPE, MemoryClients


def test_a_fleet_has_as_many_processes_as_instances_up_to_what_the_machine_bears(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model")
        fleet, seen = workshop.fleet(), list[int]()
        await fleet.resize(1)
        assert (fleet.count, len(list(pids(fleet)))) == (1, 1)
        await fleet.resize(5, lambda: seen.append(fleet.count))
        assert (fleet.count, len(list(pids(fleet)))) == (5, 2)
        assert seen[-1] == 5
        assert workshop.fetched == 1
        gone = list(pids(fleet))
        await fleet.resize(0)
        assert (fleet.count, list(pids(fleet))) == (0, [])
        assert not any(is_alive(pid) for pid in gone)
        with pytest.raises(BrokenAnswerError):
            await fleet.ask(PID, b"")
        await fleet.resize(1)
        assert (await fleet.ask((), b"again")).body == b"again"
        await fleet.stop(drain=False)
        assert not workshop.folder.exists()

    asyncio.run(scenario())


def test_requests_go_to_the_instance_that_has_the_least_to_do(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet = Workshop(tmp_path / "model").fleet()
        await fleet.resize(2)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        held = asyncio.create_task(fleet.ask((("x-amzn-sagemaker-custom-attributes", f"hold={pipe}"),), b""))
        await soon(lambda: fleet.answering == 1)
        (busy,) = [each for each in fleet.instances if each.answering]
        assert {await pid_of(fleet) for _ in range(10)} == set(pids(fleet)) - {busy.pid}
        shrinking = asyncio.create_task(fleet.resize(1))
        await soon(lambda: len(fleet.instances) == 1)
        assert fleet.instances == (busy,)
        await asyncio.to_thread(pipe.write_bytes, b"held")
        assert (await held).body == b"held"
        await shrinking
        await fleet.stop(drain=True)

    asyncio.run(scenario())


def test_an_instance_that_goes_answers_first_what_it_has(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet = Workshop(tmp_path / "model").fleet()
        await fleet.resize(1)
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        held = asyncio.create_task(fleet.ask((("x-amzn-sagemaker-custom-attributes", f"hold={pipe}"),), b""))
        await soon(lambda: fleet.answering == 1)
        shrinking = asyncio.create_task(fleet.resize(0))
        await soon(lambda: not fleet.instances)
        assert (fleet.answering, fleet.count) == (1, 0)
        await asyncio.to_thread(pipe.write_bytes, b"held")
        assert (await held).body == b"held"
        await shrinking
        await fleet.stop(drain=True)

    asyncio.run(scenario())


def test_a_killed_process_fails_its_requests_while_others_serve_and_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet = Workshop(tmp_path / "model").fleet()
        await fleet.resize(2)
        first = fleet.instances[0]
        killed = first.pid
        assert killed is not None
        with pytest.raises(BrokenAnswerError):
            await fleet.ask(DIE, b"", first.name)
        await soon(lambda: not first.is_running)
        assert {(await fleet.ask(PID, b"")).instance for _ in range(5)} == {fleet.instances[1].name}
        with pytest.raises(BrokenAnswerError):
            await fleet.ask((), b"", first.name)
        await soon(lambda: first.is_running)
        assert first.restarts == 1
        assert await pid_of(fleet, first.name) not in {killed, fleet.instances[1].pid}
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


def test_a_request_that_comes_before_anybody_has_noticed_a_death_goes_to_another_instance(
    tmp_path: Path,
) -> None:
    async def whole(fleet: ProcessFleet) -> bytes:
        return (await fleet.ask(PID, b"")).body

    async def streamed(fleet: ProcessFleet) -> bytes:
        async with fleet.stream(PID, b"") as answer:
            return b"".join([part async for part in answer.parts])

    async def scenario() -> None:
        fleet = Workshop(tmp_path / "model").fleet()
        await fleet.resize(2)
        first, other = fleet.instances
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
        with first.busy() as port:
            # Until it has ended, and without a chance for the event loop to hear of it.
            while listens(port):
                pass
        assert first.is_running
        asked = [ask(fleet) for ask in (whole, streamed) for _ in range(4)]
        assert set(await asyncio.gather(*asked)) == {str(other.pid).encode()}
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def test_a_request_for_one_instance_goes_there_or_nowhere(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet = Workshop(tmp_path / "model").fleet(routing="RANDOM")
        await fleet.resize(2)
        name = fleet.instances[0].name
        answers = [await fleet.ask(PID, b"", name) for _ in range(5)]
        assert {answer.instance for answer in answers} == {name}
        with pytest.raises(LostInstanceError):
            await fleet.ask(PID, b"", "i-0")
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def test_a_fleet_that_cannot_grow_stays_as_it_was(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model")
        fleet = workshop.fleet()
        await fleet.resize(1)
        before = list(pids(fleet))
        workshop.break_down()
        with pytest.raises(FleetError, match="there is no more"):
            await fleet.resize(2)
        assert (fleet.count, list(pids(fleet))) == (1, before)
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def test_a_fleet_that_is_given_up_while_it_comes_leaves_no_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model", fault=Fault("*", Kind.SLOW_START, 1, seconds=60))
        fleet = workshop.fleet()
        growing = asyncio.create_task(fleet.resize(2))
        await soon(lambda: len(fleet.apart) == 2 and all(each.is_running for each in fleet.apart))
        started = [each.pid for each in fleet.apart]
        growing.cancel()
        await asyncio.gather(growing, return_exceptions=True)
        await fleet.stop(drain=False)
        assert not any(pid and is_alive(pid) for pid in started)

    asyncio.run(scenario())


def test_a_container_that_crashes_a_few_times_comes_up_in_the_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model", fault=Fault("*", Kind.CRASH_LOOP, 1, crashes=1))
        fleet = workshop.fleet()
        await fleet.resize(1)
        assert sum("ends at its start" in line for line in workshop.lines) == 1
        assert (await fleet.ask((), b"up")).body == b"up"
        await fleet.stop(drain=False)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "fault",
    [Fault("*", Kind.CRASH_LOOP, 1), Fault("*", Kind.SLOW_START, 1, seconds=60)],
    ids=lambda it: it.kind,
)
def test_a_container_that_takes_longer_than_it_may_is_given_up(tmp_path: Path, fault: Fault) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model", fault=fault, start_seconds=2.0)
        fleet = workshop.fleet()
        with pytest.raises(FleetError, match="no answer within 2 s"):
            await fleet.resize(1)
        assert list(pids(fleet)) == []
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def test_no_more_containers_start_at_a_time_than_there_are_places() -> None:
    async def scenario() -> None:
        slots, present, most, done = Slots(2), 0, 0, 0

        async def start() -> None:
            nonlocal present, most, done
            async with slots.taken():
                present += 1
                most = max(most, present)
                await asyncio.sleep(0)
                present -= 1
            done += 1

        await asyncio.gather(*(start() for _ in range(20)))
        assert (most, done) == (2, 20)

    asyncio.run(scenario())


def test_a_start_that_takes_long_does_not_keep_others_waiting() -> None:
    async def scenario() -> None:
        slots, forever = Slots(1), asyncio.Event()

        async def hang() -> None:
            async with slots.taken(held_seconds=0.01):
                await forever.wait()

        hanging = asyncio.create_task(hang())
        await asyncio.sleep(0)
        for _ in range(3):
            async with slots.taken():
                assert not hanging.done()
        forever.set()
        await hanging

    asyncio.run(scenario())


class Nights:
    """Waits that end when they are told to."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def sleep(self, _: float) -> None:
        await self.over.wait()
        self.over.clear()


async def serverless(
    workshop: Workshop, nights: Nights, **config: int
) -> tuple[ServerlessFleet, ProcessFleet]:
    inner = workshop.fleet(0, {"MemorySizeInMB": 1024, "MaxConcurrency": 5, **config})
    fleet = ServerlessFleet(inner, workshop.bound, Pace(sleep=nights.sleep))
    await fleet.resize(fleet.variant.count)
    return fleet, inner


def test_a_serverless_fleet_has_no_process_until_a_request_waits_for_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop, nights = Workshop(tmp_path / "model"), Nights()
        fleet, _ = await serverless(workshop, nights)
        assert (fleet.count, workshop.made) == (0, 1)
        cold = await fleet.ask((), b"one")
        warm = await fleet.ask((), b"two")
        assert (cold.body, warm.body) == (b"one", b"two")
        assert cold.setup_us > 0
        assert (warm.setup_us, workshop.made, fleet.count) == (0, 2, 1)
        nights.over.set()
        await soon(lambda: not nights.over.is_set())
        assert fleet.count == 1
        nights.over.set()
        await soon(lambda: fleet.count == 0)
        assert (await fleet.ask((), b"three")).setup_us > 0
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def test_serverless_requests_at_a_time_get_a_process_each_as_far_as_there_are_any(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model")
        fleet, inner = await serverless(workshop, Nights(), ProvisionedConcurrency=1)
        assert fleet.count == 1
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        hold = (("x-amzn-sagemaker-custom-attributes", f"hold={pipe}"),)
        held = asyncio.create_task(fleet.ask(hold, b""))
        await soon(lambda: inner.answering == 1)
        answers: list[Answer] = await asyncio.gather(*(fleet.ask(PID, b"") for _ in range(4)))
        assert len({answer.instance for answer in answers}) <= 2
        assert (fleet.count, fleet.answering) == (2, 1)
        await asyncio.to_thread(pipe.write_bytes, b"held")
        assert (await held).setup_us == 0
        await fleet.stop(drain=True)

    asyncio.run(scenario())


def test_a_serverless_fleet_whose_container_does_not_come_up_says_so_at_its_creation(tmp_path: Path) -> None:
    async def scenario() -> None:
        workshop = Workshop(tmp_path / "model", fault=Fault("*", Kind.CRASH_LOOP, 1), start_seconds=1.0)
        with pytest.raises(FleetError):
            await serverless(workshop, Nights())

    asyncio.run(scenario())


def test_stopping_waits_for_requests_that_wait_for_a_cold_start(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet, _ = await serverless(Workshop(tmp_path / "model"), Nights())
        asked = asyncio.create_task(fleet.ask((), b"late"))
        await soon(lambda: fleet.answering == 1)
        await fleet.stop(drain=True)
        assert (await asked).body == b"late"

    asyncio.run(scenario())


def test_a_process_killed_from_outside_is_seen_and_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        fleet = Workshop(tmp_path / "model").fleet()
        await fleet.resize(1)
        (pid,) = pids(fleet)
        os.kill(pid, signal.SIGKILL)
        (instance,) = fleet.instances
        await soon(lambda: instance.restarts == 1 and instance.is_running)
        assert (await fleet.ask((), b"back")).body == b"back"
        await fleet.stop(drain=False)

    asyncio.run(scenario())


def test_a_fleet_without_a_place_for_its_artifact_does_not_come_up(tmp_path: Path) -> None:
    launcher = Launcher(MemoryClients(), (), tmp_path / "deleted", Pace())
    variant = Variant("primary", {"Image": IMAGE}, "ml.m5.large", 1, 1.0, 60.0)
    with pytest.raises(FleetError, match="No such file or directory"):
        asyncio.run(launcher.launch(Place(SCOPE, "digits"), variant))
