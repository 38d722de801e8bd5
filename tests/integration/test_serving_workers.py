"""Worker processes as the server sees them: their spawner, their work and their deaths."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
import uvloop

from orchestrator.serving.contract import worker_environment
from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.crew.spawning import Origin, spawning
from orchestrator.serving.messages import Assignment, Part, Request, WorkerDiedError
from tests.support.entrypoints_samples import COMMANDED, write
from tests.support.pools import Plan, eventually, pooling, serving_from
from tests.support.servers import Gate, has_ended

STAGES = """
def input_fn(data, content_type): return data
def predict_fn(data, model): return model
def output_fn(prediction, accept): return str(prediction)
"""

# User code can find the socket of its worker; then it can write what it likes.
CHANNEL = """
import os, stat

def channel():
    for descriptor in range(3, 256):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            pass
"""


@pytest.fixture
def model_dir(tmp_path: Path) -> Path:
    return write(tmp_path / "model", COMMANDED)


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path / "gate")


def parent(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]


def test_workers_are_forked_from_one_process_that_pools_can_share(model_dir: Path) -> None:
    async def test() -> None:
        plan = Plan(workers=2)
        environment = worker_environment(dict(os.environ), plan.contract(), cores=1)
        async with spawning(Origin(environment)) as spawner:
            async with (
                serving_from(spawner, model_dir, plan) as one,
                serving_from(spawner, model_dir, plan) as other,
            ):
                await one.loaded(2)
                await other.loaded(2)
                pids = one.diary.pids() + other.diary.pids()
                parents = {parent(pid) for pid in pids}
                assert parents == {str(spawner.pid)}
                assert len(set(pids)) == 4
                assert {os.getsid(pid) for pid in pids} == set(pids)
            assert all(map(has_ended, pids))
            helper = spawner.pid
            assert helper is not None
            assert not has_ended(helper)
        assert has_ended(helper)

    uvloop.run(test())


def test_a_spawner_that_is_still_importing_is_not_waited_for(
    model_dir: Path, gate: Gate, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(f"open({gate.path!r}).read()")
    environment = worker_environment({**os.environ, "PYTHONPATH": str(tmp_path)}, Plan().contract(), cores=1)
    folder = str(model_dir)

    async def test() -> None:
        async with spawning(Origin(environment, preload=("slow",))) as spawner:
            starting = asyncio.create_task(spawner.start(Assignment(folder, folder, folder, "predict")))
            await asyncio.to_thread(gate.meet)
            helper = spawner.pid
            assert helper is not None
            starting.cancel()
            await asyncio.wait({starting})
            # It gives workers two seconds, and would be given three itself.
            async with asyncio.timeout(1.5):
                await spawner.close()
            assert has_ended(helper)

    uvloop.run(test())


def test_a_spawner_that_dies_is_replaced_and_so_are_its_workers(model_dir: Path) -> None:
    async def test() -> None:
        async with pooling(model_dir, Plan(workers=2)) as started:
            await started.loaded(2)
            await started.command("answer")
            first, old = started.spawner.pid, started.diary.pids()
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await started.loaded(4)
            assert await started.command("answer") in started.diary.pids()[2:]
            assert started.spawner.pid not in {first, None}
            await eventually(lambda: all(map(has_ended, old)), "the end of the workers that were left")

    uvloop.run(test())


def test_a_worker_killed_amid_many_requests_harms_the_one_it_was_answering(
    model_dir: Path, gate: Gate
) -> None:
    async def test() -> None:
        async with pooling(model_dir, Plan(workers=3)) as started:
            await started.loaded(3)
            held = asyncio.create_task(started.command("wait", gate.path))
            await asyncio.to_thread(gate.meet)
            (victim,) = [state.pid for state in started.pool.states() if state.state == "busy"]
            assert victim is not None
            others = [asyncio.create_task(started.command("answer")) for _ in range(50)]
            await asyncio.sleep(0)
            os.kill(victim, signal.SIGKILL)
            answers = await asyncio.gather(*others)
            assert victim not in answers
            with pytest.raises(WorkerDiedError, match="it ended with SIGKILL") as caught:
                await held
            assert caught.value.out_of_memory
            await started.loaded(4)
            assert len(started.diary.of("no-answer")) == 1
            gate.release()

    uvloop.run(test())


@pytest.mark.parametrize(("code", "is_memory"), [(137, True), (1, False)])
def test_an_exit_code_tells_whether_memory_ran_out(model_dir: Path, code: int, *, is_memory: bool) -> None:
    async def test() -> None:
        async with pooling(model_dir) as started:
            with pytest.raises(WorkerDiedError, match=f"exit code {code}") as caught:
                await started.command("exit", code)
            assert caught.value.out_of_memory == is_memory

    uvloop.run(test())


def test_a_worker_that_the_server_has_killed_did_not_run_out_of_memory(model_dir: Path, gate: Gate) -> None:
    async def test() -> None:
        async with pooling(model_dir, Plan(limits={"response_timeout_seconds": 0.2})) as started:
            with pytest.raises(WorkerDiedError, match=r"no answer in 0\.2 s") as caught:
                await started.command("wait", gate.path)
            assert not caught.value.out_of_memory
            await started.loaded(2)

    uvloop.run(test())


def test_a_caller_that_goes_away_ends_the_worker_at_its_work(model_dir: Path, gate: Gate) -> None:
    async def test() -> None:
        async with pooling(model_dir) as started:
            asking = asyncio.create_task(started.command("wait", gate.path))
            await asyncio.to_thread(gate.meet)
            asking.cancel()
            assert await started.command("answer") == started.diary.pids()[1]
            assert has_ended(started.diary.pids()[0])

    uvloop.run(test())


def test_what_user_code_has_started_ends_with_its_worker(tmp_path: Path) -> None:
    source = "import subprocess\ndef model_fn(model_dir): return subprocess.Popen(['sleep', '600']).pid\n"

    async def test() -> None:
        async with pooling(write(tmp_path, source + STAGES)) as started:
            child = int((await started.ask(b"")).body)
            assert not has_ended(child)
            os.kill(started.diary.pids()[0], signal.SIGKILL)
            await eventually(lambda: has_ended(child), "the end of the child")

    uvloop.run(test())


def test_a_model_that_takes_too_long_to_load_is_given_up(model_dir: Path, tmp_path: Path, gate: Gate) -> None:
    slow = write(tmp_path / "slow", f"def model_fn(model_dir): open({gate.path!r}).read()\n{STAGES}")

    async def test() -> None:
        # The other pool's worker shows that the spawner is there, which takes a time of its own.
        async with (
            pooling(model_dir) as other,
            serving_from(other.spawner, slow, Plan(limits={"startup_timeout_seconds": 0.5})) as started,
        ):
            with pytest.raises(LoadError) as caught:
                await started.pool.first()
        assert caught.value.error == "the worker did not load the model in 0.5 s"

    uvloop.run(test())


def test_an_interpreter_that_cannot_be_started_is_a_failure_to_load(model_dir: Path) -> None:
    async def test() -> None:
        async with spawning(Origin({}, interpreter=str(model_dir / "python"))) as spawner:
            async with serving_from(spawner, model_dir, Plan()) as started:
                with pytest.raises(LoadError) as caught:
                    await started.pool.first()
            assert "no worker can be started" in caught.value.error

    uvloop.run(test())


@pytest.mark.parametrize(
    "nonsense", [bytes([0, 0, 0, 1, 0, 0, 0, 0]) + b"?", b"\xff" * 8, bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b"{}"]
)
def test_user_code_that_speaks_in_its_workers_name_while_loading_fails_to_load(
    tmp_path: Path, nonsense: bytes
) -> None:
    write(tmp_path, f"{CHANNEL}\nos.write(channel(), {nonsense!r})\ndef model_fn(model_dir): pass\n{STAGES}")

    async def test() -> None:
        with pytest.raises(LoadError):
            async with pooling(tmp_path):
                pytest.fail("a model has loaded that cannot")

    uvloop.run(test())


def test_user_code_that_speaks_out_of_turn_costs_the_worker_its_life_and_no_other_request(
    tmp_path: Path,
) -> None:
    source = f"""{CHANNEL}
