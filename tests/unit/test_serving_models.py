"""The multi-model API and TorchServe's other paths, against what the real stack answered."""

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.serving import answers
from orchestrator.serving.front.models import Models
from orchestrator.serving.front.paths import Single
from orchestrator.serving.front.ports import Room, Situation, Workers
from orchestrator.serving.front.targets import UndecodableError
from orchestrator.serving.messages import QueueFullError, Response, WorkerDiedError
from tests.conformance.models import sessions, stable
from tests.support.catalogues import CONTRACT, Deaf, FakePool, Pools, asked, invoked, nothing, send
from tests.support.loops import run
from tests.support.pools import eventually

JSON = {"Content-Type": "application/json"}


def single(pool: FakePool) -> Single:
    return Single(pool, replace(CONTRACT, multi_model=False), lambda: Situation(tuple(pool.states())))


def several(pools: Pools, base: Path, *, model_api: bool = True, limit: int | None = None) -> Models:
    contract = replace(CONTRACT, model_api=model_api)
    return Models(pools.start, contract, Deaf(), base=base, max_memory_bytes=limit)


def registration(name: str, url: str) -> bytes:
    return json.dumps({"model_name": name, "url": url}).encode()


async def register(room: Room, name: str, url: str = ".") -> Response:
    answer = await send(room, "POST", "/models", registration(name, url), JSON)
    assert answer is not None
    return answer


def content(answer: Response | None) -> Any:  # noqa: ANN401 - JSON
    assert answer is not None
    return json.loads(answer.body)


def said(answer: Response | None) -> tuple[int, str]:
    """Return the status, and the message or the status text in the body."""
    assert answer is not None
    document = content(answer)
    return answer.status, document.get("message") or document.get("status")


def added_names(names: list[str]) -> set[str]:
    """Return which of the names of inputs and headers do not come from the client or from HTTP."""
    return set(names) & {"explain", "url_path", "a", "model_name"}


async def exchanged(room: Room, workers: Workers, told: dict[str, Any]) -> Response | None:
    """Send one recorded request, and return the answer as the front would give it."""
    body = told["body"].encode()
    try:
        if told["target"].partition("?")[0] == "/invocations" and told["method"] != "OPTIONS":
            return await invoked(workers, told["target"], body, told["headers"])
        return await send(room, told["method"], told["target"], body, told["headers"])
    except UndecodableError as error:
        return answers.undecodable(str(error))


async def compare(room: Room, workers: Workers, pools: Mapping[str, FakePool], told: dict[str, Any]) -> None:
    """Send one recorded request, and check that the answer is the recorded one."""
    answer = await exchanged(room, workers, told)
    if told["status"] == 200 and not told["reason"]:
        assert answer is not None
        recorded = json.loads(told["answer"])
        last = pools[recorded["name"]].requests[-1]
        query = {"a", "model_name"} if "=" in last.query else set()
        names = [*dict(last.headers), *(name for name in query if f"{name}=" in last.query)]
        if told["headers"].get("Content-Type") != "application/x-www-form-urlencoded":
            assert added_names(names) == added_names(recorded["headers"]), told
        assert (answer.status, answer.reason) == (200, "")
    elif answer is None:
        assert told["status"] == 404, told
        assert "ResourceNotFoundException" in told["answer"], told
    else:
        assert stable(answer.body.decode()) == stable(told["answer"]), told
        assert answer.status == told["status"], told
        assert answer.reason is None
        assert answer.headers == (("content-type", "application/json"),)


@pytest.mark.parametrize("session", sessions(), ids=lambda session: str(session["name"]))
def test_answers_are_those_of_the_real_stack(session: dict[str, Any], tmp_path: Path) -> None:
    for name in ("m1", "m2", "bad", "oom", "killed", "noname", "nested", "empty"):
        (tmp_path / "MODELS" / name / "model").mkdir(parents=True)
    (tmp_path / "MODELS/m1/model/w.bin").touch()
    (tmp_path / "MODELS/a.tar.gz").touch()

    async def replay() -> None:
        if not session["several"]:
            pool = FakePool("model")
            for told in session["exchanges"]:
                # The application itself answers for the one model's /invocations.
                if told["method"] == "OPTIONS" or not told["target"].startswith("/invocations"):
                    await compare(single(pool), pool, {"model": pool}, told)
            return
        pools = Pools()
        async with several(pools, tmp_path, model_api=session["model_api"]) as models:
            for told in session["exchanges"]:
                await compare(models, models, pools.made, told)

    run(replay())


def test_a_path_below_predictions_reaches_the_model_as_a_header() -> None:
    pool = FakePool("model")
    run(send(single(pool), "POST", "/explanations/model/1.0/x/y?a=b", b"[1]", JSON))
    assert pool.requests[0].headers == (
        ("Content-Type", "application/json"),
        ("url_path", "x/y"),
        ("explain", "True"),
    )
    assert pool.requests[0].query == ""


