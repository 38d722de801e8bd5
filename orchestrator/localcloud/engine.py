"""The deployment engine: carries out what the rules of endpoints have begun.

Blue/green, all traffic at once: the new fleets are started beside the old ones; once all answer, traffic
moves in one assignment, and the old fleets end after the requests they are answering. If one does not
come up, the old fleets are left alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack

from orchestrator.localcloud import endpoints
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.fleet import Fleet, FleetError, Place
from orchestrator.localcloud.world import Deployment, Variant, Worlds

Launch = Callable[[Place, Variant], Awaitable[Fleet]]


class Engine:
    """Starts, switches and ends fleets in the background, and lets the endpoints' states follow.

    Args:
        worlds: Where the states are.
        launch: Starts the fleet of one variant, or raises `FleetError`.
        clock: Seconds since 1970.
    """

    def __init__(self, worlds: Worlds, launch: Launch, clock: Callable[[], float]) -> None:
        self._worlds = worlds
        self._launch = launch
        self._clock = clock
        self._serving: dict[Place, tuple[Fleet, ...]] = {}
        self._alive: set[Fleet] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def fleets(self, place: Place) -> tuple[Fleet, ...]:
        """Return the fleets that requests go to now; none if the endpoint does not serve."""
        return self._serving.get(place, ())

    def deploy(self, place: Place) -> None:
        """Begin to carry out what is pending on the endpoint.

        Raises:
            ApiError: If the local cloud is about to end.
        """
        if self._closed:
            raise ApiError("ServiceShuttingDown", "the local cloud is about to end")
        pending = self._worlds.at(place.scope).endpoints[place.endpoint].pending
        if pending is not None:
            self._begin(self._deploy(place, pending))

    def delete(self, place: Place) -> None:
        """Begin to end the endpoint's fleets; it is gone once they are."""
        self._begin(self._delete(place))

    async def close(self) -> None:
        """End every fleet and give up what is under way."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._serving.clear()
        await self._end(tuple(self._alive), drain=False)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deploy(self, place: Place, deployment: Deployment) -> None:
        old = self.fleets(place)
        try:
            new = await self._start(place, deployment)
        except FleetError as error:
            world = self._worlds.at(place.scope)
            self._worlds.put(endpoints.failed(world, place.endpoint, str(error), self._clock()))
            return
        self._serving[place] = new
        if old:
            await asyncio.sleep(endpoints.bake_seconds(deployment.policy))
        self._worlds.put(endpoints.arrived(self._worlds.at(place.scope), place.endpoint, self._clock()))
        await self._end(old, drain=True)

    async def _start(self, place: Place, deployment: Deployment) -> tuple[Fleet, ...]:
        """Return the new fleets once all answer; if one does not, end the others."""
        async with AsyncExitStack() as started:
            fleets: list[Fleet] = []
            for variant in deployment.variants:
                try:
                    fleet = await self._launch(place, variant)
                except FleetError as error:
                    raise FleetError(_reason(variant.name)) from error
                self._alive.add(fleet)
                started.push_async_callback(self._end, (fleet,), drain=False)
                fleets.append(fleet)
            started.pop_all()
        return tuple(fleets)

    async def _delete(self, place: Place) -> None:
        await self._end(self._serving.pop(place, ()), drain=True)
        self._worlds.put(endpoints.gone(self._worlds.at(place.scope), place.endpoint))

    async def _end(self, fleets: tuple[Fleet, ...], *, drain: bool) -> None:
        await asyncio.gather(*(fleet.stop(drain=drain) for fleet in fleets))
        self._alive.difference_update(fleets)


def _reason(variant: str) -> str:
    """Return SageMaker's words for a container that does not come up, whatever kept it from it."""
    return (
        f"The primary container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )
