"""Faults on demand: what goes wrong next, so that a release can be rehearsed with it.

A fault waits for calls of an operation and befalls so many of them. Some befall the call, some what a read
answers or what a model does, the others the change of an endpoint that the call begins.
"""

import asyncio
import enum
import fnmatch
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.localcloud.apierrors import ApiError

ALL = "*"
"""The pattern that fits every name."""


class Kind(enum.StrEnum):
    """What can go wrong."""

    THROTTLE = "throttle"
    SERVER_ERROR = "server-error"
    RESET = "reset"
    LOSE_ANSWER = "lose-answer"
    LATENCY = "latency"
    REGION_DOWN = "region-down"
    EVENTUAL_CONSISTENCY = "eventual-consistency"
    MODEL_ERROR = "model-error"
    SILENT_ROLLBACK = "silent-rollback"
    CAPACITY = "capacity"
    FAIL = "fail"
    STUCK = "stuck"
    UPDATE_ROLLBACK_FAILED = "update-rollback-failed"
    SLOW_START = "slow-start"
    CRASH_LOOP = "crash-loop"


OF_CALLS = frozenset({Kind.THROTTLE, Kind.SERVER_ERROR, Kind.RESET, Kind.LOSE_ANSWER, Kind.REGION_DOWN})
"""Befall any call, in place of its answer."""

OF_CHANGES = frozenset(
    {
        Kind.SILENT_ROLLBACK,
        Kind.CAPACITY,
        Kind.FAIL,
        Kind.STUCK,
        Kind.UPDATE_ROLLBACK_FAILED,
        Kind.SLOW_START,
        Kind.CRASH_LOOP,
    }
)
"""Befall ``CreateEndpoint`` and ``UpdateEndpoint`` only."""

OF_UPDATES = frozenset({Kind.SILENT_ROLLBACK, Kind.UPDATE_ROLLBACK_FAILED})
"""Befall ``UpdateEndpoint`` alone: a new endpoint has nothing to go back to."""

UPDATE = "UpdateEndpoint"
DEPLOYING = frozenset({"CreateEndpoint", UPDATE})


@dataclass(frozen=True, slots=True)
class Call:
    """What a fault may befall.

    Attributes:
        names: What the call is called: the operation of the API, or method and path, or both.
        endpoint: The endpoint that it is about; empty if it is about none.
        config: The endpoint config of the fleet that answers; only of calls to models.
    """

    names: tuple[str, ...]
    region: str
    endpoint: str = ""
    config: str = ""


@dataclass(eq=False)
class Fault:
    """A fault that waits for its calls.

    Attributes:
        operation: A shell pattern for names of operations.
        times: How many calls it has still to befall; ``None`` for all.
        share: Of the calls it befalls, from 0 to 1.
        seed: Of the chance by which it chooses them.
        seconds: Of the clock on the wall: how much later an answer or a container comes, how old a read is.
        rate: Calls per second that it lets through before it befalls any; ``None`` for none.
        crashes: How many containers end at their start, one after the other; ``None`` for all.
        endpoint: A shell pattern for names of endpoints.
        region: A shell pattern for names of regions.
        config: A shell pattern for names of endpoint configs.
        id: By which it is taken back.
        befallen: How many calls it has befallen.
        lifted: Set once somebody has taken the fault back: what is stuck goes on then.
    """

    operation: str
    kind: Kind
    times: int | None
    share: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    rate: float | None = None
    crashes: int | None = None
    endpoint: str = ALL
    region: str = ALL
    config: str = ALL
    id: str = ""
    befallen: int = 0
    lifted: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a run is to be repeatable, nothing is secret
        # What may still go through, and since when it has been growing.
        self._allowed, self._since = self.rate or 0.0, 0.0

    def befalls(self, call: Call, now: float = 0.0) -> bool:
        """Tell whether it befalls this call, and count it if so.

        Args:
            call: What is asked for.
            now: In seconds that only grow.
        """
        if self.times == 0 or not self.fits(call) or self._lets_through(now):
            return False
        if self._chance.random() >= self.share:
            return False
        if self.times is not None:
            self.times -= 1
        self.befallen += 1
        return True

    def fits(self, call: Call) -> bool:
        """Tell whether it waits for such calls; a call about no endpoint fits only the pattern for all."""
        return (
            any(fnmatch.fnmatchcase(name, self.operation) for name in call.names)
            and fnmatch.fnmatchcase(call.region, self.region)
            and fnmatch.fnmatchcase(call.endpoint, self.endpoint)
            and fnmatch.fnmatchcase(call.config, self.config)
        )

    def shown(self) -> dict[str, object]:
        """Return it as JSON, with what is left of it; members without effect are left out."""
        special = {
            "seconds": self.seconds or None,
            "rate": self.rate,
            "crashes": self.crashes,
            **{
                name: pattern
                for name in ("endpoint", "region", "config")
                if (pattern := getattr(self, name)) != ALL
            },
        }
        return {
            "id": self.id,
            "operation": self.operation,
            "kind": str(self.kind),
            "times": self.times,
            "share": self.share,
            "seed": self.seed,
            **{name: value for name, value in special.items() if value is not None},
            "befallen": self.befallen,
        }

    def _lets_through(self, now: float) -> bool:
        """Take one call from what may go through: a bucket that holds one second's calls."""
        if self.rate is None:
            return False
        grown = self._allowed + (now - self._since) * self.rate if self._since else self._allowed
        self._allowed, self._since = min(max(self.rate, 1.0), grown), now
        if self._allowed < 1:
            return False
        self._allowed -= 1
        return True


