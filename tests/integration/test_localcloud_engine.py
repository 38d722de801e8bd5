"""The deployment engine with fleets that are values, and containers that are real processes."""

import asyncio
import errno
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.deploying.engine import Engine
from orchestrator.localcloud.faulting.faults import Fault, Kind
from orchestrator.localcloud.fleets.container import Container, ContainerError
from orchestrator.localcloud.fleets.exchange import Answer, Headers, Streamed
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.world import Content, Deployment, Endpoint, Place, Scope, Variant
from orchestrator.localcloud.worlds import Worlds

PLACE = Place(Scope("123456789012", "eu-west-1"), "e")


async def until(fact: Callable[[], bool]) -> None:
    """Let the others run until ``fact`` holds; none of them waits for anything but the loop."""
    for _ in range(1000):
        if fact():
            return
        await asyncio.sleep(0)
    pytest.fail("it never came to hold")


@dataclass(eq=False)
class FakeFleet:
    variant: Variant
    stopped: list[str] = field(default_factory=list)
    busy: bool = False
    count: int = 0
    sizes: list[int] = field(default_factory=list)
    instances: tuple[Instance, ...] = ()
    exhausted: bool = False

    def __post_init__(self) -> None:
        self.count = self.variant.count

    @property
    def answering(self) -> int:
        return int(self.busy)

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        return Answer(200, (), self.variant.name.encode())

    def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AbstractAsyncContextManager[Streamed]:
        raise NotImplementedError

    async def look(self, path: str) -> Answer:
        raise NotImplementedError

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        """Become larger or smaller one by one."""
        while self.count != count:
            await asyncio.sleep(0)
            if self.exhausted and count > self.count:
                raise FleetError("there is no more")
            self.count += 1 if count > self.count else -1
            changed()
        self.sizes.append(count)

    async def stop(self, *, drain: bool) -> None:
        if drain and self.busy:
            await asyncio.Event().wait()
        self.stopped.append("drained" if drain else "dropped")


@dataclass
class FakeLauncher:
    """Starts fleets at once, but for variants whose container's image is ``broken``, ``full`` or ``slow``."""

    started: list[FakeFleet] = field(default_factory=list)
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    async def launch(self, place: Place, variant: Variant, *, fault: Fault | None = None) -> Fleet:
        if variant.container["Image"] == "broken":
            raise FleetError("exit status 1")
        if variant.container["Image"] == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if variant.container["Image"] == "slow":
            await self.slow.wait()
        fleet = FakeFleet(variant)
        self.started.append(fleet)
        return fleet


@dataclass
class FakeTime:
    """A clock that stands still but for those who sleep by it; nobody wakes while it is stopped."""

    now: float = 1.0
    going: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.going.set()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await self.going.wait()
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class FakeAlarms:
    """Alarms that fire once the clock has come to a moment."""

    time: FakeTime
    at: float = float("inf")
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def firing(self, scope: Scope, names: Sequence[str]) -> str | None:
        self.asked.append(tuple(names))
        return names[0] if names and self.time.now >= self.at else None


