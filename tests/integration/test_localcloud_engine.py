"""The deployment engine with fleets that are values, and containers that are real processes."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.container import Container, ContainerError
from orchestrator.localcloud.engine import Engine
from orchestrator.localcloud.exchange import Answer, Headers
from orchestrator.localcloud.fleet import Fleet, FleetError, Place
from orchestrator.localcloud.world import Deployment, Endpoint, Scope, Variant, World, Worlds

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

    async def ask(self, headers: Headers, body: bytes) -> Answer:
        return Answer(200, (), self.variant.name.encode())

    async def stop(self, *, drain: bool) -> None:
        if drain and self.busy:
            await asyncio.Event().wait()
        self.stopped.append("drained" if drain else "dropped")


@dataclass
class FakeLauncher:
    """Starts fleets at once, but for variants whose container's image is ``broken`` or ``slow``."""

    started: list[FakeFleet] = field(default_factory=list)
    slow: asyncio.Event = field(default_factory=asyncio.Event)

    async def launch(self, place: Place, variant: Variant) -> Fleet:
        if variant.container["Image"] == "broken":
            raise FleetError("exit status 1")
        if variant.container["Image"] == "slow":
            await self.slow.wait()
        fleet = FakeFleet(variant)
        self.started.append(fleet)
        return fleet


@dataclass
class Bench:
    worlds: Worlds
    launcher: FakeLauncher
    engine: Engine

    def begin(self, config: str, *images: str, bake_seconds: int = 0) -> None:
        variants = tuple(
            Variant(f"v{number}", {"Image": image}, "ml.m5.large", 1, 1.0, 60.0)
            for number, image in enumerate(images)
        )
        policy = {"BlueGreenUpdatePolicy": {"TerminationWaitInSeconds": bake_seconds}}
        pending = Deployment(config, variants, policy, 1.0)
        world = self.worlds.at(PLACE.scope)
        serving = world.endpoints["e"].serving if "e" in world.endpoints else None
        status = EndpointStatus.UPDATING if serving else EndpointStatus.CREATING
        shown = serving.config if serving else config
        self.worlds.put(
            World(PLACE.scope, endpoints={"e": Endpoint("e", status, shown, 1.0, 1.0, serving, pending)})
        )
        self.engine.deploy(PLACE)

    async def settle(self) -> Endpoint:
        await until(lambda: self.endpoint().status.settled)
        return self.endpoint()

    def endpoint(self) -> Endpoint:
        return self.worlds.at(PLACE.scope).endpoints["e"]


def on_a_bench(scenario: Callable[[Bench], Coroutine[None, None, None]]) -> None:
    async def run() -> None:
        worlds, launcher = Worlds(), FakeLauncher()
        await scenario(Bench(worlds, launcher, Engine(worlds, launcher.launch, lambda: 2.0)))

    asyncio.run(run())


def test_old_fleets_are_drained_after_traffic_has_moved() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        assert (await bench.settle()).config == "c"
        (old,) = bench.launcher.started
        bench.begin("d", "two")
        assert bench.engine.fleets(PLACE) == (old,)
        assert (await bench.settle()).config == "d"
        await until(lambda: bool(old.stopped))
        assert old.stopped == ["drained"]
        assert bench.engine.fleets(PLACE) == (bench.launcher.started[1],)
        assert bench.launcher.started[1].stopped == []

    on_a_bench(scenario)


def test_one_broken_variant_ends_the_new_fleets_and_leaves_the_old_ones_alone() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one", "one")
        await bench.settle()
        old = bench.engine.fleets(PLACE)
        bench.begin("d", "two", "broken")
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.config) == (EndpointStatus.IN_SERVICE, "c")
        assert bench.engine.fleets(PLACE) == old
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
        assert bench.engine.fleets(PLACE) == ()

    on_a_bench(scenario)


def test_while_an_update_bakes_traffic_has_moved_and_the_old_fleet_is_alive() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        (old,) = bench.launcher.started
        bench.begin("d", "two", bake_seconds=3600)
        await until(lambda: bench.engine.fleets(PLACE) != (old,))
        assert bench.endpoint().status is EndpointStatus.UPDATING
        assert bench.endpoint().config == "c"
        assert old.stopped == []
        await bench.engine.close()
        assert old.stopped == ["dropped"]

    on_a_bench(scenario)


def test_closing_gives_up_what_is_under_way_and_ends_every_fleet() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", "slow")
        await until(lambda: len(bench.launcher.started) == 2)
        await bench.engine.close()
        assert [fleet.stopped for fleet in bench.launcher.started] == [["dropped"], ["dropped"]]
        assert bench.engine.fleets(PLACE) == ()

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
    with pytest.raises(OSError, match="No such device or address"):
        # What a pipe that nobody reads answers.
        os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)


def test_a_line_without_end_is_cut_and_not_kept_in_memory() -> None:
    lines = contained("import sys; sys.stderr.write('x' * 1_000_000 + '\\nlast\\n')")
    assert lines[-2:] == ["last", "exit status 0"]
    assert sum(map(len, lines[:-2])) == 1_000_000
    assert max(map(len, lines)) < 300_000


def test_a_program_that_is_not_there_is_an_error_of_the_container() -> None:
    async def run() -> None:
        container = Container(("/nothing/here",), {}, print)
        with pytest.raises(ContainerError, match="/nothing/here cannot be started"):
            await container.start(1)

    asyncio.run(run())
