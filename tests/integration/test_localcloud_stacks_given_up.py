"""What becomes of a stack where the local cloud itself fails."""

import asyncio
from typing import Any

from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.stacks.carrying import Carrier, Order
from orchestrator.localcloud.stacks.forms import structure
from orchestrator.localcloud.stacks.kind import Hand, Kind, Properties
from orchestrator.localcloud.stacks.marking import put, turned
from orchestrator.localcloud.stacks.working import Ground
from orchestrator.localcloud.stackworld import Made, Stack, Wanted
from orchestrator.localcloud.world import Scope, World
from orchestrator.localcloud.worlds import Worlds
from tests.support.stacks import resource, written

SCOPE = Scope("123456789012", "eu-west-1")


def test_a_stack_that_breaks_the_local_cloud_fails_and_can_be_deleted() -> None:
    def broken(_hand: Hand, _properties: Properties) -> Made:
        raise ZeroDivisionError("of ours")

    def deleted(_hand: Hand, _made: Made, _properties: Properties) -> None:
        """Delete nothing."""

    worlds = Worlds()
    body = written({"Odd": resource("Our::Own::Kind")})
    stack = turned(Stack("arn:stack", "s", "", Wanted(body), 1.0), "CREATE_IN_PROGRESS", 1.0)
    worlds.put(put(World(SCOPE), stack))
    kind = Kind("Our::Own::Kind", structure, broken, deleted)
    carrier = Carrier(Ground(worlds, _nobody, Pace(sleep=_at_once), {kind.name: kind}))

    def now() -> Stack:
        return worlds.at(SCOPE).stacks[stack.id]

    async def carried() -> None:
        carrier.create(SCOPE, stack.id, Order())
        await _all_others()
        assert now().status == "CREATE_FAILED"
        assert now().reason == "the local cloud failed: ZeroDivisionError: of ours"
        assert now().resources["Odd"].status == "CREATE_FAILED"
        worlds.put(put(worlds.at(SCOPE), turned(now(), "DELETE_IN_PROGRESS", 2.0)))
        carrier.delete(SCOPE, stack.id, frozenset(), Order())
        await _all_others()
        assert now().status == "DELETE_COMPLETE"

    asyncio.run(carried())


def _nobody(service: str, _scope: Scope) -> Any:  # noqa: ANN401 - boto3 has no types
    raise AssertionError(f"nobody asks {service}")


async def _all_others() -> None:
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})


async def _at_once(_seconds: float) -> None:
    """Wait for nothing."""