@dataclass
class Bench:
    worlds: Worlds
    launcher: FakeLauncher
    time: FakeTime
    alarms: FakeAlarms
    engine: Engine
    seen: list[str] = field(default_factory=list)

    def begin(
        self, config: str, *images: str, policy: Content | None = None, fault: Fault | None = None
    ) -> None:
        variants = tuple(
            Variant(f"v{number}", {"Image": image}, "ml.m5.large", 4, 1.0, 60.0)
            for number, image in enumerate(images)
        )
        pending = Deployment(config, variants, policy, self.time.now)
        world = self.worlds.at(PLACE.scope)
        before = world.endpoints.get("e", Endpoint("e", EndpointStatus.CREATING, config, 1.0, 1.0))
        status = EndpointStatus.UPDATING if before.serving else EndpointStatus.CREATING
        self.worlds.put(world.with_endpoint(replace(before, status=status, pending=pending)))
        self.engine.deploy(PLACE, fault)

    async def settle(self) -> Endpoint:
        """Wait until the endpoint has settled; keep what it has said of its stages."""
        for _ in range(100_000):
            pending = self.endpoint().pending
            if pending is None:
                return self.endpoint()
            for stage in pending.stages.values():
                if not self.seen or self.seen[-1] != stage.message:
                    self.seen.append(stage.message)
            await asyncio.sleep(0)
        pytest.fail("it never settled")

    def fresh(self) -> Engine:
        """Return another engine, as after a restart."""
        return Engine(
            self.worlds, self.launcher.launch, self.alarms.firing, Pace(self.time.clock, self.time.sleep)
        )

    def endpoint(self) -> Endpoint:
        return self.worlds.at(PLACE.scope).endpoints["e"]

    def fleets(self) -> tuple[Fleet, ...]:
        traffic = self.engine.traffic(PLACE)
        return traffic.fleets if traffic else ()


def on_a_bench(scenario: Callable[[Bench], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        worlds, launcher, time = Worlds(), FakeLauncher(), FakeTime()
        alarms = FakeAlarms(time)
        engine = Engine(worlds, launcher.launch, alarms.firing, Pace(time.clock, time.sleep))
        await scenario(Bench(worlds, launcher, time, alarms, engine))

    asyncio.run(run())


def test_old_fleets_are_drained_after_traffic_has_moved() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        assert (await bench.settle()).config == "c"
        (old,) = bench.launcher.started
        bench.begin("d", "two")
        assert bench.fleets() == (old,)
        assert (await bench.settle()).config == "d"
        await until(lambda: bool(old.stopped))
        assert old.stopped == ["drained"]
        assert bench.fleets() == (bench.launcher.started[1],)
        assert bench.launcher.started[1].stopped == []

    on_a_bench(scenario)


def test_one_broken_variant_ends_the_new_fleets_and_leaves_the_old_ones_alone() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one", "one")
        await bench.settle()
        old = bench.fleets()
        bench.begin("d", "two", "broken")
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.config) == (EndpointStatus.IN_SERVICE, "c")
        assert bench.fleets() == old
        assert [fleet.stopped for fleet in bench.launcher.started] == [[], [], ["dropped"]]

    on_a_bench(scenario)


def test_a_failed_creation_names_the_variant() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one", "broken")
        endpoint = await bench.settle()
        assert endpoint.status is EndpointStatus.FAILED
        assert endpoint.failure_reason == (
            "The primary container for production variant v1 did not pass the ping health check. "
            "Please check CloudWatch logs for this endpoint."
        )
        assert bench.fleets() == ()

    on_a_bench(scenario)


def blue_green(final: int = 30, **routing: object) -> Content:
    """Return a policy with one alarm that takes at most 1000 s."""
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {"WaitIntervalInSeconds": 60, **routing},
            "TerminationWaitInSeconds": final,
            "MaximumExecutionTimeoutInSeconds": 1000,
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }


CANARY = blue_green(Type="CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1})


def test_while_an_update_bakes_both_fleets_have_their_share() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        (old,) = bench.launcher.started
        bench.time.going.clear()
        bench.begin("d", "two", policy=CANARY)
        await until(lambda: len(bench.fleets()) == 2)
        traffic = bench.engine.traffic(PLACE)
        assert traffic is not None
        shares = [(share.deployment.config, share.portion) for share in traffic.shares]
        assert shares == [("c", 0.75), ("d", 0.25)]
        assert bench.endpoint().status is EndpointStatus.UPDATING
        assert bench.endpoint().config == "c"
        assert old.stopped == []
        await bench.engine.close()
        assert old.stopped == ["dropped"]

    on_a_bench(scenario)


def test_a_canary_goes_through_its_stages_and_bakes_as_long_as_was_asked_for() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        began = bench.time.now
        bench.begin("d", "two", policy=CANARY)
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.config) == (EndpointStatus.IN_SERVICE, "d")
        assert bench.time.now - began == 90
        words = "Baking for 60 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 "
        assert f"{words}instance(s)." in bench.seen
        assert set(bench.alarms.asked) == {("errors",)}

    on_a_bench(scenario)


