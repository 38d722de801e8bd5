"""The deployment engine while instances come and go: capacities, rolling updates, a restart."""

import asyncio
from dataclasses import replace

import pytest

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.rules.endpoints import update_weights_and_capacities
from orchestrator.localcloud.world import Content, Endpoint, World
from tests.integration.test_localcloud_engine import PLACE, Bench, FakeFleet, on_a_bench, until


def rolling(batch: int, back: int | None = None) -> Content:
    """Return a policy with one alarm that bakes 60 s after each batch."""
    policy: dict[str, object] = {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": batch},
        "WaitIntervalInSeconds": 60,
    }
    if back is not None:
        policy["RollbackMaximumBatchSize"] = {"Type": "INSTANCE_COUNT", "Value": back}
    return {
        "RollingUpdatePolicy": policy,
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "errors"}]},
    }


async def ask(bench: Bench, count: int) -> list[tuple[str, int]]:
    """Ask for ``count`` instances, and return each status and count that is seen until it has settled."""
    seen: list[tuple[str, int]] = []

    def see(_: World, after: World) -> None:
        endpoint = after.endpoints["e"]
        assert endpoint.serving is not None
        now = (str(endpoint.status), endpoint.serving.variants[0].count)
        if not seen or seen[-1] != now:
            seen.append(now)

    bench.worlds.subscribe(see)
    change = {"VariantName": "v0", "DesiredInstanceCount": count, "DesiredWeight": 2.0}
    request = {"EndpointName": "e", "DesiredWeightsAndCapacities": [change]}
    world = bench.worlds.at(PLACE.scope)
    bench.worlds.put(update_weights_and_capacities(world, request, bench.time.now).world)
    bench.engine.reshape(PLACE)
    await until(lambda: bench.endpoint().status.settled)
    return seen


def test_the_current_count_follows_the_instances_as_they_come_and_go() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        assert await ask(bench, 6) == [
            ("Updating", 4),
            ("Updating", 5),
            ("Updating", 6),
            ("InService", 6),
        ]
        (fleet,) = bench.launcher.started
        assert fleet.count == 6
        assert [count for _, count in await ask(bench, 1)] == [6, 5, 4, 3, 2, 1, 1]
        assert fleet.sizes == [6, 1]
        assert fleet.stopped == []

    on_a_bench(scenario)


def test_a_capacity_that_does_not_come_is_rolled_back_with_the_weights() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        (fleet,) = bench.launcher.started
        fleet.exhausted = True
        seen = await ask(bench, 6)
        assert seen == [("Updating", 4), ("RollingBack", 4), ("InService", 4)]
        serving = bench.endpoint().serving
        assert serving is not None
        assert [(variant.count, variant.weight) for variant in serving.variants] == [(4, 1.0)]
        traffic = bench.engine.traffic(PLACE)
        assert traffic is not None
        assert traffic.shares[0].variant.weight == 1.0

    on_a_bench(scenario)


def sizes(bench: Bench) -> list[list[int]]:
    return [fleet.sizes for fleet in bench.launcher.started]


@pytest.mark.parametrize(("batch", "new", "old"), [(1, [2, 3, 4], [3, 2, 1, 0]), (2, [4], [2, 0])])
def test_a_rolling_update_starts_and_ends_instances_batch_by_batch(
    batch: int, new: list[int], old: list[int]
) -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", policy=rolling(batch))
        assert (await bench.settle()).config == "d"
        assert bench.launcher.started[1].variant.count == batch
        assert sizes(bench) == [old, new]
        assert bench.time.now == 1 + 60 * 4 / batch
        await until(lambda: bool(bench.launcher.started[0].stopped))

    on_a_bench(scenario)


@pytest.mark.parametrize(
    ("back", "old", "new"), [(None, [3, 2, 4], [2, 3, 0]), (1, [3, 2, 3, 4], [2, 3, 2, 1, 0])]
)
def test_a_rolling_update_goes_back_in_batches_too(back: int | None, old: list[int], new: list[int]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.alarms.at = 150.0
        bench.begin("d", "two", policy=rolling(1, back))
        endpoint = await bench.settle()
        assert (endpoint.status, endpoint.config) == (EndpointStatus.IN_SERVICE, "c")
        assert sizes(bench) == [old, new]
        assert bench.fleets() == (bench.launcher.started[0],)
        await until(lambda: bool(bench.launcher.started[1].stopped))
        assert bench.launcher.started[0].stopped == []

    on_a_bench(scenario)


def test_traffic_never_has_a_larger_share_than_the_instances_that_are_there() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", policy=rolling(1))
        seen: set[tuple[float, int, int]] = set()
        while bench.endpoint().pending is not None:
            if len(bench.launcher.started) == 2:
                old, new = bench.launcher.started
                seen.add((share_of(bench, new), old.count, new.count))
            await asyncio.sleep(0)
        for portion, kept, there in seen:
            assert portion * 4 <= there
            assert (1 - portion) * 4 <= kept
        assert {portion for portion, _, _ in seen} >= {0.25, 0.5, 0.75, 1.0}

    on_a_bench(scenario)


def share_of(bench: Bench, fleet: FakeFleet) -> float:
    traffic = bench.engine.traffic(PLACE)
    shares = traffic.shares if traffic else ()
    return sum(share.portion for share in shares if share.fleet is fleet)


def test_a_batch_that_does_not_come_up_takes_the_rolling_update_back() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.begin("d", "two", policy=rolling(1))
        await until(lambda: len(bench.launcher.started) == 2)
        bench.launcher.started[1].exhausted = True
        assert (await bench.settle()).config == "c"
        assert bench.launcher.started[0].count == 4

    on_a_bench(scenario)


def test_old_instances_that_do_not_come_back_leave_a_mix() -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        bench.alarms.at = 150.0
        bench.launcher.started[0].exhausted = True
        bench.begin("d", "two", policy=rolling(1))
        assert (await bench.settle()).status is EndpointStatus.UPDATE_ROLLBACK_FAILED
        assert len(bench.fleets()) == 2

    on_a_bench(scenario)


@pytest.mark.parametrize(
    ("image", "status", "fleets"),
    [("one", EndpointStatus.IN_SERVICE, 1), ("broken", EndpointStatus.FAILED, 0)],
)
def test_after_a_restart_an_endpoint_serves_again_or_has_failed(
    image: str, status: EndpointStatus, fleets: int
) -> None:
    async def scenario(bench: Bench) -> None:
        bench.begin("c", "one")
        await bench.settle()
        await bench.engine.close()
        again = Bench(bench.worlds, bench.launcher, bench.time, bench.alarms, bench.fresh())
        world = bench.worlds.at(PLACE.scope)
        bench.worlds.put(world.with_endpoint(restarted(bench.endpoint(), image)))
        again.engine.revive(PLACE)
        await until(lambda: again.endpoint().status.settled)
        assert again.endpoint().status is status
        assert len(again.fleets()) == fleets
        await again.engine.close()

    on_a_bench(scenario)


def restarted(endpoint: Endpoint, image: str) -> Endpoint:
    """Return an endpoint as it is found after a restart."""
    assert endpoint.serving is not None
    variants = tuple(replace(each, container={"Image": image}) for each in endpoint.serving.variants)
    serving = replace(endpoint.serving, variants=variants)
    return replace(endpoint, status=EndpointStatus.SYSTEM_UPDATING, serving=serving)
