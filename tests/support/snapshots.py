"""Copies of a world in memory: what SIGKILL leaves, at any moment of what a process does to it.

A process that is killed writes nothing more, so the world it leaves is the world of that moment. A copy of it
stands for every kill between two changes; only the moments at which something is another are kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from orchestrator.usecases.edge import Edge
from tests.support.fake_sagemaker import FakeCloud
from tests.support.fakes import FakeClock, FakeEdge, FakeJournal, FakeStore
from tests.support.faults import Faults, struck
from tests.support.locks import FakeProcesses, FakeSlot


@dataclass(frozen=True)
class Moment:
    """A world between two calls of a process.

    Attributes:
        label: How many calls there were, and the last of them.
        world: A copy: it may be changed.
    """

    label: str
    world: FakeEdge


def copied(world: FakeEdge) -> FakeEdge:
    """Return a world that is the same, and goes its own way from now on."""
    clock = FakeClock(world.clock.moment)
    cloud = _cloud(world.cloud, clock)
    alarms = replace(world.alarms, cloud=cloud, alarms=dict(world.alarms.alarms))
    cloud.alarmed = alarms.firing
    journal = world.journal
    return replace(
        world,
        clock=clock,
        cloud=cloud,
        store=_store(world.store),
        journal=FakeJournal(journal.endpoint, _store(journal.store), _slot(journal.slot, clock)),
        autoscaling=replace(world.autoscaling, cloud=cloud, scalings=dict(world.autoscaling.scalings)),
        alarms=alarms,
        lock=_slot(world.lock, clock),
        fingerprints=dict(world.fingerprints),
    )


def restarted(world: FakeEdge) -> FakeEdge:
    """Return the world as another process of this machine finds it, when the one before has ended."""
    ended = world.processes.process
    gone = {*world.processes.gone, ended}
    processes = FakeProcesses(replace(ended, pid=ended.pid + 1), gone=gone)
    return replace(world, journal=world.journal.again(), processes=processes)


def moments(world: FakeEdge, act: Callable[[FakeEdge, Edge], None]) -> list[Moment]:
    """Let a process do something to ``world``, and return the worlds before and after each of its calls."""
    found: dict[object, Moment] = {}

    def look() -> None:
        traits = _traits(world)
        if traits not in found:
            label = f"{len(faults.calls)} {faults.calls[-1] if faults.calls else ''}"
            found[traits] = Moment(label, copied(world))

    faults = Faults(look=look)
    act(world, struck(world.edge(), faults))
    return list(found.values())


def _traits(world: FakeEdge) -> object:
    """Return what tells two moments apart."""
    return (
        world.clock.moment,
        # Each change of the cloud is a call that it remembers, and tags change by calls, too.
        len(world.cloud.calls),
        tuple(world.cloud.endpoints.values()),
        len(world.store.objects),
        len(world.journal.store.objects),
        world.journal.slot.tag,
        world.lock.tag,
    )


def _cloud(cloud: FakeCloud, clock: FakeClock) -> FakeCloud:
    under_way = {name: replace(one, phases=list(one.phases)) for name, one in cloud.under_way.items()}
    return replace(
        cloud,
        clock=clock,
        outcomes=list(cloud.outcomes),
        models=dict(cloud.models),
        configs=dict(cloud.configs),
        endpoints=dict(cloud.endpoints),
        calls=list(cloud.calls),
        under_way=under_way,
        earlier=dict(cloud.earlier),
    )


def _store(store: FakeStore) -> FakeStore:
    return replace(store, objects=dict(store.objects), sent=dict(store.sent))


def _slot(slot: FakeSlot, clock: FakeClock) -> FakeSlot:
    return replace(slot, clock=clock, accidents=list(slot.accidents), calls=list(slot.calls))