@pytest.mark.parametrize("moment", [1.0, 30.0, 61.0, 80.0, 91.0])
def test_an_alarm_at_any_moment_of_baking_gives_all_traffic_back_in_silence(moment: float) -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.alarms.at = moment
        bench.begin("d", "two", policy=CANARY)
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.config) == (EndpointStatus.IN_SERVICE, "c")
        assert endpoint.failure_reason == ""
        assert bench.time.now <= moment + 1
        old, new = bench.launcher.started
        assert bench.fleets() == (old,)
        await until(lambda: bool(new.stopped))
        assert (old.stopped, new.stopped) == ([], ["drained"])

    on_a_bench(scenario)


def test_an_update_that_takes_longer_than_it_may_goes_back() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", policy=blue_green(3600, Type="ALL_AT_ONCE"))
        assert (await bench.settle()).config == "c"
        assert 1000 <= bench.time.now <= 1002

    on_a_bench(scenario)


@pytest.mark.parametrize(
    ("kind", "status", "says", "fleets"),
    [
        (Kind.SILENT_ROLLBACK, EndpointStatus.IN_SERVICE, "", 1),
        (Kind.CAPACITY, EndpointStatus.IN_SERVICE, "CapacityError", 1),
        (Kind.FAIL, EndpointStatus.FAILED, "Request to service failed", 0),
        (Kind.UPDATE_ROLLBACK_FAILED, EndpointStatus.UPDATE_ROLLBACK_FAILED, "has failed", 2),
    ],
)
def test_a_fault_befalls_an_update(kind: Kind, status: EndpointStatus, says: str, fleets: int) -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", fault=Fault("UpdateEndpoint", kind, 1))
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.config) == (status, "c")
        assert says in endpoint.failure_reason
        assert bool(says) == bool(endpoint.failure_reason)
        assert len(bench.fleets()) == fleets

    on_a_bench(scenario)


@pytest.mark.parametrize(
    "kind", [Kind.FAIL, Kind.CAPACITY, Kind.SILENT_ROLLBACK, Kind.UPDATE_ROLLBACK_FAILED]
)
def test_a_fault_befalls_a_creation_which_has_nowhere_to_go_back_to(kind: Kind) -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one", fault=Fault("CreateEndpoint", kind, 1))
        endpoint = await bench.settle()
        assert endpoint.status is EndpointStatus.FAILED
        assert endpoint.failure_reason
        assert bench.fleets() == ()

    on_a_bench(scenario)


def test_after_a_rollback_that_failed_the_next_update_ends_the_mix() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", fault=Fault("UpdateEndpoint", Kind.UPDATE_ROLLBACK_FAILED, 1))
        await bench.settle()
        bench.begin("f", "broken")
        assert (await bench.settle()).status is EndpointStatus.UPDATE_ROLLBACK_FAILED
        assert len(bench.fleets()) == 2
        bench.begin("c", "three")
        assert (await bench.settle()).status is EndpointStatus.IN_SERVICE
        assert bench.fleets() == (bench.launcher.started[2],)
        await until(lambda: all(fleet.stopped for fleet in bench.launcher.started[:2]))

    on_a_bench(scenario)


def test_what_is_stuck_goes_on_once_the_fault_is_lifted() -> None:
    async def scenario(bench: Bench) -> None:
        fault = Fault("CreateEndpoint", Kind.STUCK, 1)
        bench.begin("c", "one", fault=fault)
        for _ in range(50):
            await asyncio.sleep(0)
        assert bench.endpoint().status is EndpointStatus.CREATING
        fault.lifted.set()
        assert (await bench.settle()).status is EndpointStatus.IN_SERVICE

    on_a_bench(scenario)


