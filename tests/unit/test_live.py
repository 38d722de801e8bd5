"""Asking a live endpoint and reading its log: what is sent, what comes back, and what is shown only once."""

import io
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from orchestrator.adapters.logs import CloudWatchLogs
from orchestrator.adapters.runtime import SageMakerRuntime
from orchestrator.core.errors import CloudError, DeniedError, OrchestratorError
from orchestrator.core.golden import Request, Response
from orchestrator.core.live import LATE_SECONDS, Line, Pending, Position, unseen

PENDING = Pending("digits", "s3://answers/out/1.out", "s3://answers/failed/1.out", "id-1")


def client_error(code: str, **more: object) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "words"}, **more}, "Operation")


class Parts:
    """An event stream that knows whether it was closed."""

    def __init__(self, events: Iterable[Mapping[str, Any] | Exception]) -> None:
        self._events = events
        self.closed = False

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for event in self._events:
            if isinstance(event, Exception):
                raise event
            yield event

    def close(self) -> None:
        self.closed = True


@dataclass
class Api:
    """boto3's clients of all services in one, with what they answer."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., object]:
        def call(**arguments: object) -> object:
            self.asked.append(arguments)
            answer = self.answers[operation]
            if callable(answer):
                answer = answer(arguments)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def runtime(api: Api) -> SageMakerRuntime:
    return SageMakerRuntime(lambda _: api)


def parts_of(*texts: bytes) -> list[Mapping[str, Any]]:
    return [{"PayloadPart": {"Bytes": text}} for text in texts]


def test_an_answer_carries_the_fingerprint_of_the_model_that_gave_it() -> None:
    answer = {"Body": io.BytesIO(b"7"), "CustomAttributes": "orchestrator-model=0123456789abcdef"}
    api = Api({"invoke_endpoint": answer})
    assert runtime(api).invoke("digits", Request(b"x")) == Response(200, b"7", "0123456789abcdef")
    assert "TargetVariant" not in api.asked[0]


def test_a_variant_that_was_asked_for_is_asked() -> None:
    api = Api({"invoke_endpoint": {"Body": io.BytesIO(b"")}})
    runtime(api).invoke("digits", Request(b"x"), variant="b")
    assert api.asked[0]["TargetVariant"] == "b"


def test_an_error_of_the_model_is_its_status_and_words() -> None:
    error = client_error("ModelError", OriginalStatusCode=415, OriginalMessage="no such type")
    assert runtime(Api({"invoke_endpoint": error})).invoke("digits", Request(b"")) == Response(
        415, b"no such type"
    )


def test_the_parts_of_an_answer_come_one_by_one_and_the_stream_is_closed() -> None:
    stream = Parts([*parts_of(b"on", b"ce"), {"SomethingNew": {}}])
    api = Api({"invoke_endpoint_with_response_stream": {"Body": stream}})
    assert list(runtime(api).invoke_stream("digits", Request(b"x"), variant="b")) == [b"on", b"ce"]
    assert stream.closed
    assert api.asked[0]["TargetVariant"] == "b"


def test_whoever_has_seen_enough_of_an_answer_closes_the_stream() -> None:
    stream = Parts({"PayloadPart": {"Bytes": b"on"}} for _ in itertools.count())
    parts = runtime(Api({"invoke_endpoint_with_response_stream": {"Body": stream}})).invoke_stream(
        "digits", Request(b"")
    )
    assert next(parts) == b"on"
    parts.close()  # type: ignore[attr-defined]  # it is a generator
    assert stream.closed


@pytest.mark.parametrize(
    ("code", "kind"), [("ModelStreamError", OrchestratorError), ("InternalStreamFailure", CloudError)]
)
def test_an_answer_that_breaks_off_is_an_error_after_the_parts_that_came(
    code: str, kind: type[OrchestratorError]
) -> None:
    broken = EventStreamError({"Error": {"Code": code, "Message": "out of memory"}}, "Invoke")
    api = Api({"invoke_endpoint_with_response_stream": {"Body": Parts([*parts_of(b"on"), broken])}})
    parts = runtime(api).invoke_stream("digits", Request(b""))
    assert next(parts) == b"on"
    with pytest.raises(kind, match="broke off") as caught:
        next(parts)
    assert ("AWS", f"{code}: out of memory") in caught.value.details


def test_a_model_that_refuses_to_stream_is_told_apart_from_aws() -> None:
    error = client_error("ModelError", OriginalStatusCode=400, OriginalMessage="no prompt")
    api = Api({"invoke_endpoint_with_response_stream": error})
    with pytest.raises(OrchestratorError, match="answered 400") as caught:
        next(runtime(api).invoke_stream("digits", Request(b"")))
    assert not isinstance(caught.value, CloudError)
    assert ("model", "no prompt") in caught.value.details


def test_a_refusal_of_aws_to_stream_is_a_cloud_error() -> None:
    api = Api({"invoke_endpoint_with_response_stream": client_error("AccessDeniedException")})
    with pytest.raises(DeniedError):
        next(runtime(api).invoke_stream("digits", Request(b"")))


def test_an_asynchronous_request_says_where_its_input_is_and_where_its_answer_will_be() -> None:
    given = {"OutputLocation": "s3://answers/out/1.out", "FailureLocation": "s3://answers/failed/1.out"}
    api = Api({"invoke_endpoint_async": {**given, "InferenceId": "id-1"}})
    sent = runtime(api).invoke_async("digits", Request(b"never sent", "text/csv"), "s3://models/in")
    assert sent == PENDING
    assert api.asked[0]["InputLocation"] == "s3://models/in"
    assert api.asked[0]["ContentType"] == "text/csv"
    assert "Body" not in api.asked[0]


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ({}, None),
        ({"out/1.out": b"7"}, Response(200, b"7")),
        ({"failed/1.out": b"no"}, Response(0, b"no")),
    ],
)
def test_an_asynchronous_answer_is_one_of_two_objects_or_not_there_yet(
    there: Mapping[str, bytes], expected: Response | None
) -> None:
    def get(arguments: Mapping[str, Any]) -> object:
        assert arguments["Bucket"] == "answers"
        body = there.get(arguments["Key"])
        return client_error("NoSuchKey") if body is None else {"Body": io.BytesIO(body)}

    assert runtime(Api({"get_object": get})).collect(PENDING) == expected


def test_an_answer_that_may_not_be_read_is_not_taken_for_one_that_is_absent() -> None:
    with pytest.raises(DeniedError):
        runtime(Api({"get_object": client_error("AccessDenied")})).collect(PENDING)


def line(number: int, at: float = 100.0) -> Line:
    return Line(f"line {number}", at, "primary/i-1", str(number))


def test_a_line_that_was_seen_is_not_shown_again() -> None:
    new, after = unseen(Position(0.0), (line(1), line(2)))
    assert [one.id for one in new] == ["1", "2"]
    again, _ = unseen(after, (line(1), line(2), line(3)))
    assert [one.id for one in again] == ["3"]


def test_a_line_that_arrives_late_is_shown_all_the_same() -> None:
    _, after = unseen(Position(0.0), (line(1, at=100.0),))
    assert after.moment <= 100.0 - LATE_SECONDS
    late, _ = unseen(after, (line(1, at=100.0), line(2, at=50.0)))
    assert [one.id for one in late] == ["2"]


def test_lines_of_the_same_moment_are_all_shown() -> None:
    new, _ = unseen(Position(0.0), tuple(line(number) for number in range(50)))
    assert len(new) == 50


def test_what_is_remembered_of_a_log_does_not_grow_with_it() -> None:
    position = Position(0.0)
    for second in range(2_000):
        found = tuple(line(at, at=float(at)) for at in range(max(0, second - 100), second + 1))
        _, position = unseen(position, tuple(one for one in found if one.at >= position.moment))
    assert len(position.seen) <= LATE_SECONDS + 1


def test_silence_leaves_the_position_where_it_was() -> None:
    position = Position(70.0, frozenset({"1"}))
    assert unseen(position, (line(1, at=75.0),))[1].moment == position.moment
    assert unseen(Position(70.0), ())[1] == Position(70.0)


@dataclass
class Pages:
    """FilterLogEvents of a log that grows."""

    events: list[Mapping[str, Any]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def get_paginator(self, operation: str) -> "Pages":
        assert operation == "filter_log_events"
        return self

    def paginate(self, *, logGroupName: str, startTime: int) -> Iterator[Mapping[str, Any]]:  # noqa: N803 - boto3's
        self.groups.append(logGroupName)
        fitting = [event for event in self.events if event["timestamp"] >= startTime]
        yield {"events": [], "nextToken": "a"}  # an empty page that is not the last
        for event in fitting:
            yield {"events": [event]}


def event(number: int, at_ms: int) -> Mapping[str, Any]:
    return {
        "message": f"line {number}\n",
        "timestamp": at_ms,
        "logStreamName": "b/i-1",
        "eventId": str(number),
    }


def test_following_a_log_gives_every_line_once_also_those_that_come_between_two_readings() -> None:
    pages = Pages([event(1, 1_000_000)])
    logs = CloudWatchLogs(lambda _: pages)
    first, position = logs.read("digits", Position(0.0))
    pages.events += [event(2, 999_000), event(3, 1_002_500)]
    second, position = logs.read("digits", position)
    third, _ = logs.read("digits", position)
    assert [one.text for one in (*first, *second, *third)] == ["line 1", "line 2", "line 3"]
    assert second[-1] == Line("line 3", 1002.5, "b/i-1", "3")
    assert set(pages.groups) == {"/aws/sagemaker/Endpoints/digits"}


class NoGroup(Pages):
    """A log group that does not exist."""

    def paginate(self, *, logGroupName: str, startTime: int) -> Iterator[Mapping[str, Any]]:  # noqa: N803 - boto3's
        raise client_error("ResourceNotFoundException")


def test_an_endpoint_without_a_log_has_written_nothing() -> None:
    logs = CloudWatchLogs(lambda _: NoGroup())
    assert logs.since("digits", 0.0) == ()
    assert logs.read("digits", Position(5.0)) == ((), Position(5.0))
