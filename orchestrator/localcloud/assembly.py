"""The parts of a local cloud, put together: who knows whom, and what ends in which order."""

import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator import __version__
from orchestrator.localcloud.access import Access
from orchestrator.localcloud.announcing import Announcing
from orchestrator.localcloud.autoscaling.autoscaler import Autoscaler
from orchestrator.localcloud.autoscaling.scalables import measured
from orchestrator.localcloud.autoscaling.scaling import Scaling
from orchestrator.localcloud.behind.fallback import handed_out
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.cloudwatch.alarms import Watcher
from orchestrator.localcloud.cloudwatch.events import Outbox
from orchestrator.localcloud.cloudwatch.metrics import Metrics, put
from orchestrator.localcloud.console.reading import reads
from orchestrator.localcloud.console.recent import Recent, told
from orchestrator.localcloud.console.state import Sight, State
from orchestrator.localcloud.control.lookups import has_object
from orchestrator.localcloud.control.plane import ControlPlane
from orchestrator.localcloud.control.tagsearch import show_ours
from orchestrator.localcloud.dataplane.asynchronous import AsyncRuntime
from orchestrator.localcloud.dataplane.breaking import breaking
from orchestrator.localcloud.dataplane.capture import Capture
from orchestrator.localcloud.dataplane.pipelines import Composing
from orchestrator.localcloud.dataplane.runtime import Runtime
from orchestrator.localcloud.dataplane.streaming import StreamRuntime
from orchestrator.localcloud.deploying.engine import Engine
from orchestrator.localcloud.deploying.hosting import Hosting, hosting
from orchestrator.localcloud.deploying.reviving import interrupted, waiting
from orchestrator.localcloud.faulting.faults import Faults
from orchestrator.localcloud.faulting.past import Past
from orchestrator.localcloud.fleets.launcher import Launcher, processors
from orchestrator.localcloud.front import LocalCloud, Parts
from orchestrator.localcloud.gauges import Concurrency, Gauges
from orchestrator.localcloud.ground import Ground, Lasting
from orchestrator.localcloud.keeping import Keeper
from orchestrator.localcloud.own import OwnPages
from orchestrator.localcloud.quotas import Quotas
from orchestrator.localcloud.stacks import marking
from orchestrator.localcloud.stacks.beginning import AwaitedStacks
from orchestrator.localcloud.transforms.running import Transforms
from orchestrator.localcloud.world import Place
from orchestrator.localcloud.worlds import Worlds

# Models of a multi-model endpoint for each process that a variant may have: each is a process of its own.
_MODELS_PER_PROCESS = 4


@dataclass(frozen=True, slots=True)
class Assembled:
    """A local cloud that is ready to answer.

    Attributes:
        application: Its front, an ASGI application.
        beginning: What goes on by itself, to be called one after the other once it answers.
        closing: What ends it, to be awaited one after the other while it still answers.
        worlds: What there is in it.
    """

    application: LocalCloud
    beginning: Sequence[Callable[[], None]]
    closing: Sequence[Callable[[], Awaitable[None]]]
    worlds: Worlds

    def begin(self) -> None:
        """Begin what goes on by itself."""
        for begin in self.beginning:
            begin()

    async def close(self) -> None:
        """End every fleet, and send what waits to be sent."""
        for close in self.closing:
            await close()
        # Whoever still works on a request for what was here: it is not to be kept.
        self.worlds.close()


def assemble(ground: Ground, lasting: Lasting, reset: Callable[[], Awaitable[None]]) -> Assembled:
    """Return a local cloud; it starts nothing before it is asked to.

    Args:
        ground: What it stands on.
        lasting: What it has in common with the one before it.
        reset: Puts another in its place.
    """
    worlds, clients, faults = _kept(lasting.keeper, ground.pace.clock()), lasting.clients, Faults()
    show_ours(worlds)
    launcher, outbox = _launcher(ground, clients), Outbox()
    alarms = Watcher(ground.pace, outbox)
    worlds.subscribe(Announcing(outbox, ground.pace.clock).see)
    composing = Composing(launcher.launch, has_object, _MODELS_PER_PROCESS * launcher.processes)
    launch = hosting(composing.launch)
    engine = Engine(worlds, launch, alarms.firing, ground.pace)
    components = Hosting(worlds, launch, ground.pace.clock, put)
    capture, metrics = Capture(clients, secrets.SystemRandom()), Metrics(ground.pace)
    recent = _recent(worlds, engine, ground)
    seen = told(metrics.record, recent.record)
    runtime = Runtime(breaking(engine.traffic, faults), seen, capture.take, components.share)
    streams, queues = StreamRuntime(runtime), AsyncRuntime(runtime, clients)
    metrics.watch(Gauges(worlds, engine.traffic, queues.backlog, ground.models))
    metrics.watch(Concurrency(worlds, engine.traffic, components.fleet))
    transforms = Transforms(worlds, composing.launch, clients, ground.pace, ground.models)
    state = State(Sight(worlds, engine.traffic, recent, faults, reads(clients), ground.pace.speed))
    after = {**components.after, **transforms.after}
    control = ControlPlane(worlds, engine, alarms, ground.pace.clock, after)
    autoscaler = Autoscaler(worlds, control.act, measured, ground.pace)
    quotas, scaling = Quotas(worlds, ground.pace.clock), Scaling(autoscaler.activities)
    own = OwnPages(faults, quotas, lambda: _health(worlds), reset, state)
    stacks = AwaitedStacks(worlds, clients, ground.pace)
    past, access = Past(worlds, faults, ground.pace.clock), Access(ground.token, handed_out)
    standing_in = (scaling, stacks, quotas, lasting.moto)
    answering = (worlds, control, runtime, streams, queues, *standing_in, own, faults, past, access)
    watching = (alarms, metrics, outbox)
    ends = (stacks, autoscaler, state, transforms, queues, runtime, components, engine, *watching, capture)
    revives = (lambda: _revive(worlds, engine), components.revive)
    begins = (*revives, autoscaler.begin, metrics.begin, lambda: alarms.begin(autoscaler.alarmed))
    return Assembled(LocalCloud(Parts(*answering)), begins, [part.close for part in ends], worlds)


def _recent(worlds: Worlds, engine: Engine, ground: Ground) -> Recent:
    recent = Recent(engine.traffic, ground.pace.clock)
    worlds.subscribe(recent.see)
    return recent


def _launcher(ground: Ground, clients: Clients) -> Launcher:
    return Launcher(
        clients,
        ground.container,
        ground.models,
        ground.pace,
        ground.launch_seconds,
        ground.processes or processors(),
        ground.any_image,
    )


def _kept(keeper: Keeper | None, now: float) -> Worlds:
    """Return the worlds that were kept, as the restart leaves them; they are kept from now on."""
    if keeper is None:
        return Worlds()
    resumed = [(kept, interrupted(kept, now)) for kept in keeper.worlds()]
    found = [(kept, marking.interrupted(world, now)) for kept, world in resumed]
    for kept, world in found:
        keeper.note(kept, world)
    return Worlds(keeper, (world for _, world in found))


def _revive(worlds: Worlds, engine: Engine) -> None:
    """Start again what served before a restart."""
    for world in worlds.all():
        for name in waiting(world):
            engine.revive(Place(world.scope, name))


def _health(worlds: Worlds) -> dict[str, Any]:
    endpoints = [
        {"name": endpoint.name, "region": world.scope.region, "status": str(endpoint.status)}
        for world in worlds.all()
        for endpoint in world.endpoints.values()
    ]
    return {"status": "ok", "pid": os.getpid(), "version": __version__, "endpoints": endpoints}
