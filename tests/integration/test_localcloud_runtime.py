"""The data plane, with fleets that are values."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.eventstream import EventStreamBuffer
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.metrics import Invocation
from orchestrator.localcloud.dataplane.admission import TARGET_MODEL
from orchestrator.localcloud.dataplane.manymodels import ManyModels
from orchestrator.localcloud.dataplane.pipelines import Pipeline
from orchestrator.localcloud.dataplane.runtime import Runtime
from orchestrator.localcloud.dataplane.streaming import StreamRuntime
from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.fleets.exchange import (
    MAX_BODY_BYTES,
    Answer,
    BrokenAnswerError,
    Headers,
    Streamed,
    gathered,
    in_one_part,
)
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.world import Deployment, Place, Scope, Variant

CONTAINER = {"Image": "registry/image:1"}
PLACE = Place(Scope("123456789012", "eu-west-1"), "digits")


@dataclass
class FakeFleet:
    """Answers with ``answer``; raises it if it is an error, and never answers if there is none."""

    variant: Variant
    answer: Answer | BrokenAnswerError | None
    answering: int = 0
    asked: int = 0
    count: int = 1
    instances: tuple[Instance, ...] = ()

    async def look(self, path: str) -> Answer:
        raise NotImplementedError

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        raise NotImplementedError

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        self.asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        if not isinstance(self.answer, Answer):
            raise self.answer or BrokenAnswerError
        return self.answer

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        """Answer in two parts, between which there is none if there is no answer."""
        self.asked += 1

        async def parts() -> AsyncGenerator[bytes, None]:
            yield b"begun"
            yield (await self.ask(headers, body)).body

        yield Streamed(200, (("content-type", "a/b"),), parts())

    async def stop(self, *, drain: bool) -> None:
        raise NotImplementedError


def fleet(answer: Answer | BrokenAnswerError | None, name: str = "primary", weight: float = 1.0) -> FakeFleet:
    return FakeFleet(Variant(name, CONTAINER, "ml.m5.large", 1, weight, 60.0), answer)


class Recorded(list[Message]):
    """What an application has sent."""

    async def send(self, message: Message) -> None:
        self.append(message)


def invoke_stream(*fleets: FakeFleet) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the events of a streamed answer as botocore reads them, and the statuses that were counted."""
    bodies, sent, counted = [b"x"], Recorded(), list[Invocation]()

    async def receive() -> Message:
        if bodies:
            return {"type": "http.request", "body": bodies.pop(), "more_body": False}
        await asyncio.Event().wait()
        raise AssertionError

    deployment = Deployment("c", tuple(each.variant for each in fleets), None, 0.0)
    traffic = Traffic(tuple(Share(each, each.variant, deployment) for each in fleets))
    connection = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}

    async def asked() -> None:
        streams = StreamRuntime(Runtime(lambda _: traffic, counted.append), timeout_seconds=0.05)
        answer = await streams.invoke(PLACE, Request(connection, receive))
        await answer(connection, receive, sent.send)

    asyncio.run(asked())
    buffer = EventStreamBuffer()
    buffer.add_data(b"".join(part.get("body", b"") for part in sent))
    return [event.to_response_dict() for event in buffer], [one.status for one in counted]


def test_a_streamed_answer_is_counted_once_it_has_ended() -> None:
    events, counted = invoke_stream(fleet(Answer(200, (), b"ended")))
    assert [event["body"] for event in events] == [b"begun", b"ended"]
    assert {event["headers"][":event-type"] for event in events} == {"PayloadPart"}
    assert counted == [200]


@pytest.mark.parametrize(
    ("answer", "code"),
    [(None, "ModelInvocationTimeExceeded"), (BrokenAnswerError("reset"), "StreamBroken")],
)
def test_a_streamed_answer_that_ends_too_early_says_why_as_its_last_event(
    answer: BrokenAnswerError | None, code: str
) -> None:
    (begun, broken), counted = invoke_stream(fleet(answer))
    assert begun["body"] == b"begun"
    assert broken["headers"][":exception-type"] == "ModelStreamError"
    assert json.loads(broken["body"])["ErrorCode"] == code
    assert counted == [0]


def invoke(*fleets: FakeFleet, body: bytes = b"", shadow: FakeFleet | None = None) -> Response:
    chunks = [body[start : start + 2**20] for start in range(0, len(body) or 1, 2**20)]

    async def receive() -> Message:
        if not chunks:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    connection = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    deployment = Deployment("c", tuple(each.variant for each in fleets), None, 0.0)
    shares = tuple(Share(each, each.variant, deployment) for each in fleets)
    shadows = (Share(shadow, shadow.variant, deployment),) if shadow else ()
    traffic = Traffic(shares, shadows) if shares else None

    async def asked() -> Response:
        runtime = Runtime(lambda _: traffic, lambda _: None, timeout_seconds=0.01)
        answer = await runtime.invoke(PLACE, Request(connection, receive))
        await asyncio.sleep(0)
        await runtime.close()
        return answer

    return asyncio.run(asked())