def test_closing_gives_up_what_is_under_way_and_ends_every_fleet() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", "slow")
        await until(lambda: len(bench.launcher.started) == 2)
        await bench.engine.close()
        assert [fleet.stopped for fleet in bench.launcher.started] == [["dropped"], ["dropped"]]
        assert bench.fleets() == ()

    on_a_bench(scenario)


def test_closing_ends_old_fleets_that_are_still_draining() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        (old,) = bench.launcher.started
        old.busy = True
        bench.begin("d", "two")
        await bench.settle()
        await bench.engine.close()
        assert old.stopped == ["dropped"]

    on_a_bench(scenario)


def test_what_breaks_for_a_reason_that_nobody_thought_of_fails_and_can_be_deleted() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "full")
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.serving) == (EndpointStatus.FAILED, None)
        assert endpoint.failure_reason.startswith("Request to service failed.")
        await until(lambda: bench.launcher.started[0].stopped == ["drained"])
        assert bench.fleets() == ()
        bench.engine.delete(PLACE)
        await until(lambda: not bench.worlds.at(PLACE.scope).endpoints)

    on_a_bench(scenario)


def contained(program: str, timeout_seconds: float = 20.0) -> list[str]:
    """Start ``program`` as a container that must not come up; return its log."""
    log: list[str] = []

    async def run() -> None:
        container = Container((sys.executable, "-c", program), {}, log.append)
        try:
            with pytest.raises(ContainerError) as caught:
                await container.start(timeout_seconds)
            log.append(str(caught.value))
        finally:
            await container.stop(0)

    asyncio.run(run())
    return log


def is_read_by_nobody(pipe: Path) -> bool:
    try:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    except OSError as error:
        return error.errno == errno.ENXIO
    return False


def test_a_container_that_ends_early_leaves_its_last_words_in_the_log() -> None:
    lines = contained("import sys; print('a\\nb', file=sys.stderr); print('no newline', end=''); sys.exit(7)")
    assert sorted(lines) == ["a", "b", "exit status 7", "no newline"]


def test_a_container_that_never_answers_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = f"import signal; reader = open({str(pipe)!r}); signal.pause()"
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}]); open({str(pipe)!r}, 'w').close()"
    said = contained(f"import subprocess, sys; {start}; print('both run', flush=True); sys.stdin.read()", 2.0)
    assert said == ["both run", "no answer within 2 s"]
    assert is_read_by_nobody(pipe)


def test_a_process_in_a_session_of_its_own_ends_with_its_container(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    child = f"import signal; reader = open({str(pipe)!r}); signal.pause()"
    start = f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)"
    said = contained(f"import subprocess, sys; {start}; open({str(pipe)!r}, 'w').close(); sys.exit(7)")
    assert said == ["exit status 7"]
    assert is_read_by_nobody(pipe)


def test_a_line_without_end_is_cut_and_not_kept_in_memory() -> None:
    lines = contained("import sys; sys.stderr.write('x' * 1_000_000 + '\\nlast\\n')")
    assert lines[-2:] == ["last", "exit status 0"]
    assert sum(map(len, lines[:-2])) == 1_000_000
    assert max(map(len, lines)) < 300_000


@pytest.mark.parametrize(
    ("program", "variables", "why"),
    [("/nothing/here", {}, "No such file"), (sys.executable, {"KEY": "a\0b"}, "embedded null byte")],
)
def test_what_cannot_be_started_is_an_error_of_the_container(
    program: str, variables: dict[str, str], why: str
) -> None:
    async def run() -> None:
        container = Container((program,), variables, print)
        with pytest.raises(ContainerError, match=f"{program} cannot be started: {why}"):
            await container.start(1)

    asyncio.run(run())
