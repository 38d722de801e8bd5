"""The deployment engine: carries out what the rules of endpoints have begun.

The new fleets are started beside the old ones, and traffic moves to them in the phases of the rollout; each
move is one assignment. Once all has moved, the old fleets end after the requests they are answering. If a
fleet does not come up, an alarm fires or time runs out, all traffic goes back in one assignment.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.dataplane.traffic import Traffic, mixed, whole
from orchestrator.localcloud.deploying import resizing, transitions
from orchestrator.localcloud.deploying.reviving import revived
from orchestrator.localcloud.faulting.faults import Fault, Kind
from orchestrator.localcloud.fleets.fleet import Fleet, FleetError
from orchestrator.localcloud.fleets.living import Fleets, Launch
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.rules import endpoints
from orchestrator.localcloud.rules.rollouts import Phase, alarms_of, launching, timeline, timeout_seconds
from orchestrator.localcloud.world import Deployment, Place, Scope, World
from orchestrator.localcloud.worlds import Worlds

FAILED = "Request to service failed. If failure persists after retry, contact customer support."
"""What AWS says of a failure that is its own."""

Firing = Callable[[Scope, Sequence[str]], Awaitable[str | None]]
_WATCH_SECONDS = 1.0
_NO_CAPACITY = (
    "CapacityError: Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity "
    "error. Please retry using a different ML instance type or after some time."
)
_HALF = 0.5


class RolledBackError(Exception):
    """A deployment is given up after its fleets came up."""


class Engine:
    """Starts, switches and ends fleets in the background, and lets the endpoints' states follow.

    Args:
        worlds: Where the states are.
        launch: Starts the fleet of one variant, or raises `FleetError`.
        firing: Returns which of some alarms is in ALARM, if one is.
        pace: What rollouts wait by.
    """

    def __init__(self, worlds: Worlds, launch: Launch, firing: Firing, pace: Pace) -> None:
        self._worlds = worlds
        self._fleets = Fleets(launch)
        self._firing = firing
        self._pace = pace
        self._traffic: dict[Place, Traffic] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def traffic(self, place: Place) -> Traffic | None:
        """Return who answers requests now, if the endpoint serves."""
        return self._traffic.get(place)

    def fleets(self, place: Place) -> tuple[Fleet, ...]:
        """Return every fleet that has a share of an endpoint's traffic, its shadows among them."""
        traffic = self.traffic(place)
        return traffic.fleets if traffic else ()

    def deploy(self, place: Place, fault: Fault | None = None) -> None:
        """Begin to carry out what is pending on the endpoint, with what is to go wrong with it.

        Raises:
            ApiError: If the local cloud is about to end.
        """
        if self._closed:
            raise ApiError("ServiceShuttingDown", "the local cloud is about to end")
        pending = self._worlds.at(place.scope).endpoints[place.endpoint].pending
        if pending is not None:
            self._begin(place, self._deploy(place, pending, fault))

    def reshape(self, place: Place) -> None:
        """Begin to give what serves other weights and counts."""
        self._begin(place, self._reshape(place))

    def revive(self, place: Place) -> None:
        """Begin to start what an endpoint served before the local cloud was started again."""
        self._begin(place, self._revive(place))

    def delete(self, place: Place) -> None:
        """Begin to end the endpoint's fleets; it is gone once they are."""
        self._begin(place, self._delete(place))

    async def close(self) -> None:
        """End every fleet and give up what is under way."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._traffic.clear()
        await self._fleets.close()

    def _begin(self, place: Place, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._ended(place, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ended(self, place: Place, work: Coroutine[None, None, None]) -> None:
        """Let an endpoint fail whose change breaks for a reason that nobody thought of."""
        try:
            await work
        except Exception:
            logging.getLogger(__name__).exception("a change of endpoint %s broke", place.endpoint)
            self._settle(place, endpoints.broken, FAILED)
            await self._fleets.end(self._leave(place), drain=True)

    async def _deploy(self, place: Place, deployment: Deployment, fault: Fault | None) -> None:
        old = self.traffic(place)
        kind = fault.kind if fault else None
        if fault is not None and kind is Kind.STUCK:
            await fault.lifted.wait()
        if kind is Kind.FAIL:
            self._settle(place, endpoints.broken, FAILED)
            await self._fleets.end(self._leave(place), drain=True)
            return
        if kind is Kind.CAPACITY:
            self._settle(place, endpoints.short_of_capacity, _NO_CAPACITY)
            return
        try:
            async with asyncio.timeout(self._left(deployment) if old else None):
                new = await self._start(place, deployment, old, fault)
        except (FleetError, TimeoutError) as error:
            self._settle(place, endpoints.failed, str(error) or "The deployment has timed out.")
            return
        await self._move(place, old, whole(deployment, new), kind)

    async def _move(self, place: Place, old: Traffic | None, new: Traffic, kind: Kind | None) -> None:
        """Let traffic go over from ``old`` to ``new``, or back."""
        given_up = kind in {Kind.SILENT_ROLLBACK, Kind.UPDATE_ROLLBACK_FAILED}
        try:
            if old is not None:
                await self._shift(place, old, new, given_up=given_up)
            if given_up:
                raise RolledBackError  # noqa: TRY301 - a fault on demand takes the way of a real one
        except RolledBackError:
            await self._back(place, old, new, kind)
            return
        self._traffic[place] = new
        self._settle(place, endpoints.arrived)
        await self._fleets.end(old.fleets if old else (), drain=True)

    async def _shift(self, place: Place, old: Traffic, new: Traffic, *, given_up: bool) -> None:
        """Go through the phases that follow the launch, or only into the first of them.

        Raises:
            RolledBackError: If an alarm fires, or the deployment takes longer than it may.
        """
        deployment = new.shares[0].deployment
        _, *phases = timeline(deployment.policy, deployment.variants)
        for phase in phases[:1] if given_up else phases:
            try:
                async with asyncio.timeout(self._left(deployment)):
                    await self._enter(place, old, new, phase)
            except (FleetError, TimeoutError) as error:
                raise RolledBackError(str(error)) from error
            await self._bake(place, deployment, phase.seconds)

    async def _enter(self, place: Place, old: Traffic, new: Traffic, phase: Phase) -> None:
        """Let instances come, then traffic move, then instances go: in this order no request fails.

        Raises:
            FleetError: If an instance does not come up.
        """
        self._show(place, phase)
        wanted = resizing.sizes(old, new, phase)
        for fleet, count in wanted.items():
            if count > fleet.count:
                await fleet.resize(count)
        self._traffic[place] = mixed(old, new, _portions(phase))
        for fleet, count in wanted.items():
            if count < fleet.count:
                await fleet.resize(count)

    async def _back(self, place: Place, old: Traffic | None, new: Traffic, kind: Kind | None) -> None:
        """Give all traffic back to ``old``; if even that is to fail, leave a mix of both."""
        if old is not None:
            try:
                if kind is Kind.UPDATE_ROLLBACK_FAILED:
                    raise FleetError(str(kind))  # noqa: TRY301 - a fault on demand takes the way of a real one
                for phase in resizing.back(new):
                    await self._enter(place, old, new, phase)
            except FleetError:
                self._strand(place, old, new)
                return
            self._traffic[place] = old
        self._settle(place, endpoints.failed, "The deployment was rolled back.")
        await self._fleets.end(new.fleets, drain=True)

    def _strand(self, place: Place, old: Traffic, new: Traffic) -> None:
        """Let both fleets answer, half each."""
        both = mixed(old, new, {share.variant.name: _HALF for share in new.shares})
        self._traffic[place] = Traffic(both.shares, (*old.shadows, *new.shadows))
        self._settle(place, endpoints.stranded, "The rollback of the update has failed.")

    async def _bake(self, place: Place, deployment: Deployment, seconds: float) -> None:
        """Wait, and look at the alarms before, meanwhile and once more at the end.

        Raises:
            RolledBackError: If an alarm fires, or the deployment takes longer than it may.
        """
        if not seconds:
            return
        until = self._pace.clock() + self._pace.shortened(seconds)
        while True:
            alarm = await self._firing(place.scope, alarms_of(deployment.policy))
            left = self._left(deployment)
            if alarm is not None or (left is not None and left <= 0):
                raise RolledBackError(alarm or "time")
            now = self._pace.clock()
            if now >= until:
                return
            await self._pace.sleep(min(_WATCH_SECONDS, until - now))

    def _left(self, deployment: Deployment) -> float | None:
        """Return how many seconds of the clock a deployment has left; ``None`` for as many as it wants."""
        limit = timeout_seconds(deployment.policy)
        if limit == float("inf"):
            return None
        return deployment.since + self._pace.shortened(limit) - self._pace.clock()

    def _show(self, place: Place, phase: Phase) -> None:
        world = self._worlds.at(place.scope)
        self._worlds.put(endpoints.staged(world, place.endpoint, phase.stages, self._pace.clock()))

    def _settle(self, place: Place, how: Callable[..., World], *reason: str) -> None:
        world = self._worlds.at(place.scope)
        self._worlds.put(how(world, place.endpoint, *reason, self._pace.clock()))

    async def _start(
        self, place: Place, deployment: Deployment, old: Traffic | None, fault: Fault | None
    ) -> Mapping[str, Fleet]:
        """Return the new fleets by variant once all answer; of a rolling update, its first batch."""
        everyone = (*deployment.variants, *deployment.shadows)
        first = next(timeline(deployment.policy, deployment.variants)) if old else launching(everyone)
        self._show(place, Phase({**launching(everyone).stages, **first.stages}))
        if first.count is not None:
            everyone = (replace(deployment.variants[0], count=first.count), *deployment.shadows)
        return await self._fleets.start(place, everyone, fault)

    async def _reshape(self, place: Place) -> None:
        asked = self._worlds.at(place.scope).endpoints[place.endpoint].asked
        # Once around the loop, so that nobody takes the change for one that is made in its call.
        await asyncio.sleep(0)
        if traffic := self.traffic(place):
            before = {share.fleet: share.fleet.count for share in traffic.shares}
            self._traffic[place] = traffic.reshaped(asked)
            try:
                await resizing.resized(self._traffic[place].shares, partial(self._count, place))
            except FleetError:
                await self._turn_back(place, traffic, before)
        self._settle(place, endpoints.reshaped)

    def _count(self, place: Place, variant: str, count: int) -> None:
        self._worlds.put(transitions.counted(self._worlds.at(place.scope), place.endpoint, {variant: count}))

    async def _turn_back(self, place: Place, traffic: Traffic, before: Mapping[Fleet, int]) -> None:
        """Give an endpoint whose instances do not come the weights and counts back that it had."""
        self._traffic[place] = traffic
        counts = {share.variant.name: before[share.fleet] for share in traffic.shares}
        self._worlds.put(transitions.turned_back(self._worlds.at(place.scope), place.endpoint, counts))
        for fleet, count in before.items():
            # What has come goes again; nothing needs to be started, so nothing can fail.
            await fleet.resize(min(count, fleet.count))

    async def _revive(self, place: Place) -> None:
        serving = self._worlds.at(place.scope).endpoints[place.endpoint].serving
        if serving is None:
            return
        try:
            fleets = await self._fleets.start(place, (*serving.variants, *serving.shadows))
        except FleetError as error:
            self._settle(place, endpoints.broken, str(error))
            return
        self._traffic[place] = whole(serving, fleets)
        self._settle(place, revived)

    async def _delete(self, place: Place) -> None:
        await self._fleets.end(self._leave(place), drain=True)
        self._worlds.put(endpoints.gone(self._worlds.at(place.scope), place.endpoint))

    def _leave(self, place: Place) -> tuple[Fleet, ...]:
        """Send no more requests to the endpoint, and return the fleets that had them."""
        traffic = self._traffic.pop(place, None)
        return traffic.fleets if traffic else ()


def _portions(phase: Phase) -> Mapping[str, float]:
    return {name: stage.portion for name, stage in phase.stages.items()}
