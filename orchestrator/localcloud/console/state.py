"""The one JSON document that the console page is made of; good for scripts, too."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from orchestrator import __version__
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.console.reading import Reads
from orchestrator.localcloud.console.recent import Recent
from orchestrator.localcloud.console.words import said
from orchestrator.localcloud.dataplane.traffic import Traffic
from orchestrator.localcloud.faulting.faults import Faults, Kind
from orchestrator.localcloud.faulting.orders import MEMBERS
from orchestrator.localcloud.fleets.fleet import Fleet
from orchestrator.localcloud.rules.rollouts import alarms_of
from orchestrator.localcloud.world import Deployment, Endpoint, Place, World
from orchestrator.localcloud.worlds import Worlds

# Several pages that are open at once ask AWS's side no more often than one.
_FRESH_SECONDS = 0.9


@dataclass(frozen=True, slots=True)
class Sight:
    """What the console looks at.

    Attributes:
        worlds: What there is.
        traffic: Returns who answers requests for an endpoint now.
        recent: What the traffic was lately.
        faults: What is to go wrong.
        reads: For what other services know.
        speed: How fast the local cloud's time goes.
    """

    worlds: Worlds
    traffic: Callable[[Place], Traffic | None]
    recent: Recent
    faults: Faults
    reads: Reads
    speed: float = 1.0


class State:
    """Says how the local cloud is.

    Args:
        sight: What it looks at.
    """

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._began = time.time()
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._looked = 0.0

    async def document(self, most: int | None = None) -> dict[str, Any]:
        """Return all of it, or no more than so many endpoints: those that changed last."""
        sight = self._sight
        found = [
            (endpoint.modified, world, endpoint)
            for world in sight.worlds.all()
            for endpoint in world.endpoints.values()
        ]
        found.sort(key=lambda each: each[0], reverse=True)
        return {
            "pid": os.getpid(),
            "version": __version__,
            "began": self._began,
            "now": time.time(),
            "speed": sight.speed,
            "endpoint_count": len(found),
            "endpoints": [self._endpoint(world, endpoint) for _, world, endpoint in found[:most]],
            **await self._others(),
            "faults": sight.faults.shown(),
            "kinds": {str(kind): sorted(MEMBERS[kind]) for kind in Kind},
        }

    async def lines(self, asked: dict[str, str]) -> dict[str, Any]:
        """Return the last log lines of an endpoint.

        Raises:
            ApiError: If there is no such endpoint, or several in different regions.
        """
        name, limits = asked.get("endpoint", ""), {key: asked[key] for key in asked if key != "endpoint"}
        places = [
            Place(world.scope, name)
            for world in self._sight.worlds.all()
            if name in world.endpoints
            and limits.get("region", world.scope.region) == world.scope.region
            and limits.get("account", world.scope.account) == world.scope.account
        ]
        if len(places) != 1:
            why = "there is no endpoint" if not places else "name the region and the account of endpoint"
            raise ApiError("NotFound", f"{why} '{name}'", status=404)
        found = await asyncio.to_thread(self._sight.reads.lines, places[0])
        return {"endpoint": name, "lines": found}

    async def close(self) -> None:
        """Return once nothing is being looked at."""
        if self._looking is not None:
            await asyncio.gather(self._looking, return_exceptions=True)

    def _others(self) -> Awaitable[dict[str, Any]]:
        """Return what other services know, looked up at most about once a second."""
        now = time.monotonic()
        if self._looking is None or (self._looking.done() and now - self._looked > _FRESH_SECONDS):
            self._looked = now
            self._looking = asyncio.create_task(asyncio.to_thread(self._look))
        return asyncio.shield(self._looking)

    def _look(self) -> dict[str, Any]:
        scopes = [world.scope for world in self._sight.worlds.all()]
        reads = self._sight.reads
        return {
            "alarms": [alarm for scope in scopes for alarm in reads.alarms(scope)],
            "jobs": [job for scope in scopes for job in reads.jobs(scope)],
        }

    def _endpoint(self, world: World, endpoint: Endpoint) -> dict[str, Any]:
        place = Place(world.scope, endpoint.name)
        deployment = endpoint.pending or endpoint.serving
        return {
            "name": endpoint.name,
            "region": world.scope.region,
            "account": world.scope.account,
            "status": str(endpoint.status),
            "config": endpoint.config,
            "failure_reason": endpoint.failure_reason,
            "pending": said(endpoint),
            "variants": _variants(endpoint.serving),
            "alarms": list(alarms_of(deployment.policy)) if deployment else [],
            "fleets": _fleets(self._sight.traffic(place)),
            "traffic": self._sight.recent.shown(place),
        }


def _variants(deployment: Deployment | None) -> list[dict[str, Any]]:
    if deployment is None:
        return []
    return [
        {
            "name": variant.name,
            "shadow": is_shadow,
            "instance_type": variant.instance_type,
            "instances": variant.count,
            "weight": variant.weight,
            "serverless": variant.serverless is not None,
        }
        for is_shadow, variants in ((False, deployment.variants), (True, deployment.shadows))
        for variant in variants
    ]


def _fleets(traffic: Traffic | None) -> list[dict[str, Any]]:
    if traffic is None:
        return []
    return [
        {
            "config": share.deployment.config,
            "variant": share.variant.name,
            "shadow": is_shadow,
            "answering": share.fleet.answering,
            "instances": _instances(share.fleet),
        }
        for is_shadow, shares in ((False, traffic.shares), (True, traffic.shadows))
        for share in shares
    ]


def _instances(fleet: Fleet) -> list[dict[str, Any]]:
    return [
        {"name": one.name, "pid": one.pid, "restarts": one.restarts, "answering": one.answering}
        for one in fleet.instances
    ]