def model_error(response: Response) -> dict[str, object]:
    assert response.status_code == 424
    assert response.headers["x-amzn-errortype"] == "ModelError"
    content = json.loads(bytes(response.body))
    assert isinstance(content, dict)
    return content


def test_a_servers_error_has_the_exact_form_of_aws() -> None:
    group = "/aws/sagemaker/Endpoints/digits"
    console = "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
    assert model_error(invoke(fleet(Answer(503, (), b"busy")))) == {
        "ErrorCode": "INTERNAL_FAILURE_FROM_MODEL",
        "LogStreamArn": f"arn:aws:logs:eu-west-1:123456789012:log-group:{group}",
        "Message": 'Received server error (503) from primary with message "busy". '
        f"See {console}#logEventViewer:group={group} in account 123456789012 for more information.",
        "OriginalMessage": "busy",
        "OriginalStatusCode": 503,
    }


def test_a_clients_error_has_a_code_of_its_own() -> None:
    assert model_error(invoke(fleet(Answer(400, (), b"?"))))["ErrorCode"] == "CLIENT_ERROR_FROM_MODEL"


def test_a_long_message_is_cut_and_the_original_is_not() -> None:
    content = model_error(invoke(fleet(Answer(500, (), b"x" * 5000))))
    assert len(str(content["Message"])) == 2048
    assert content["OriginalMessage"] == "x" * 5000


def test_an_answer_that_does_not_come_or_breaks_has_the_status_zero() -> None:
    late = model_error(invoke(fleet(None)))
    assert late["OriginalStatusCode"] == 0
    assert str(late["Message"]).startswith("Your invocation timed out while waiting for a response")
    broken = model_error(invoke(fleet(BrokenAnswerError("connection refused"))))
    assert (broken["OriginalStatusCode"], broken["OriginalMessage"]) == (0, "connection refused")


def test_requests_are_shared_out_by_weight() -> None:
    fleets = [
        fleet(Answer(200, (), b""), name, weight) for name, weight in (("a", 3.0), ("b", 1.0), ("dark", 0.0))
    ]
    names = Counter(invoke(*fleets).headers["x-amzn-invoked-production-variant"] for _ in range(400))
    assert names["dark"] == 0
    assert 30 < names["b"] < 200 < names["a"]


def test_without_any_weight_every_variant_gets_its_share() -> None:
    fleets = [fleet(Answer(200, (), b""), name, 0.0) for name in "ab"]
    names = {invoke(*fleets).headers["x-amzn-invoked-production-variant"] for _ in range(100)}
    assert names == {"a", "b"}


def test_only_headers_that_aws_names_come_back() -> None:
    headers = (("content-type", "a/b"), ("x-amzn-sagemaker-custom-attributes", "c"), ("set-cookie", "d"))
    returned = invoke(fleet(Answer(200, headers, b""))).headers
    assert (returned["content-type"], returned["x-amzn-sagemaker-custom-attributes"]) == ("a/b", "c")
    assert "set-cookie" not in returned


def test_an_endpoint_without_fleets_is_not_found() -> None:
    with pytest.raises(ApiError, match="Endpoint digits of account 123456789012 not found") as caught:
        invoke()
    assert (caught.value.code, caught.value.status) == ("ValidationError", 400)


def test_a_body_of_25_megabytes_passes_and_one_more_byte_does_not() -> None:
    answer = fleet(Answer(200, (), b"ok"))
    assert invoke(answer, body=bytes(MAX_BODY_BYTES)).status_code == 200
    with pytest.raises(ApiError) as caught:
        invoke(answer, body=bytes(MAX_BODY_BYTES + 1))
    assert caught.value.status == 413


def serverless(answering: int) -> FakeFleet:
    limits = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
    return FakeFleet(Variant("v", CONTAINER, "", 0, 1.0, 60.0, limits), Answer(200, (), b"ok"), answering)


def test_a_serverless_variant_takes_so_many_requests_at_once() -> None:
    assert invoke(serverless(1)).status_code == 200
    with pytest.raises(ApiError) as caught:
        invoke(serverless(2))
    assert (caught.value.code, caught.value.status) == ("ThrottlingException", 429)


def test_a_serverless_variant_takes_4_megabytes() -> None:
    assert invoke(serverless(0), body=bytes(4 * 2**20)).status_code == 200
    with pytest.raises(ApiError) as caught:
        invoke(serverless(0), body=bytes(4 * 2**20 + 1))
    assert caught.value.status == 413