import threading
def model_fn(model_dir): return os.getpid()
def input_fn(data, content_type):
    if data == "speak":
        threading.Timer(0.05, os.write, (channel(), b"?" * 100)).start()
    return data
def predict_fn(data, model): return model
def output_fn(prediction, accept): return str(prediction)
"""

    async def test() -> None:
        async with pooling(write(tmp_path, source)) as started:
            first = int((await started.ask(b"speak")).body)
            await started.loaded(2)
            assert int((await started.ask(b"")).body) == started.diary.pids()[1] != first

    uvloop.run(test())


def test_large_bodies_go_both_ways_unchanged(tmp_path: Path) -> None:
    source = "def model_fn(model_dir): return None\n" + STAGES.replace("return model", "return data")
    source = source.replace("str(prediction)", "prediction")
    body = bytes(range(100)) * 60_000

    async def test() -> None:
        async with pooling(write(tmp_path, source)) as started:
            assert (await started.ask(body)).body == body

    uvloop.run(test())


STREAMING = """
from ts.handler_utils.utils import send_intermediate_predict_response

def model_fn(model_dir): return None

def transform_fn(model, data, content_type, accept, context):
    for number in range(int(data)):
        send_intermediate_predict_response([f"{number} "], context.request_ids, "fine", 200, context)
    return "end"