@pytest.mark.parametrize(
    ("target", "explained"),
    [
        ("/v1/models/model:predict", "False"),
        ("/v1/models/model:explain", "True"),
        ("/v2/models/model/infer", "False"),
        ("/v2/models/model/explain", "True"),
    ],
)
def test_kserve_asks_the_same_model(target: str, explained: str) -> None:
    pool = FakePool("model")
    assert run(send(single(pool), "POST", target, b"[1]")) is not None
    assert pool.requests[0].headers == (("explain", explained),)


@pytest.mark.parametrize(
    "target",
    [
        "/models/predict",
        "/models/model/other",
        "/models/a/b/c/d",
        "/invocations/x/predict",
        "/ping/predict/x",
        "/v1/models",
        "/v2/models/model",
        "/v2/models/model/x",
        "/a/b/c/predict",
        "/api-description/x",
        "/metrics",
        "/",
    ],
)
def test_a_path_of_somebody_else_is_left_to_them(target: str) -> None:
    assert run(send(single(FakePool("model")), "GET", target)) is None


def test_the_description_of_the_server_is_an_openapi_document() -> None:
    for method, target in (("OPTIONS", "/"), ("GET", "/api-description"), ("BREW", "/api-description/")):
        document = content(run(send(single(FakePool("model")), method, target)))
        assert document["openapi"] == "3.0.1"
        assert "/invocations" in document["paths"]


@pytest.mark.parametrize("target", ["/invocations", "/models/model", "/predictions/model", "/model/predict"])
def test_options_describe_a_model(target: str) -> None:
    pool = FakePool("model")
    document = content(run(send(single(pool), "OPTIONS", target)))
    assert "/predictions/model" in document["paths"]
    assert not pool.requests


@pytest.mark.parametrize(
    ("outcome", "status", "kind"),
    [
        (QueueFullError(), 503, "ServiceUnavailableException"),
        (TimeoutError(), 503, "ServiceUnavailableException"),
        (WorkerDiedError("it ended"), 500, "InternalServerException"),
        (WorkerDiedError("it ended", out_of_memory=True), 507, "InternalServerException"),
    ],
)
def test_a_model_that_does_not_answer_is_told_as_at_invocations(
    outcome: Exception, status: int, kind: str
) -> None:
    document = content(run(send(single(FakePool("model", outcome=outcome)), "POST", "/predictions/model")))
    assert (document["code"], document["type"]) == (status, kind)


def test_one_model_is_neither_joined_nor_ended(tmp_path: Path) -> None:
    room = single(FakePool("model"))
    answer = run(send(room, "POST", "/models", registration("m", str(tmp_path)), JSON))
    assert answer is not None
    assert answer.status == 405
    deleted = run(send(room, "DELETE", "/models/model"))
    assert deleted is not None
    assert deleted.status == 405


def test_workers_are_not_scaled_while_the_server_runs() -> None:
    room = single(FakePool("model"))
    assert said(run(send(room, "PUT", "/models/model?min_worker=1&synchronous=True"))) == (
        200,
        "Workers scaled to 1 for model: model",
    )
    status, text = said(run(send(room, "PUT", "/models/model?min_worker=2")))
    assert (status, text) == (400, 'Model "model" has 1 workers for as long as this server runs.')


def test_a_page_has_at_most_a_hundred_models_and_names_the_next(tmp_path: Path) -> None:
    async def pages() -> list[Any]:
        async with several(Pools(), tmp_path) as models:
            for number in range(101):
                await register(models, f"{number:03d}")
            first = content(await send(models, "GET", "/models"))
            token = first["nextPageToken"]
            return [first, content(await send(models, "GET", f"/models?next_page_token={token}"))]

    first, second = run(pages())
    assert (len(first["models"]), first["nextPageToken"]) == (100, "100")
    assert second == {"models": [{"modelName": "100", "modelUrl": "."}]}


@pytest.mark.parametrize(
    "number", ["+7", "7", "-1", "--7", "-+7", "9999999999", "1.0", "", "%20", "x"], ids=repr
)
def test_a_limit_that_is_no_number_is_the_default(number: str, tmp_path: Path) -> None:
    async def page() -> int:
        async with several(Pools(), tmp_path) as models:
            for name in "abcdefgh":
                await register(models, name)
            return len(
                content(await send(models, "GET", f"/models?limit={number.replace('+', '%2B')}"))["models"]
            )

    assert run(page()) == (7 if number in {"+7", "7"} else 8)


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


def test_a_form_names_the_model_where_the_query_does_not(tmp_path: Path) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    async def ask() -> list[int]:
        async with several(Pools(), tmp_path) as models:
            await register(models, "a")
            return [
                (await invoked(models, target, b"model_name=a&model_name=b&body=1", form)).status
                for target in ("/invocations", "/invocations?model_name=c")
            ]

    assert run(ask()) == [200, 404]


def test_a_query_that_cannot_be_read_is_no_request(tmp_path: Path) -> None:
    async def ask() -> None:
        async with several(Pools(), tmp_path) as models:
            await models.answer(asked("GET", "/models?limit=%zz"), nothing)

    with pytest.raises(UndecodableError, match="invalid hex byte 'zz'"):
        run(ask())


def test_a_server_without_models_is_healthy(tmp_path: Path) -> None:
    async def ready() -> bool:
        async with several(Pools(), tmp_path) as models:
            return models.is_ready

    assert run(ready())