@pytest.mark.parametrize(("weight", "least", "most"), [(1.0, 300, 300), (0.5, 100, 200), (0.0, 0, 0)])
def test_a_shadow_gets_the_share_that_its_weight_is_of_what_it_shadows(
    weight: float, least: int, most: int
) -> None:
    shadow = fleet(BrokenAnswerError("nobody hears it"), "shadow", weight)
    answers = [invoke(fleet(Answer(200, (), b"ok")), shadow=shadow).status_code for _ in range(300)]
    assert set(answers) == {200}
    assert least <= shadow.asked <= most


class EndlessFleet(FakeFleet):
    """Never answers, and notes when it is given up."""

    is_given_up = False

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        try:
            return await super().ask(headers, body, instance)
        finally:
            self.is_given_up = True


def test_a_client_that_hangs_up_ends_its_request_to_the_model() -> None:
    endless = EndlessFleet(fleet(None).variant, None)
    messages: list[Message] = [{"type": "http.request", "body": b"x"}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    deployment = Deployment("c", (endless.variant,), None, 0.0)
    traffic = Traffic((Share(endless, endless.variant, deployment),))
    connection = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}

    async def asked() -> None:
        runtime = Runtime(lambda _: traffic, lambda _: None)
        with pytest.raises(ApiError) as caught:
            await runtime.invoke(PLACE, Request(connection, receive))
        assert caught.value.status == 499

    asyncio.run(asked())
    assert endless.is_given_up


@pytest.mark.parametrize("failure", [FleetError("exit status 1"), OSError("no space")])
def test_a_model_that_did_not_load_is_loaded_with_the_next_request(failure: Exception) -> None:
    variant = Variant("v", {**CONTAINER, "ModelDataUrl": "s3://b/models/"}, "ml.m5.large", 1, 1.0, 60.0)
    failures = [failure]

    async def load(_: str) -> Fleet:
        if failures:
            raise failures.pop()
        return FakeFleet(variant, Answer(200, (), b"loaded"))

    async def run() -> None:
        models = ManyModels(variant, load, lambda _: True, 1)
        headers = ((TARGET_MODEL, "digits.tar.gz"),)
        with pytest.raises(BrokenAnswerError, match=f"could not be loaded: {failure}"):
            await models.ask(headers, b"")
        assert (await models.ask(headers, b"")).body == b"loaded"

    asyncio.run(run())


@dataclass
class Step:
    """A container of a pipeline, which keeps what it was asked."""

    answer: Answer
    asked: list[tuple[Headers, bytes]] = field(default_factory=list)

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        self.asked.append((headers, body))
        return self.answer

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        yield in_one_part(await self.ask(headers, body, instance))


def through(*steps: Step, streamed: bool) -> Answer:
    """Return what a pipeline of these containers answers."""
    variant = Variant("v", {**CONTAINER, "Containers": []}, "ml.m5.large", 1, 1.0, 60.0)
    fleets = {str(number): cast("Fleet", step) for number, step in enumerate(steps)}
    pipeline, headers = Pipeline(variant, fleets), (("accept", "c/d"), ("content-type", "a/b"))

    async def run() -> Answer:
        if not streamed:
            return await pipeline.ask(headers, b"sent")
        async with pipeline.stream(headers, b"sent") as answer:
            return await gathered(answer)

    return asyncio.run(run())


@pytest.mark.parametrize("streamed", [False, True])
def test_each_container_of_a_pipeline_gets_what_the_one_before_it_answered(*, streamed: bool) -> None:
    kinds = [(("content-type", kind),) for kind in ("1/1", "2/2", "3/3")]
    steps = [Step(Answer(200, kind, kind[0][1].encode())) for kind in kinds]
    assert through(*steps, streamed=streamed) == Answer(200, kinds[2], b"3/3")
    asked = [(dict(headers), body) for step in steps for headers, body in step.asked]
    assert asked == [
        ({"accept": "c/d", "content-type": "a/b"}, b"sent"),
        ({"accept": "c/d", "content-type": "1/1"}, b"1/1"),
        ({"accept": "c/d", "content-type": "2/2"}, b"2/2"),
    ]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_a_pipeline_ends_with_the_first_container_that_refuses(place: int, *, streamed: bool) -> None:
    steps = [Step(Answer(200, (), b"on")) for _ in range(3)]
    steps[place].answer = Answer(503, (), b"busy")
    assert through(*steps, streamed=streamed) == steps[place].answer
    assert [len(step.asked) for step in steps] == [int(number <= place) for number in range(3)]
