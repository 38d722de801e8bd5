"""The fleets that are alive: begun together, and none of them left behind."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from typing import Protocol

from orchestrator.localcloud.faulting.faults import Fault
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.world import Place, Variant


class Launch(Protocol):
    """Starts the fleet of one variant."""

    async def __call__(self, place: Place, variant: Variant, *, fault: Fault | None = None) -> Fleet:
        """Return it once it answers.

        Raises:
            FleetError: If it does not come up.
        """
        ...


class Fleets:
    """Starts and ends fleets.

    Args:
        launch: Starts one.
    """

    def __init__(self, launch: Launch) -> None:
        self._launch = launch
        self._alive: set[Fleet] = set()

    async def start(
        self, place: Place, variants: Iterable[Variant], fault: Fault | None = None
    ) -> Mapping[str, Fleet]:
        """Return the fleets of ``variants`` by name once all answer; if one does not, end the others.

        Raises:
            FleetError: If one does not come up, with what the endpoint says of it.
        """
        async with AsyncExitStack() as started:
            fleets: dict[str, Fleet] = {}
            for variant in variants:
                try:
                    fleet = await self._launch(place, variant, fault=fault)
                except FleetError as error:
                    raise FleetError(error.reason or _unhealthy(variant.name)) from error
                self._alive.add(fleet)
                started.push_async_callback(self.end, (fleet,), drain=False)
                fleets[variant.name] = fleet
            started.pop_all()
        return fleets

    async def end(self, fleets: Iterable[Fleet], *, drain: bool) -> None:
        """End some fleets; with ``drain``, after the requests that they are answering."""
        ending = tuple(fleets)
        await asyncio.gather(*(fleet.stop(drain=drain) for fleet in ending))
        self._alive.difference_update(ending)

    async def close(self) -> None:
        """End every fleet at once."""
        await self.end(tuple(self._alive), drain=False)


def _unhealthy(variant: str) -> str:
    """Return SageMaker's words for a container that does not come up, whatever kept it from it."""
    return (
        f"The primary container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
