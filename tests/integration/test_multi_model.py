"""Several models with real worker processes, which are forks of one spawner."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.serving.catalogue.models import Models
from orchestrator.serving.contract import Contract, worker_environment
from orchestrator.serving.crew.pool import Pool, Site, running
from orchestrator.serving.crew.spawning import Origin, spawning
from orchestrator.serving.messages import Assignment, Response
from tests.support.catalogues import CONTRACT, Deaf, invoked, send
from tests.support.entrypoints_samples import COMMANDED, write
from tests.support.servers import Gate, has_ended

NAMED = """
import json
def model_fn(model_dir):
    return None
def input_fn(body, content_type):
    return body
def predict_fn(body, model, context):
    return {"name": context.model_name, "body": body}
def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""
RAISES = "def model_fn(model_dir):\n    raise {}\n"
KILLED = "import os\ndef model_fn(model_dir):\n    os.kill(os.getpid(), 9)\n"
EXITS = "import os\ndef model_fn(model_dir):\n    os._exit(3)\n"
JSON = {"Content-Type": "application/json"}


class Stage:
    """Several models, and what a client does with them."""

    def __init__(self, models: Models) -> None:
        self.models = models

    async def load(self, name: str, url: str) -> Response:
        body = json.dumps({"model_name": name, "url": url}).encode()
        answer = await send(self.models, "POST", "/models", body, JSON)
        assert answer is not None
        return answer

    async def invoke(self, name: str, body: bytes = b"1") -> Response:
        answer = await send(self.models, "POST", f"/models/{name}/invoke", body, JSON)
        assert answer is not None
        return answer

    async def unload(self, name: str) -> int:
        answer = await send(self.models, "DELETE", f"/models/{name}")
        assert answer is not None
        return answer.status

    async def listed(self) -> list[Any]:
        answer = await send(self.models, "GET", "/models")
        assert answer is not None
        models = json.loads(answer.body)["models"]
        assert isinstance(models, list)
        return models

    def pids(self) -> list[int]:
        return [state.pid for state in self.models.look().workers if state.pid is not None]


@contextlib.asynccontextmanager
async def stage(base: Path, contract: Contract = CONTRACT) -> AsyncIterator[Stage]:
    """Open a server's models on folders in ``base``."""
    observer = Deaf()

    @contextlib.asynccontextmanager
    async def start(name: str, folder: Path) -> AsyncIterator[Pool]:
        place = str(folder)
        assignment = Assignment(place, place, place, "predict", name=name, multi_model=True)
        async with running(Site(assignment), contract, spawner, observer) as pool:
            yield pool

    environment = worker_environment(dict(os.environ), contract, cores=1)
    async with (
        spawning(Origin(environment)) as spawner,
        Models(start, contract, observer, base=base) as models,
    ):
        yield Stage(models)


def test_each_model_answers_under_its_own_name_and_ends_with_its_workers(tmp_path: Path) -> None:
    write(tmp_path / "m", NAMED)

    async def play() -> None:
        async with stage(tmp_path) as scene:
            for name in ("a", "b"):
                assert (await scene.load(name, "m")).status == 200
            for name in ("a", "b"):
                assert json.loads((await scene.invoke(name, b"7")).body) == {"name": name, "body": "7"}
            by_query = await invoked(scene.models, "/invocations?model_name=b", b"8", JSON)
            assert json.loads(by_query.body) == {"name": "b", "body": "8"}
            (first, second) = scene.pids()
            assert await scene.unload("a") == 200
            assert has_ended(first)
            assert (await scene.invoke("a")).status == 404
            assert (await scene.invoke("b")).status == 200
        assert has_ended(second)

    asyncio.run(play())


def test_a_model_that_does_not_load_says_whether_memory_was_short(tmp_path: Path) -> None:
    sources = {
        "raises": (RAISES.format("ValueError('broken')"), 500),
        "no-memory": (RAISES.format("MemoryError('no room')"), 507),
        "killed": (KILLED, 507),
        "exits": (EXITS, 500),
    }
    for name, (source, _) in sources.items():
        write(tmp_path / name, source)

    async def play() -> None:
        async with stage(tmp_path) as scene:
            answers = await asyncio.gather(*(scene.load(name, name) for name in sources))
            statuses = {name: answer.status for name, answer in zip(sources, answers, strict=True)}
            assert statuses == {name: status for name, (_, status) in sources.items()}
            assert "ValueError: broken" in answers[0].trace
            assert await scene.listed() == []
            assert scene.pids() == []

    asyncio.run(play())


def test_fifty_models_live_beside_each_other(tmp_path: Path) -> None:
    write(tmp_path / "m", NAMED)
    names = [f"{number:02d}" for number in range(50)]

    async def play() -> None:
        async with stage(tmp_path) as scene:
            loaded = await asyncio.gather(*(scene.load(name, "m") for name in names))
            assert {answer.status for answer in loaded} == {200}
            answers = await asyncio.gather(*(scene.invoke(name) for name in names))
            assert [json.loads(answer.body)["name"] for answer in answers] == names
            assert len(await scene.listed()) == len(scene.pids()) == 50
            assert set(await asyncio.gather(*(scene.unload(name) for name in names))) == {200}
            assert scene.pids() == []

    asyncio.run(play())


def test_what_is_in_flight_too_long_gets_a_clean_error_when_its_model_is_unloaded(tmp_path: Path) -> None:
    write(tmp_path / "m", COMMANDED)
    gate = Gate(tmp_path / "gate")
    body = json.dumps(["wait", gate.path]).encode()

    async def play() -> None:
        async with stage(tmp_path, replace(CONTRACT, response_timeout_seconds=0.3)) as scene:
            assert (await scene.load("a", "m")).status == 200
            asking = [asyncio.create_task(scene.invoke("a", body)) for _ in range(3)]
            await asyncio.to_thread(gate.meet)
            assert await scene.unload("a") == 200
            for answer in await asyncio.gather(*asking):
                assert answer.status == 500
                assert json.loads(answer.body)["message"] == "Worker died."

    asyncio.run(play())
