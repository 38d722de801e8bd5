"""Pools of worker processes: batches, sessions, and what the container does with a model that fails."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import uvloop

from orchestrator.serving.contract import Fidelity
from orchestrator.serving.crew.batches import Batching
from orchestrator.serving.messages import WorkerDiedError
from tests.support.entrypoints_samples import COMMANDED, write
from tests.support.pools import Plan, eventually, pooling

STAGES = """
def input_fn(data, content_type): return data
def predict_fn(data, model): return model
def output_fn(prediction, accept): return str(prediction)
"""

SESSIONS = """
import json, os

def model_fn(model_dir): return None
def input_fn(data, content_type): return json.loads(data)
def predict_fn(data, model): return data

def output_fn(prediction, accept, context):
    for name, value in prediction.items():
        context.set_response_header(0, name, value)
    return json.dumps(os.getpid())
"""


def test_a_batch_goes_to_one_worker_and_each_request_gets_its_own_answer(tmp_path: Path) -> None:
    source = "import os\ndef model_fn(model_dir): return os.getpid()\n"
    source += STAGES.replace("return model", "return [model, data]")

    async def test() -> None:
        plan = Plan(workers=2, batching=Batching(max_size=4, max_delay_seconds=10))
        async with pooling(write(tmp_path, source), plan) as started:
            await started.loaded(2)
            bodies = [str(number).encode() for number in range(8)]
            answers = await asyncio.gather(*map(started.ask, bodies))
            one, other = eval(answers[0].body)[0], eval(answers[4].body)[0]  # noqa: S307 - our own entry point's
            assert {one, other} == set(started.diary.pids())
            expected = [str([one if number < 4 else other, str(number)]).encode() for number in range(8)]
            assert [answer.body for answer in answers] == expected

    uvloop.run(test())


def test_a_worker_that_dies_costs_every_request_of_its_batch_the_answer(tmp_path: Path) -> None:
    async def test() -> None:
        async with pooling(
            write(tmp_path, COMMANDED), Plan(batching=Batching(max_size=3, max_delay_seconds=10))
        ) as started:
            asking = [started.command(*words) for words in (("answer",), ("exit", 3), ("answer",))]
            results = await asyncio.gather(*asking, return_exceptions=True)
            assert [str(result) for result in results] == ["it ended with exit code 3"] * 3

    uvloop.run(test())


SESSION, NEW, CLOSED = (
    f"X-Amzn-SageMaker-{name}" for name in ("Session-Id", "New-Session-Id", "Closed-Session-Id")
)


def test_a_session_meets_its_worker_again_until_it_is_closed(tmp_path: Path) -> None:
    async def test() -> None:
        async with pooling(write(tmp_path, SESSIONS), Plan(workers=2)) as started:
            await started.loaded(2)

            async def says(session: str, body: str = "{}") -> int:
                return int((await started.ask(body.encode(), ((SESSION, session),))).body)

            one = await says("NEW_SESSION", f'{{"{NEW}": "a; Expires=2999-01-01T00:00:00Z"}}')
            other = await says("NEW_SESSION", f'{{"{NEW}": "b; Expires=2999-01-01T00:00:00Z"}}')
            assert one != other
            assert [await says(session) for session in "aabba"] == [one, one, other, other, one]
            await says("a", f'{{"{CLOSED}": "a"}}')
            assert {await says("a") for _ in range(4)} == {one, other}

    uvloop.run(test())


def test_a_session_whose_worker_has_ended_goes_to_another(tmp_path: Path) -> None:
    async def test() -> None:
        async with pooling(write(tmp_path, SESSIONS), Plan(workers=2)) as started:
            await started.loaded(2)
            opened = await started.ask(f'{{"{NEW}": "a"}}'.encode(), ((SESSION, "NEW_SESSION"),))
            os.kill(int(opened.body), signal.SIGKILL)
            await eventually(lambda: len(started.diary.of("worker-ended")) == 1, "the end")
            assert (await started.ask(b"{}", ((SESSION, "a"),))).body != opened.body

    uvloop.run(test())


def test_in_exact_fidelity_a_model_that_does_not_load_leaves_callers_waiting(tmp_path: Path) -> None:
    write(tmp_path, f"def model_fn(model_dir): raise ValueError('no weights')\n{STAGES}")
    now = 0.0

    async def test() -> None:
        nonlocal now
        plan = Plan(fidelity=Fidelity.EXACT, monotonic=lambda: now)
        async with pooling(tmp_path, plan) as started:
            asking = asyncio.create_task(started.ask(b""))
            await eventually(lambda: len(started.diary.of("restart")) == 2, "two more attempts")
            assert [facts["seconds"] for facts in started.diary.of("restart")] == [1, 1]
            ready = [started.pool.is_ready]
            now = 299.0
            ready.append(started.pool.is_ready)
            now = 300.0
            ready.append(started.pool.is_ready)
            assert ready == [True, True, False]
            assert not asking.done()
        with pytest.raises(WorkerDiedError, match="the server is ending"):
            await asking

    uvloop.run(test())
