"""Asynchronous requests and logs that are followed: what is sent, how long is waited, what is shown."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from orchestrator.core.errors import (
    CloudError,
    DeniedError,
    StillMovingError,
    ThrottledError,
    UnreachableError,
)
from orchestrator.core.golden import Request, Response
from orchestrator.core.live import Line, Pending, Position
from orchestrator.usecases.calling import await_answer, send_async
from orchestrator.usecases.edge import Edge, Patience
from orchestrator.usecases.following import follow
from tests.support.fakes import fake_edge

PENDING = Pending("digits", "s3://answers/out")


@dataclass
class Postbox:
    """A `Runtime` that answers after so many looks, and refuses the first of them."""

    looks: int
    refusals: list[CloudError] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)

    def invoke(self, endpoint: str, request: Request, *, variant: str | None = None) -> Response:
        raise NotImplementedError

    def invoke_stream(
        self, endpoint: str, request: Request, *, variant: str | None = None
    ) -> Iterator[bytes]:
        raise NotImplementedError

    def invoke_async(self, endpoint: str, request: Request, input_url: str) -> Pending:
        self.sent.append((endpoint, input_url))
        return PENDING

    def collect(self, pending: Pending) -> Response | None:
        if self.refusals:
            raise self.refusals.pop()
        self.looks -= 1
        return Response(200, b"7") if self.looks < 0 else None


@dataclass
class Chatter:
    """A `Logs` with something new at every look."""

    looks: Iterator[int] = field(default_factory=itertools.count)
    refusals: list[CloudError] = field(default_factory=list)

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        raise NotImplementedError

    def read(self, endpoint: str, position: Position) -> tuple[tuple[Line, ...], Position]:
        if self.refusals:
            raise self.refusals.pop()
        number = next(self.looks)
        return (Line(f"line {number}", float(number), "b/i-1", str(number)),), Position(float(number))


def edge(**parts: object) -> Edge:
    return replace(fake_edge().edge(), **parts)  # type: ignore[arg-type]  # the tests name the fields


def test_the_same_request_twice_is_stored_once_and_sent_twice() -> None:
    world, box = fake_edge(), Postbox(0)
    asked = replace(world.edge(), runtime=box)
    for _ in range(2):
        send_async("digits", Request(b"film"), asked)
    (key,) = (key for key in world.store.objects if "/inputs/" in key)
    assert world.store.objects[key] == b"film"
    assert box.sent == [("digits", world.store.url(key))] * 2


def test_an_answer_is_waited_for() -> None:
    assert await_answer(PENDING, edge(runtime=Postbox(5))) == Response(200, b"7")


@pytest.mark.parametrize("refusal", [ThrottledError("slow down"), UnreachableError("no answer")])
def test_a_passing_refusal_does_not_end_the_waiting(refusal: CloudError) -> None:
    assert await_answer(PENDING, edge(runtime=Postbox(1, [refusal]))).status == 200


def test_a_lasting_refusal_does() -> None:
    with pytest.raises(DeniedError):
        await_answer(PENDING, edge(runtime=Postbox(1, [DeniedError("no")])))


def test_the_end_of_patience_says_where_the_answer_will_be() -> None:
    with pytest.raises(StillMovingError) as caught:
        await_answer(PENDING, edge(runtime=Postbox(1000), patience=Patience(1.0, 10.0)))
    assert ("answer", "s3://answers/out") in caught.value.details


def test_a_log_is_followed_until_whoever_looks_has_seen_enough() -> None:
    shown = itertools.islice(follow("digits", 0.0, edge(logs=Chatter())), 3)
    assert [line.text for line in shown] == ["line 0", "line 1", "line 2"]


def test_nothing_of_a_log_is_lost_by_a_passing_refusal() -> None:
    refusals: list[CloudError] = [ThrottledError("slow down"), UnreachableError("no answer")]
    shown = itertools.islice(follow("digits", 0.0, edge(logs=Chatter(refusals=refusals))), 2)
    assert [line.text for line in shown] == ["line 0", "line 1"]


def test_a_log_that_may_not_be_read_is_an_error() -> None:
    with pytest.raises(DeniedError):
        next(follow("digits", 0.0, edge(logs=Chatter(refusals=[DeniedError("no")]))))
