"""Pools of real worker processes without a server in front of them."""

import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.serving.contract import Contract, Fidelity, worker_environment
from orchestrator.serving.crew.batches import Batching
from orchestrator.serving.crew.pool import Pool, Site, running
from orchestrator.serving.crew.spawning import Origin, Spawner, spawning
from orchestrator.serving.messages import Assignment, Headers, Part, Request, Response
from orchestrator.serving.ports import Answered
from tests.support.servers import PATIENCE_SECONDS

_PAUSE_SECONDS = 0.005
_IDS = itertools.count()


async def nothing(part: Part) -> None:
    raise AssertionError(f"nobody streams: {part}")


async def eventually(fact: Callable[[], bool], what: str) -> None:
    """Wait until ``fact`` holds, or fail with ``what`` was waited for."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not fact():  # noqa: ASYNC110 - what a process does sets no event of ours
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        raise AssertionError(f"waited in vain: {what}") from None


class Diary:
    """An observer that remembers what happened."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def answered(self, answer: Answered) -> None:
        raise AssertionError(f"no server is here: {answer}")

    def happened(self, event: str, **facts: object) -> None:
        self.events.append((event, facts))

    def of(self, event: str) -> list[dict[str, object]]:
        """Return the facts of every such event."""
        return [facts for name, facts in self.events if name == event]

    def pids(self) -> list[int]:
        """Return the process ids of every worker that has loaded its model, in that order."""
        return [int(str(facts["pid"])) for facts in self.of("worker-loaded")]


@dataclass
class Running:
    """A pool, and what belongs to it."""

    pool: Pool
    spawner: Spawner
    diary: Diary

    async def ask(self, body: bytes, headers: Headers = ()) -> Response:
        request = Request((("Content-Type", "application/json"), *headers), body, f"id-{next(_IDS)}")
        return await self.pool.ask(request, nothing)

    async def command(self, verb: str, argument: object = None, *headers: tuple[str, str]) -> object:
        """Have `entrypoints_samples.COMMANDED` do something, and return what it says."""
        response = await self.ask(json.dumps([verb, argument]).encode(), headers)
        assert response.status == 200, response.body
        return json.loads(response.body)

    async def loaded(self, count: int) -> None:
        """Wait until so many workers have loaded their model."""
        await eventually(lambda: len(self.diary.pids()) >= count, f"{count} loaded workers")


@dataclass(frozen=True)
class Plan:
    """What a pool is to be like; ``contract`` takes further limits."""

    workers: int = 1
    batching: Batching | None = None
    fidelity: Fidelity = Fidelity.HELPFUL
    preload: tuple[str, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    monotonic: Callable[[], float] = time.monotonic

    def contract(self) -> Contract:
        return Contract("predict.py", "application/json", self.workers, **self.limits)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def serving_from(spawner: Spawner, model_dir: Path, plan: Plan) -> AsyncIterator[Running]:
    """Start a pool of ``spawner``'s workers, and wait for nobody."""
    folder, diary = str(model_dir), Diary()
    assignment = Assignment(folder, folder, folder, "predict", fidelity=plan.fidelity)
    site = Site(assignment, plan.batching)
    async with running(site, plan.contract(), spawner, diary, monotonic=plan.monotonic) as pool:
        yield Running(pool, spawner, diary)


@contextlib.asynccontextmanager
async def pooling(model_dir: Path, plan: Plan | None = None) -> AsyncIterator[Running]:
    """Start a pool with a spawner of its own, and wait for the first worker."""
    plan = plan or Plan()
    environment = worker_environment(dict(os.environ), plan.contract(), cores=1)
    async with (
        spawning(Origin(environment, preload=plan.preload)) as spawner,
        serving_from(spawner, model_dir, plan) as started,
    ):
        await started.pool.first()
        yield started
