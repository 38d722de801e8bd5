"""Hot reload of a folder, with real workers."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator.serving.contract import Contract, worker_environment
from orchestrator.serving.crew.pool import Pool, Site, running
from orchestrator.serving.crew.spawning import Origin, spawning
from orchestrator.serving.messages import Assignment, Part, Request
from orchestrator.serving.preparing.reload import Reloading, reloading
from tests.support.entrypoints_samples import write
from tests.support.servers import PATIENCE_SECONDS

ENTRY_POINT = """
def transform_fn(model, data, content_type, accept):
    return {answer!r}


def model_fn(model_dir):
    return None
"""


@dataclass
class Events:
    """An observer that lets go on whoever waits for a reload, successful or not."""

    heard: "asyncio.Queue[tuple[str, dict[str, object]]]"

    def answered(self, answer: object) -> None: ...

    def happened(self, event: str, **facts: object) -> None:
        if event in {"reloaded", "reload-failed"}:
            self.heard.put_nowait((event, facts))


@dataclass(frozen=True)
class Folder:
    """A model folder that is served where it lies."""

    path: Path

    def watched(self) -> Collection[Path]:
        return [self.path]

    @contextlib.contextmanager
    def built(self) -> Iterator[Path]:
        yield self.path


async def no_parts(_: Part) -> None:
    """Nothing is streamed here."""


async def answer(workers: Reloading[Path, Pool]) -> str:
    response = await workers.ask(Request((("Content-Type", "text/plain"),), b"x", "1"), no_parts)
    assert response.status == 200, response.body
    return response.body.decode()


def test_a_change_is_served_and_a_syntax_error_keeps_the_old_code(tmp_path: Path) -> None:
    contract = Contract("predict.py", "application/json", workers=1)

    async def play() -> None:
        events = Events(asyncio.Queue())
        model = write(tmp_path, ENTRY_POINT.format(answer="first"))
        origin = Origin(worker_environment({}, contract, cores=1), sys.executable)

        @contextlib.asynccontextmanager
        async def start(folder: Path) -> AsyncIterator[Pool]:
            assignment = Assignment(str(folder), str(folder), str(folder), contract.module)
            async with running(Site(assignment), contract, spawner, events) as pool:
                yield pool

        async with spawning(origin) as spawner, reloading(Folder(model), start, events) as workers:
            await workers.first()
            assert await answer(workers) == "first"
            write(tmp_path, "def transform_fn(")
            async with asyncio.timeout(PATIENCE_SECONDS):
                event, facts = await events.heard.get()
            assert event == "reload-failed"
            assert "SyntaxError" in str(facts["error"])
            assert "predict.py" in str(facts["traceback"])
            assert await answer(workers) == "first"
            write(tmp_path, ENTRY_POINT.format(answer="second"))
            async with asyncio.timeout(PATIENCE_SECONDS):
                event, facts = await events.heard.get()
            assert event == "reloaded"
            assert await answer(workers) == "second"

    asyncio.run(play())