class Faults:
    """The faults that wait, oldest first.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._waiting: list[Fault] = []
        self._numbers = itertools.count(1)
        self._seeing: list[Callable[[], None]] = []

    def subscribe(self, seen: Callable[[], None]) -> None:
        """Let ``seen`` be called after each change of what waits."""
        self._seeing.append(seen)

    def add(self, fault: Fault) -> Fault:
        """Let a fault wait, and give it its number."""
        fault.id = str(next(self._numbers))
        self._waiting.append(fault)
        self._tell()
        return fault

    def lift(self, number: str | None = None) -> None:
        """Take one fault back, or all without a ``number``, and let what is stuck go on.

        Raises:
            ApiError: If there is no such fault.
        """
        lifted = [fault for fault in self._waiting if number in {None, fault.id}]
        if number is not None and not lifted:
            raise ApiError("NotFound", f"there is no fault '{number}'", status=404)
        for fault in lifted:
            fault.lifted.set()
        self._waiting = [fault for fault in self._waiting if fault not in lifted]
        self._tell()

    def shown(self) -> list[dict[str, object]]:
        """Return all of them as JSON."""
        return [fault.shown() for fault in self._waiting]

    def waits(self, *kinds: Kind) -> bool:
        """Tell whether there is a fault of one of these kinds."""
        return any(fault.kind in kinds and fault.times != 0 for fault in self._waiting)

    @property
    def is_choosy(self) -> bool:
        """Whether it matters which endpoint a call is about."""
        return any(fault.endpoint != ALL for fault in self._waiting)

    def of_call(self, call: Call) -> Fault | None:
        """Return what befalls a call, before it is looked at; it counts."""
        return self._first(OF_CALLS, call)

    def delay_of(self, call: Call) -> float:
        """Return by how many seconds the answer to a call is to be late; it counts."""
        return sum(
            fault.seconds
            for fault in self._waiting
            if fault.kind is Kind.LATENCY and fault.befalls(call, self._clock())
        )

    def of_read(self, call: Call) -> Fault | None:
        """Return what makes a read answer what was there before; it counts."""
        return self._first({Kind.EVENTUAL_CONSISTENCY}, call)

    def of_model(self, call: Call) -> Fault | None:
        """Return what makes a model fail a request; it counts."""
        return self._first({Kind.MODEL_ERROR}, call)

    def of_change(self, call: Call) -> Fault | None:
        """Return what befalls the change that a call has begun; it counts."""
        if not DEPLOYING.intersection(call.names):
            return None
        return self._first(OF_CHANGES if UPDATE in call.names else OF_CHANGES - OF_UPDATES, call)

    def _first(self, kinds: frozenset[Kind] | set[Kind], call: Call) -> Fault | None:
        now = self._clock()
        for fault in self._waiting:
            if fault.kind in kinds and fault.befalls(call, now):
                return fault
        return None

    def _tell(self) -> None:
        for seen in self._seeing:
            seen()