"""


def test_a_streamed_answer_arrives_part_by_part_in_order(tmp_path: Path) -> None:
    async def test() -> None:
        async with pooling(write(tmp_path, STREAMING)) as started:
            parts = []

            async def slowly(part: Part) -> None:
                await asyncio.sleep(0)
                parts.append(part)

            request = Request((("Content-Type", "application/json"),), b"200", "id")
            last = await started.pool.ask(request, slowly)
            assert b"".join(part.body for part in parts) == b"".join(b"%d " % n for n in range(200))
            assert (last.body, {part.status for part in parts}) == (b"end", {200})
            assert (await started.pool.ask(request, slowly)).body == b"end"

    uvloop.run(test())


def test_the_state_of_every_place_can_be_seen(model_dir: Path, gate: Gate) -> None:
    async def test() -> None:
        async with pooling(model_dir, Plan(workers=2)) as started:
            await started.loaded(2)
            await started.command("answer")
            held = asyncio.create_task(started.command("wait", gate.path))
            await asyncio.to_thread(gate.meet)
            states = started.pool.states()
            assert [state.number for state in states] == [1, 2]
            assert {state.pid for state in states} == set(started.diary.pids())
            assert sorted(state.state for state in states) == ["busy", "idle"]
            assert sum(state.served for state in states) == 2
            assert all(state.rss_bytes > 1_000_000 for state in states)
            assert (started.pool.is_ready, started.pool.waiting) == (True, 0)
            gate.release()
            await held

    uvloop.run(test())


def test_what_is_imported_beforehand_is_there_unless_the_archive_brings_its_own(tmp_path: Path) -> None:
    source = "import sys, colorsys\n"
    source += "def model_fn(model_dir): return [colorsys.__file__, 'imaplib' in sys.modules]\n"
    plain = write(tmp_path / "plain", source + STAGES)
    shadowing = write(tmp_path / "shadowing", source + STAGES)
    write(shadowing, "", "colorsys.py")

    async def test() -> None:
        plan = Plan(preload=("colorsys", "imaplib", "no_such_module"))
        environment = worker_environment(dict(os.environ), plan.contract(), cores=1)
        async with spawning(Origin(environment, preload=plan.preload)) as spawner:
            async with serving_from(spawner, plain, plan) as started:
                assert (await started.ask(b"")).body.endswith(b"True]")
            async with serving_from(spawner, shadowing, plan) as started:
                assert (await started.ask(b"")).body == str([f"{shadowing}/code/colorsys.py", False]).encode()

    uvloop.run(test())


def test_workers_draw_different_random_numbers(tmp_path: Path) -> None:
    source = "import numpy\ndef model_fn(model_dir): return numpy.random.rand()\n"

    async def test() -> None:
        async with pooling(write(tmp_path, source + STAGES), Plan(workers=2, preload=("numpy",))) as started:
            await started.loaded(2)
            answers = [await started.ask(b"") for _ in range(2)]
            assert answers[0].body != answers[1].body

    uvloop.run(test())
