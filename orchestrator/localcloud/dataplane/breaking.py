"""Models that fail on demand: the fleet takes the request, and in place of the model the fault answers.

So the failure is counted and captured, an alarm on it fires, and a rollout goes back, as if the model's code
had failed.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import cast

from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.faulting.faults import Call, Faults, Kind
from orchestrator.localcloud.fleets.exchange import Answer, Headers, Streamed, in_one_part
from orchestrator.localcloud.fleets.fleet import Fleet
from orchestrator.localcloud.world import Place

_FAILED = Answer(
    500, (("content-type", "text/plain"),), b"the model fails: a fault of the kind model-error befalls it"
)
_INVOCATIONS = ("InvokeEndpoint", "InvokeEndpointAsync", "InvokeEndpointWithResponseStream")


def breaking(traffic: Callable[[Place], Traffic | None], faults: Faults) -> Callable[[Place], Traffic | None]:
    """Return who answers requests as ``traffic`` does, but for models that are to fail."""

    def found(place: Place) -> Traffic | None:
        whole = traffic(place)
        if whole is None or not faults.waits(Kind.MODEL_ERROR):
            return whole
        return replace(whole, shares=tuple(_broken(place, share, faults) for share in whole.shares))

    return found


def _broken(place: Place, share: Share, faults: Faults) -> Share:
    call = Call(_INVOCATIONS, place.scope.region, place.endpoint, share.deployment.config)
    return replace(share, fleet=cast("Fleet", _Breaking(share.fleet, lambda: bool(faults.of_model(call)))))


class _Breaking:
    """A fleet that fails requests of which ``is_next`` says so, and is in all else the one it stands for."""

    def __init__(self, fleet: Fleet, is_next: Callable[[], bool]) -> None:
        self._fleet = fleet
        self._is_next = is_next

    def __getattr__(self, name: str) -> object:
        return getattr(self._fleet, name)

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        if self._is_next():
            return _FAILED
        return await self._fleet.ask(headers, body, instance)

    @contextlib.asynccontextmanager
    async def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AsyncIterator[Streamed]:
        if self._is_next():
            yield in_one_part(_FAILED)
            return
        async with self._fleet.stream(headers, body, instance) as answer:
            yield answer
