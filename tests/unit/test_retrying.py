"""Calls of AWS made again and slowed down, through botocore's own machinery and without a socket."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import (
    ConnectionClosedError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from orchestrator.adapters.aws import Address, clients
from orchestrator.adapters.refusals import translated
from orchestrator.adapters.retrying import Lane, Pacing, Trouble, delay_seconds, trouble
from orchestrator.core.errors import CloudError, QuotaError, ThrottledError, UnreachableError
from tests.support.fakes import FakeClock

SERVICE = "application-autoscaling"
URL = "http://127.0.0.1:9"
ADDRESS = Address("eu-west-1", endpoint_url=URL, credentials=("key", "secret"))
RESET = ConnectionClosedError(endpoint_url=URL)
NOBODY = EndpointConnectionError(endpoint_url=URL)
SILENCE = ReadTimeoutError(endpoint_url=URL)


@dataclass
class Body:
    """What is left to read of an answer."""

    content: bytes

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.content


def answer(status: int = 200, **content: object) -> AWSResponse:
    return AWSResponse(URL, status, {}, Body(json.dumps(content).encode()))


def refusal(code: str, status: int = 400) -> AWSResponse:
    return answer(status, __type=code, message="no")


THROTTLED = refusal("ThrottlingException")


@dataclass
class Wire:
    """The other side: answers in the order of a script, and then well."""

    script: list[AWSResponse | Exception]
    clock: FakeClock = field(default_factory=FakeClock)
    moments: list[float] = field(default_factory=list)
    chance: Callable[[], float] = lambda: 0.5
    pacing: Pacing = field(init=False)
    usual: Any = field(init=False)

    def __post_init__(self) -> None:
        self.pacing = Pacing(self.clock, self.chance)
        self.usual = self.client()

    # Of the services with JSON answers, one whose model is quick to read.
    def client(self, service: str = SERVICE) -> Any:  # noqa: ANN401 - boto3 has no types
        made = clients(ADDRESS, self.pacing)(service)
        made.meta.events.register_last("before-send", self._send)
        return made

    def _send(self, **_: object) -> AWSResponse:
        self.moments.append(self.clock.now())
        next_one = self.script.pop(0) if self.script else answer(ScalableTargets=[])
        if isinstance(next_one, Exception):
            raise next_one
        return next_one

    def ask(self) -> int:
        """Make one call, and return how often it was sent."""
        before = len(self.moments)
        with translated("listing targets"):
            self.usual.describe_scalable_targets(ServiceNamespace="sagemaker")
        return len(self.moments) - before


def refused(code: str, status: int = 400) -> tuple[AWSResponse, dict[str, Any]]:
    return AWSResponse(URL, status, {}, Body(b"")), {"Error": {"Code": code}}


@pytest.mark.parametrize(
    ("response", "error", "expected"),
    [
        (refused("ThrottlingException"), None, Trouble.THROTTLED),
        (refused("SlowDown", 503), None, Trouble.THROTTLED),
        (refused("", 429), None, Trouble.THROTTLED),
        (refused("ModelNotReadyException", 429), None, Trouble.BROKEN),
        (refused("InternalFailure", 500), None, Trouble.BROKEN),
        (refused("ServiceUnavailable", 503), None, Trouble.BROKEN),
        (refused("InternalDependencyException", 530), None, Trouble.BROKEN),
        (refused("RequestTimeout"), None, Trouble.BROKEN),
        (None, RESET, Trouble.BROKEN),
        (None, SILENCE, Trouble.SILENT),
        (None, NOBODY, Trouble.SILENT),
        (None, NoCredentialsError(), None),
        (None, None, None),
        (refused("ValidationException"), None, None),
        (refused("AccessDeniedException"), None, None),
        (refused("ResourceLimitExceeded"), None, None),
        (refused("LimitExceededException"), None, None),
        (refused("NotImplemented", 501), None, None),
        (refused("ModelError", 424), None, None),
        (refused("PreconditionFailed", 412), None, None),
        ((AWSResponse(URL, 200, {}, Body(b"")), {}), None, None),
    ],
)
def test_only_what_passes_is_tried_again(
    response: tuple[AWSResponse, dict[str, Any]] | None, error: Exception | None, expected: Trouble | None
) -> None:
    assert trouble(response, error) is expected


def test_a_call_is_sent_again_until_it_is_answered() -> None:
    assert Wire([THROTTLED, RESET, refusal("InternalFailure", 500)]).ask() == 4


def test_a_call_that_is_refused_for_good_is_sent_once() -> None:
    wire = Wire([refusal("LimitExceededException")])
    with pytest.raises(QuotaError):
        wire.ask()
    assert len(wire.moments) == 1


@pytest.mark.parametrize(
    ("passing", "attempts", "kind"),
    [
        (THROTTLED, 10, ThrottledError),
        (refusal("InternalFailure", 500), 10, UnreachableError),
        (SILENCE, 4, UnreachableError),
    ],
    ids=["throttled", "internal", "timeout"],
)
def test_in_the_end_the_error_says_what_it_was(
    passing: AWSResponse | Exception, attempts: int, kind: type[CloudError]
) -> None:
    wire = Wire([passing] * 20)
    with pytest.raises(kind) as caught:
        wire.ask()
    assert type(caught.value) is kind
    assert len(wire.moments) == attempts


def test_a_model_is_not_asked_ten_times() -> None:
    wire = Wire([refusal("InternalFailure", 500)] * 20)
    runtime = wire.client("sagemaker-runtime")
    with pytest.raises(UnreachableError), translated("invoking"):
        runtime.invoke_endpoint(EndpointName="digits", Body=b"{}")
    assert len(wire.moments) == 3


def test_waits_grow_and_are_drawn_by_chance_up_to_a_cap() -> None:
    assert [delay_seconds(attempts, lambda: 1.0) for attempts in range(1, 10)] == pytest.approx(
        [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20.0, 20.0]
    )
    assert delay_seconds(5, lambda: 0.0) == 0.0


def test_waiting_is_done_on_the_clock_that_was_given() -> None:
    wire = Wire([RESET, RESET, RESET])
    wire.ask()
    first = wire.moments[0]
    assert [moment - first for moment in wire.moments] == pytest.approx([0.0, 0.1, 0.3, 0.7])


def test_after_a_throttle_every_client_of_the_account_slows_down_and_recovers() -> None:
    wire = Wire([THROTTLED], chance=lambda: 0.0)
    wire.ask()
    other = wire.client()
    for client in (other, wire.usual, other):
        client.describe_scalable_targets(ServiceNamespace="sagemaker")
    gaps = [later - earlier for earlier, later in zip(wire.moments[2:], wire.moments[3:], strict=False)]
    assert all(0.03 < gap <= 0.05 for gap in gaps)
    for _ in range(60):
        wire.ask()
    assert wire.moments[-1] == wire.moments[-2]


def test_another_service_is_not_slowed_down() -> None:
    wire = Wire([THROTTLED], chance=lambda: 0.0)
    wire.ask()
    assert wire.pacing.lane((ADDRESS, SERVICE)).rate is not None
    assert wire.pacing.lane((ADDRESS, "logs")).rate is None


def test_a_lane_that_is_throttled_without_end_keeps_a_floor_and_a_volley_counts_once() -> None:
    clock = FakeClock()
    lane = Lane(clock)
    lane.throttled()
    lane.throttled()
    assert lane.rate == 20.0
    for _ in range(100):
        clock.sleep(2)
        lane.throttled()
    assert lane.rate == 0.5


def test_with_three_throttles_for_ten_calls_nothing_is_sent_but_what_was_refused() -> None:
    wire = Wire([])
    for number in range(200):
        wire.script += [THROTTLED] * (number % 10 < 3) + [answer(ScalableTargets=[])]
    for _ in range(200):
        wire.ask()
    assert len(wire.moments) == 260


def test_the_clients_of_an_address_are_made_once() -> None:
    made = clients(ADDRESS, Pacing(FakeClock()))
    assert made(SERVICE) is made(SERVICE)
    assert made(SERVICE) is not made("sts")
