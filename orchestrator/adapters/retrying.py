"""Calls of AWS made again, and slowed down together.

botocore's own retries are off: each of its clients retries for itself, so that many workers hammer a service
that asks for fewer calls. Here they share one lane for each service of an account and region, and time and
chance are arguments. Knows botocore's events; must not know what a call is for.
"""

import enum
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from orchestrator.adapters.clock import SystemClock
from orchestrator.core.ports import Clock

THROTTLED_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""From botocore's standard mode, but for ``LimitExceededException``: with us that is a quota, which stays."""

_PASSING_CODES = frozenset(
    {"ModelNotReadyException", "PriorRequestNotComplete", "RequestTimeout", "RequestTimeoutException"}
)
_TOO_MANY_REQUESTS, _INTERNAL, _NOT_IMPLEMENTED = 429, 500, 501
_ATTEMPTS = 10
# A model works for every invocation, wanted or not.
_ATTEMPTS_OF = {"sagemaker-runtime": 3}
# Each may take a minute, and the cause is seldom AWS's.
_SILENT_ATTEMPTS = 4
_FIRST_DELAY_SECONDS, _LONGEST_DELAY_SECONDS = 0.2, 20.0
# Calls a second, once a service has asked for fewer: additive increase, multiplicative decrease.
_FIRST_RATE, _SLOWEST_RATE, _UNLIMITED_RATE = 20.0, 0.5, 50.0
_DECREASE, _INCREASE = 0.7, 1.0
# Throttled answers come in volleys, since many calls are under way at once; a volley slows us down once.
_VOLLEY_SECONDS = 1.0


class Trouble(enum.Enum):
    """Why a call is made again: AWS asks for fewer, something broke, or nobody answers in time."""

    THROTTLED = "throttled"
    BROKEN = "broken"
    SILENT = "silent"


def trouble(response: tuple[Any, Any] | None, error: Exception | None) -> Trouble | None:
    """Return why the call should be made again, or ``None`` if its answer stands.

    Args:
        response: HTTP answer and parsed content, as botocore's ``needs-retry`` hands them over.
        error: What was raised where there is no answer.
    """
    if response is None:
        return _trouble_of(error)
    status, code = response[0].status_code, response[1].get("Error", {}).get("Code", "")
    if code in _PASSING_CODES:
        return Trouble.BROKEN
    if code in THROTTLED_CODES or status == _TOO_MANY_REQUESTS:
        return Trouble.THROTTLED
    return Trouble.BROKEN if status >= _INTERNAL and status != _NOT_IMPLEMENTED else None


def _trouble_of(error: Exception | None) -> Trouble | None:
    match error:
        case (
            EndpointConnectionError()
            | ConnectTimeoutError()
            | ReadTimeoutError()
            | ProxyConnectionError()
            | SSLError()
        ):
            return Trouble.SILENT
        case NoConnectionError() | HTTPClientError() | IncompleteReadError():
            return Trouble.BROKEN
        case _:
            return None


class Lane:
    """The calls of this process to one service of one account and region.

    Free until the service asks for fewer calls; then one after the other, at a rate that falls with every
    volley of throttled answers and rises with every other answer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rate: float | None = None
        self._free_at = 0.0
        self._slowed_at = float("-inf")

    @property
    def rate(self) -> float | None:
        """Calls a second, or ``None`` while nothing limits them."""
        return self._rate

    def wait(self) -> None:
        """Return when it is this call's turn."""
        with self._lock:
            if self._rate is None:
                return
            now = self._clock.now()
            turn = max(now, self._free_at)
            self._free_at = turn + 1 / self._rate
        if turn > now:
            self._clock.sleep(turn - now)

    def throttled(self) -> None:
        """Slow down."""
        with self._lock:
            now = self._clock.now()
            if now - self._slowed_at < _VOLLEY_SECONDS:
                return
            self._slowed_at = now
            self._rate = _FIRST_RATE if self._rate is None else max(_SLOWEST_RATE, self._rate * _DECREASE)

    def answered(self) -> None:
        """Go a little faster."""
        with self._lock:
            if self._rate is not None:
                faster = self._rate + _INCREASE
                self._rate = faster if faster < _UNLIMITED_RATE else None


@dataclass(frozen=True, slots=True)
class _Retrying:
    """What one client's events call."""

    lane: Lane
    clock: Clock
    chance: Callable[[], float]
    attempts: int

    def before_send(self, **_: object) -> None:
        self.lane.wait()

    def needs_retry(
        self,
        *,
        response: tuple[Any, Any] | None,
        attempts: int,
        caught_exception: Exception | None,
        **_: object,
    ) -> float | None:
        """Sleep and return 0 if the call should be made again: botocore would sleep by its own clock."""
        found = trouble(response, caught_exception)
        if found is Trouble.THROTTLED:
            self.lane.throttled()
        elif response is not None:
            self.lane.answered()
        most = min(self.attempts, _SILENT_ATTEMPTS) if found is Trouble.SILENT else self.attempts
        if found is None or attempts >= most:
            return None
        self.clock.sleep(delay_seconds(attempts, self.chance))
        return 0.0


def delay_seconds(attempts: int, chance: Callable[[], float]) -> float:
    """Return how long to wait after so many failed ``attempts``: exponential, with full jitter.

    Full jitter spreads the calls of many workers best and does the least work: AWS Architecture Blog,
    "Exponential Backoff And Jitter".

    >>> delay_seconds(1, lambda: 0.5), delay_seconds(3, lambda: 1.0), delay_seconds(40, lambda: 1.0)
    (0.1, 0.8, 20.0)
    """
    # No power beyond the cap: 2.0 ** 1024 overflows.
    longest = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * 2.0 ** min(attempts - 1, 16))
    return chance() * longest


class Pacing:
    """Retries and lanes on one clock.

    Args:
        clock: What waiting is done on.
        chance: Gives numbers from 0 to 1.
        most_attempts: How often a call is made at most, however good the reasons to make it again.
    """

    def __init__(
        self, clock: Clock, chance: Callable[[], float] = random.random, *, most_attempts: int = _ATTEMPTS
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._most_attempts = most_attempts
        self._lock = threading.Lock()
        self._lanes: dict[object, Lane] = {}

    def lane(self, key: object) -> Lane:
        """Return the one lane of ``key``."""
        with self._lock:
            return self._lanes.setdefault(key, Lane(self._clock))

    def attach(self, client: Any, service: str, account: object) -> None:  # noqa: ANN401 - boto3 has no types
        """Make ``client`` retry, in the lane of ``service`` in ``account`` (account and region)."""
        attempts = min(_ATTEMPTS_OF.get(service, _ATTEMPTS), self._most_attempts)
        retrying = _Retrying(self.lane((account, service)), self._clock, self._chance, attempts)
        event = client.meta.service_model.service_id.hyphenize()
        client.meta.events.register(f"before-send.{event}", retrying.before_send)
        client.meta.events.register(f"needs-retry.{event}", retrying.needs_retry)


PROCESS = Pacing(SystemClock())
"""What all clients of this process share unless they are told otherwise."""
