"""A world in which a revision serves, and short ways to bring another one."""

from orchestrator.core import journal
from orchestrator.core.names import artifact_key
from orchestrator.core.resources import Endpoint, Variant
from orchestrator.core.revision import Revision, Source, make
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.scaling import Scaling
from orchestrator.core.target import AlarmSpec, EndpointSpec
from orchestrator.usecases.change import AS_USUAL, Applied, Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, Wish, prepare
from tests.support.builders import CASE, ROLE, publish, revision
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge

PAIR = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 2),))
CANARY = Rollout(Kind.CANARY, Size(50), bake_seconds=1200, timeout_seconds=4000)
WATCHED = Terms(CANARY, alarms=AlarmSpec(error_percent=1.0))


def made(mark: str, spec: EndpointSpec = PAIR, scalings: tuple[Scaling, ...] = ()) -> Revision:
    """Return a revision of ``digits`` whose artifact's digest is 64 times ``mark``."""
    identity = mark * 64
    source = Source(identity, f"s3://bucket/{artifact_key('digits', identity)}", "image:1", ROLE)
    golden = revision("a").golden
    return make("digits", source, spec, tags=(), golden=golden, scalings=scalings)


def planned(
    wanted: Revision,
    world: FakeEdge,
    terms: Terms = AS_USUAL,
    edge: Edge | None = None,
    *,
    region: str = "",
) -> Prepared:
    """Plan the deployment of ``wanted``."""
    publish(wanted, world)
    wish = Wish(wanted, journal.DEPLOY, (CASE,), 5, terms=terms, region=region)
    return prepare(wish, edge or world.edge())


def brought(
    wanted: Revision, world: FakeEdge, terms: Terms = AS_USUAL, progress: SilentProgress | None = None
) -> Applied:
    """Deploy ``wanted``."""
    return deploy(planned(wanted, world, terms), world.edge(), progress or SilentProgress())


def started(spec: EndpointSpec = PAIR, scalings: tuple[Scaling, ...] = ()) -> FakeEdge:
    """Return a world in which revision ``a`` serves."""
    world = fake_edge()
    brought(made("a", spec, scalings), world)
    world.cloud.calls.clear()
    return world


def serving(world: FakeEdge) -> Endpoint:
    """Return the endpoint."""
    found = world.cloud.endpoint("digits")
    assert found is not None
    return found


def updates(world: FakeEdge) -> int:
    """Return how often the endpoint was updated."""
    return sum(call.startswith("update-endpoint") for call in world.cloud.calls)
