"""The parts of a local cloud, put together: who knows whom, and what ends in which order."""

import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator import __version__
from orchestrator.localcloud.alarms import Watcher
from orchestrator.localcloud.asynchronous import AsyncRuntime
from orchestrator.localcloud.capture import Capture
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.control import ControlPlane
from orchestrator.localcloud.engine import Engine
from orchestrator.localcloud.fallback import Moto, datapoints
from orchestrator.localcloud.faults import Faults
from orchestrator.localcloud.fleet import Launcher
from orchestrator.localcloud.front import LocalCloud, Parts
from orchestrator.localcloud.metrics import Metrics
from orchestrator.localcloud.own import OwnPages
from orchestrator.localcloud.pace import Pace
from orchestrator.localcloud.runtime import Runtime
from orchestrator.localcloud.scaling import Scaling
from orchestrator.localcloud.streaming import StreamRuntime
from orchestrator.localcloud.world import Worlds

MODELS = "models"


@dataclass(frozen=True, slots=True)
class Ground:
    """What a local cloud stands on.

    Attributes:
        url: Where it answers, for the clients that it has for itself.
        folder: Its own; ``models`` in it is where models are unpacked.
        container: The program that serves a model, up to where the model's folder is named.
        pace: How fast its time goes.
        keeps: Whether what is in it survives a restart.
    """

    url: str
    folder: Path
    container: Sequence[str]
    pace: Pace = field(default_factory=Pace)
    keeps: bool = False

    @property
    def models(self) -> Path:
        """The folder that models are unpacked in."""
        return self.folder / MODELS


@dataclass(frozen=True, slots=True)
class Assembled:
    """A local cloud that is ready to answer.

    Attributes:
        application: Its front, an ASGI application.
        closing: What ends it, to be awaited one after the other while it still answers.
    """

    application: LocalCloud
    closing: Sequence[Callable[[], Awaitable[None]]]

    async def close(self) -> None:
        """End every fleet, and send what waits to be sent."""
        for close in self.closing:
            await close()


def assemble(ground: Ground) -> Assembled:
    """Return a local cloud; it starts nothing before it is asked to."""
    worlds, clients, faults = Worlds(), Clients(ground.url), Faults()
    launcher = Launcher(clients, ground.container, ground.models, ground.pace.clock)
    metrics = Metrics(clients)
    alarms = Watcher(clients, datapoints, ground.pace.clock)
    engine = Engine(worlds, launcher.launch, alarms.firing, ground.pace)
    capture = Capture(clients, secrets.SystemRandom())
    runtime = Runtime(engine.traffic, metrics.record, capture.take)
    queues = AsyncRuntime(runtime, clients)
    parts = Parts(
        worlds,
        ControlPlane(worlds, engine, clients, alarms, ground.pace.clock),
        runtime,
        StreamRuntime(runtime),
        queues,
        Scaling(clients),
        Moto(),
        OwnPages(faults, lambda: _health(worlds)),
        faults,
    )
    ends = (queues, runtime, engine, alarms, metrics, capture)
    return Assembled(LocalCloud(parts), [part.close for part in ends])


def _health(worlds: Worlds) -> dict[str, Any]:
    endpoints = [
        {"name": endpoint.name, "region": world.scope.region, "status": str(endpoint.status)}
        for world in worlds.all()
        for endpoint in world.endpoints.values()
    ]
    return {"status": "ok", "pid": os.getpid(), "version": __version__, "endpoints": endpoints}
