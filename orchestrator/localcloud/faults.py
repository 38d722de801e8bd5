"""Faults on demand: what goes wrong next, so that a release can be rehearsed with it.

A fault waits for calls of an operation and befalls so many of them. Some befall the call, the others the
change of an endpoint that the call begins.
"""

import asyncio
import enum
import fnmatch
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.localcloud.apierrors import ApiError

_MEMBERS = frozenset({"operation", "kind", "times", "share", "seed"})


class Kind(enum.StrEnum):
    """What can go wrong."""

    THROTTLE = "throttle"
    LOSE_ANSWER = "lose-answer"
    RESET = "reset"
    SILENT_ROLLBACK = "silent-rollback"
    FAIL = "fail"
    CAPACITY = "capacity"
    STUCK = "stuck"
    UPDATE_ROLLBACK_FAILED = "update-rollback-failed"


OF_CALLS = frozenset({Kind.THROTTLE, Kind.LOSE_ANSWER, Kind.RESET})
"""Befall any call; the others befall ``CreateEndpoint`` and ``UpdateEndpoint`` only."""

DEPLOYING = frozenset({"CreateEndpoint", "UpdateEndpoint"})


@dataclass(eq=False)
class Fault:
    """A fault that waits for its calls.

    Attributes:
        operation: A shell pattern for names of operations.
        times: How many calls it has still to befall; ``None`` for all.
        share: Of the calls it befalls, from 0 to 1.
        seed: Of the chance by which it chooses them.
        lifted: Set once somebody has taken the fault back: what is stuck goes on then.
    """

    operation: str
    kind: Kind
    times: int | None
    share: float = 1.0
    seed: int = 0
    lifted: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)  # noqa: S311 - a run is to be repeatable, nothing is secret

    def befalls(self, operation: str) -> bool:
        """Tell whether it befalls this call, and count it if so."""
        if self.times == 0 or not fnmatch.fnmatchcase(operation, self.operation):
            return False
        if self._chance.random() >= self.share:
            return False
        if self.times is not None:
            self.times -= 1
        return True

    def shown(self) -> dict[str, object]:
        """Return it as JSON, with what is left of it."""
        return {
            "operation": self.operation,
            "kind": str(self.kind),
            "times": self.times,
            "share": self.share,
            "seed": self.seed,
        }


class Faults:
    """The faults that wait, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, request: object) -> Fault:
        """Let a fault wait, as ``POST /_local/faults`` asks for it.

        Raises:
            ApiError: If it is not one.
        """
        fault = _read(request)
        self._waiting.append(fault)
        return fault

    def lift(self) -> None:
        """Take all faults back, and let what is stuck go on."""
        for fault in self._waiting:
            fault.lifted.set()
        self._waiting.clear()

    def shown(self) -> list[dict[str, object]]:
        """Return all of them as JSON."""
        return [fault.shown() for fault in self._waiting]

    def of_call(self, operation: str) -> Kind | None:
        """Return what befalls a call, before it is looked at; it counts."""
        for fault in self._waiting:
            if fault.kind in OF_CALLS and fault.befalls(operation):
                return fault.kind
        return None

    def of_change(self, operation: str) -> Fault | None:
        """Return what befalls the change that a call has begun; it counts."""
        if operation not in DEPLOYING:
            return None
        for fault in self._waiting:
            if fault.kind not in OF_CALLS and fault.befalls(operation):
                return fault
        return None


def _read(request: object) -> Fault:
    if not isinstance(request, Mapping) or not set(request) <= _MEMBERS:
        raise _refused(f"a fault is an object with the members {', '.join(sorted(_MEMBERS))}")
    kind = request.get("kind")
    if not isinstance(kind, str) or kind not in set(Kind):
        raise _refused(f"the kind {kind!r} is none of {', '.join(Kind)}")
    operation, share = request.get("operation"), request.get("share", 1.0)
    if not isinstance(operation, str) or not operation:
        raise _refused("operation must be the name of one, or a pattern such as '*'")
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
        raise _refused("share must be a number above 0 and at most 1")
    times, seed = request.get("times", 1 if share == 1 else None), request.get("seed", 0)
    if times is not None and (type(times) is not int or times < 1):
        raise _refused("times must be a whole number above 0, or null for all calls")
    if type(seed) is not int:
        raise _refused("seed must be a whole number")
    return Fault(operation, Kind(kind), times, float(share), seed)


def _refused(why: str) -> ApiError:
    return ApiError("InvalidFault", why)
