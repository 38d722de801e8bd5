"""The multi-model API and TorchServe's other paths, against what the real stack answered."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.serving import answers
from orchestrator.serving.catalogue.paths import Single
from orchestrator.serving.front.targets import UndecodableError
from orchestrator.serving.messages import QueueFullError, Response, WorkerDiedError
from orchestrator.serving.ports import Room, Situation, Workers
from tests.conformance.models import sessions, stable
from tests.support.catalogues import (
    CONTRACT,
    FakePool,
    Pools,
    asked,
    content,
    invoked,
    nothing,
    register,
    registration,
    said,
    send,
    several,
)
from tests.support.loops import run

JSON = {"Content-Type": "application/json"}


def single(pool: FakePool) -> Single:
    return Single(pool, replace(CONTRACT, multi_model=False), lambda: Situation(tuple(pool.states())))


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
