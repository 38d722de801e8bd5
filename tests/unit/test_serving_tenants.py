"""Models that come and go: each in its turn, whoever asks, and nothing left of one that fails."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.serving.catalogue.models import Models
from orchestrator.serving.messages import Response
from tests.support.catalogues import (
    CONTRACT,
    Deaf,
    Pools,
    content,
    invoked,
    register,
    said,
    send,
    several,
)
from tests.support.loops import run
from tests.support.pools import eventually

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("bad", 500),
        ("oom", 507),
        ("numpy", 507),
        ("killed", 507),
        ("exits", 507),
        ("allocator", 500),
    ],
)
def test_nothing_is_left_of_a_model_that_does_not_load(name: str, status: int, tmp_path: Path) -> None:
    async def attempt() -> tuple[Response, Any, set[str]]:
        pools = Pools()
        async with several(pools, tmp_path) as models:
            answer = await register(models, name)
            return answer, content(await send(models, "GET", "/models")), pools.living

    answer, listed, living = run(attempt())
    assert said(answer) == (status, f"Failed to start workers for model {name} version: 1.0")
    assert answer.trace == f"Traceback of {name}"
    assert listed == {"models": []}
    assert not living


def test_a_folder_that_cannot_be_read_is_a_model_that_does_not_load(tmp_path: Path) -> None:
    async def attempt() -> Response:
        async with several(Pools(), tmp_path) as models:
            return await register(models, "unreadable")

    assert said(run(attempt())) == (500, "Failed to start workers for model unreadable version: 1.0")


def test_one_of_two_who_load_the_same_name_wins(tmp_path: Path) -> None:
    async def race() -> list[int]:
        pools = Pools("a")
        async with several(pools, tmp_path) as models:
            first = asyncio.create_task(register(models, "a"))
            second = asyncio.create_task(register(models, "a"))
            loser = await second
            pools.made["a"].loading.set()
            return [(await first).status, loser.status]

    assert run(race()) == [200, 409]


def test_a_model_that_is_still_loading_is_not_there(tmp_path: Path) -> None:
    async def early() -> list[int]:
        pools = Pools("a")
        async with several(pools, tmp_path) as models:
            task = asyncio.create_task(register(models, "a"))
            await eventually(lambda: "a" in pools.made, "the pool")
            answers = [
                await send(models, "GET", "/models/a"),
                await send(models, "POST", "/models/a/invoke"),
                await send(models, "DELETE", "/models/a"),
            ]
            pools.made["a"].loading.set()
            return [answer.status for answer in (*answers, await task) if answer is not None]

    assert run(early()) == [404, 404, 404, 200]


def test_a_model_is_loaded_even_if_the_caller_goes_away(tmp_path: Path) -> None:
    async def abandoned() -> int:
        pools = Pools("a")
        async with several(pools, tmp_path) as models:
            caller = asyncio.create_task(register(models, "a"))
            await eventually(lambda: "a" in pools.made, "the pool")
            caller.cancel()
            await asyncio.wait({caller})
            pools.made["a"].loading.set()
            await eventually(lambda: "a" in models.shown(), "the model")
            return (await invoked(models, "/invocations?model_name=a")).status

    assert run(abandoned()) == 200


def test_a_model_answers_what_is_in_flight_before_it_is_unloaded(tmp_path: Path) -> None:
    async def unload() -> tuple[bool, list[int]]:
        pools = Pools()
        async with several(pools, tmp_path) as models:
            await register(models, "a")
            asking = asyncio.create_task(send(models, "POST", "/models/a/invoke", b"wait"))
            await pools.made["a"].in_flight.wait()
            leaving = asyncio.create_task(send(models, "DELETE", "/models/a"))
            await asyncio.sleep(0)
            late = await send(models, "POST", "/models/a/invoke")
            was_living = "a" in pools.living
            pools.made["a"].gate.set()
            answers = [late, await asking, await leaving]
            assert not pools.living
            return was_living, [answer.status for answer in answers if answer is not None]

    assert run(unload()) == (True, [404, 200, 200])


def test_a_name_can_be_loaded_again_after_it_was_unloaded(tmp_path: Path) -> None:
    async def again() -> list[int]:
        async with several(Pools(), tmp_path) as models:
            answers = [
                await register(models, "a"),
                await send(models, "DELETE", "/models/a"),
                await register(models, "a"),
            ]
            return [answer.status for answer in answers if answer is not None]

    assert run(again()) == [200, 200, 200]


def test_the_end_of_the_server_ends_every_model(tmp_path: Path) -> None:
    async def end() -> tuple[Pools, Response]:
        pools = Pools("slow")
        async with several(pools, tmp_path) as models:
            await register(models, "a")
            loading = asyncio.create_task(register(models, "slow"))
            await eventually(lambda: "slow" in pools.made, "the pool")
        return pools, await loading

    pools, answer = run(end())
    assert set(pools.made) == {"a", "slow"}
    assert not pools.living
    assert answer.status == 500


def test_a_model_over_the_memory_limit_is_refused_and_the_others_stay(tmp_path: Path) -> None:
    async def crowd() -> tuple[Response, Any]:
        # This very process stands for the workers: it has more than a byte of memory.
        async with several(Pools(pid=os.getpid()), tmp_path, limit=1) as models:
            return await register(models, "a"), content(await send(models, "GET", "/models"))

    answer, listed = run(crowd())
    assert said(answer) == (507, "Failed to start workers for model a version: 1.0")
    assert listed == {"models": []}


def test_a_model_under_the_memory_limit_stays(tmp_path: Path) -> None:
    async def alone() -> int:
        async with several(Pools(pid=os.getpid()), tmp_path, limit=1 << 50) as models:
            return (await register(models, "a")).status

    assert run(alone()) == 200


def test_whoever_watches_is_told_of_models_that_come_and_go(tmp_path: Path) -> None:
    async def watch() -> Deaf:
        observer = Deaf()
        async with Models(Pools().start, CONTRACT, observer, base=tmp_path) as models:
            await register(models, "a")
            await register(models, "bad")
            await send(models, "DELETE", "/models/a")
        return observer

    assert run(watch()).events == [("model-loaded", "a"), ("model-failed", "bad"), ("model-unloaded", "a")]


def test_a_relative_folder_is_relative_to_the_target(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()

    async def load() -> Path:
        pools = Pools()
        async with several(pools, tmp_path) as models:
            assert (await register(models, "a", "m")).status == 200
            return pools.folders["a"]

    assert run(load()) == tmp_path / "m"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b'{"model_name": "a", "url": "HTTPS://example.com/m.mar"}', 400, "Failed to download archive from"),
        (b'{"model_name": "a", "url": "file:///etc"}', 400, "Failed to download archive from"),
        (b'{"model_name": "a", "url": "nul\\u0000byte"}', 404, "Model not found at"),
        (b'{"model_name": "a", "url": "' + b"x" * 5000 + b'"}', 404, "Model not found at"),
        (b'{"model_name": "a", "url": "\\ud800"}', 404, "Model not found at: ?"),
        (b'{"model_name": "' + b"x" * 1025 + b'", "url": "."}', 400, "at most 1024 characters"),
        (b'{"model_name": "a", "url": {}}', 500, "Expected a string but was BEGIN_OBJECT path $.url"),
        (b"[1]", 500, "Expected BEGIN_OBJECT but was BEGIN_ARRAY path $"),
        (b"3", 500, "Expected BEGIN_OBJECT but was NUMBER"),
        (b"true", 500, "Expected BEGIN_OBJECT but was BOOLEAN"),
        (b'"x"', 500, "Expected BEGIN_OBJECT but was STRING"),
        (b"{", 500, "MalformedJsonException"),
        (b"[" * 100_000, 500, "MalformedJsonException"),
        (b"\xff", 500, "MalformedJsonException"),
    ],
    ids=range(14),
)
def test_a_wish_that_cannot_be_fulfilled_is_refused(
    body: bytes, status: int, text: str, tmp_path: Path
) -> None:
    async def wish() -> Response | None:
        pools = Pools()
        async with several(pools, tmp_path) as models:
            answer = await send(
                models, "POST", "/models", body, {"content-type": "Application/JSON; charset=x"}
            )
            assert not pools.made
            return answer

    answered, message = said(run(wish()))
    assert answered == status
    assert text in message


def test_a_name_may_be_anything_that_can_be_said(tmp_path: Path) -> None:
    async def name() -> tuple[int, bytes]:
        async with several(Pools(), tmp_path) as models:
            loaded = await register(models, '../é "<b>')
            answer = await send(models, "GET", "/models/..%2F%C3%A9%20%22%3Cb%3E")
            assert answer is None, "a slash in a name makes more of the path"
            return loaded.status, (
                await invoked(models, "/invocations?model_name=..%2F%C3%A9%20%22%3Cb%3E")
            ).body

    assert run(name()) == (200, '../é "<b>'.encode())
