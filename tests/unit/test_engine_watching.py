"""How a deployment is watched, on fakes: patiently, and by nobody's word but the new revision's."""

from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from orchestrator.core import journal
from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.errors import (
    ConflictError,
    DeniedError,
    OrchestratorError,
    StillMovingError,
    ThrottledError,
    UnreachableError,
)
from orchestrator.core.golden import Request, Response
from orchestrator.core.resources import AsyncInference, Endpoint, EndpointStatus, Variant
from orchestrator.core.rollout import Kind, Rollout, Size, Unit
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.change import Applied, Terms
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.resume import prepare_resume
from tests.support.engines import (
    PAIR,
    WATCHED,
    brought,
    made,
    planned,
    serving,
    started,
    updates,
)
from tests.support.fake_sagemaker import FakeCloud
from tests.support.fakes import FakeEdge, FakeRuntime, SilentProgress, fake_edge

SCALING = Scaling(
    "primary", 2, 20, tracking=(TargetTracking("t", "SageMakerVariantInvocationsPerInstance", 60),)
)


@dataclass
class Flaky(FakeCloud):
    """A cloud whose looks fail as often as it is told."""

    failures: list[OrchestratorError] = field(default_factory=list)

    def endpoint(self, name: str, *, tags: bool = True) -> Endpoint | None:
        if self.failures and self.under_way:
            raise self.failures.pop(0)
        return super().endpoint(name, tags=tags)


def flaky(world: FakeEdge) -> Flaky:
    cloud = Flaky(world.clock, models=world.cloud.models, configs=world.cloud.configs)
    cloud.endpoints = world.cloud.endpoints
    world.cloud = cloud
    return cloud


def test_looks_are_one_to_two_intervals_apart_and_not_in_step() -> None:
    world, progress = started(), SilentProgress()
    world.cloud.takes_seconds = 300
    brought(made("b"), world, progress=progress)
    moments = [watch.elapsed_seconds for watch in progress.watches]
    pauses = [later - sooner for sooner, later in pairwise(moments)]
    assert all(5 <= pause <= 10 for pause in pauses)
    assert len({round(pause, 3) for pause in pauses}) > 10


@pytest.mark.parametrize("kind", [ThrottledError, UnreachableError])
def test_looks_that_aws_does_not_answer_end_nothing(kind: type[OrchestratorError]) -> None:
    world = started()
    cloud = flaky(world)
    change = planned(made("b"), world)
    cloud.failures = [kind("not now") for _ in range(20)]
    assert deploy(change, world.edge(), SilentProgress()).recognised


def test_at_the_deadline_it_is_said_how_often_aws_did_not_answer() -> None:
    world = started()
    cloud = flaky(world)
    change = planned(made("b"), world)
    cloud.failures = [ThrottledError("not now") for _ in range(1000)]
    with pytest.raises(StillMovingError) as caught:
        deploy(change, world.edge(), SilentProgress())
    missed = 1000 - len(cloud.failures)
    assert dict(caught.value.details)["watched"] == f"AWS did not answer {missed} times"


def test_what_may_not_be_looked_at_ends_the_watch_and_says_that_the_change_goes_on() -> None:
    world = started()
    cloud = flaky(world)
    change = planned(made("b"), world)
    cloud.failures = [DeniedError("the session has expired")]
    with pytest.raises(DeniedError) as caught:
        deploy(change, world.edge(), SilentProgress())
    assert "goes on" in dict(caught.value.details)["state"]


@dataclass
class Patching(FakeCloud):
    """A cloud that begins to patch an endpoint, for as long as it is told, once an update has ended."""

    until: float = 0.0

    def endpoint(self, name: str, *, tags: bool = True) -> Endpoint | None:
        found = super().endpoint(name, tags=tags)
        if found is not None and self.clock.now() < self.until:
            return replace(found, status=EndpointStatus.SYSTEM_UPDATING)
        return found


def test_what_aws_does_of_its_own_accord_does_not_count_against_our_patience() -> None:
    world = started()
    cloud = Patching(world.clock, models=world.cloud.models, configs=world.cloud.configs)
    cloud.endpoints, world.cloud = world.cloud.endpoints, cloud
    change = planned(made("b"), world)
    cloud.refuse = lambda call: setattr(cloud, "until", world.clock.now() + 5000 * call.startswith("update"))
    assert deploy(change, world.edge(), SilentProgress()).recognised


def test_a_world_of_a_moment_ago_is_no_verdict() -> None:
    world = started()
    world.cloud.stale_seconds = 25.0
    assert brought(made("b"), world).recognised
    assert serving(world).config == made("b").name


def test_long_bakes_extend_our_patience() -> None:
    world = started()
    assert brought(made("b"), world, WATCHED).recognised


def test_patience_lasts_for_as_many_bakes_as_an_autoscaler_has_made_instances() -> None:
    world, progress = started(scalings=(SCALING,)), SilentProgress()
    world.cloud.set_capacities("digits", [Capacity("primary", 1.0, 10)])
    world.clock.sleep(60.0)
    rolling = Rollout(Kind.ROLLING, Size(1, Unit.INSTANCES), bake_seconds=200)
    change = planned(made("b", scalings=(SCALING,)), world, Terms(rollout=rolling, alarms=WATCHED.alarms))
    deploy(change, world.edge(), progress)
    assert progress.watches[0].left_seconds > 10 * 200


def test_somebody_else_who_moved_the_endpoint_since_the_plan_is_not_overwritten() -> None:
    world = started()
    change = planned(made("b"), world)
    third = made("c")
    world.cloud.models[third.model.name] = third.model
    world.cloud.configs[third.name] = third.config
    world.cloud.update_endpoint(Update("digits", third.name))
    world.clock.sleep(60)
    world.cloud.calls.clear()
    with pytest.raises(ConflictError, match="as it did when this was planned"):
        deploy(change, world.edge(), SilentProgress())
    assert updates(world) == 0


@dataclass
class Recording(FakeRuntime):
    """A runtime that remembers which variant was asked."""

    asked: list[str | None] = field(default_factory=list)

    def invoke(self, endpoint: str, request: Request, *, variant: str | None = None) -> Response:
        self.asked.append(variant)
        return super().invoke(endpoint, request, variant=variant)


def test_every_variant_of_ours_is_asked() -> None:
    world = fake_edge()
    world.cloud.models["theirs"] = replace(made("f").model, name="theirs")
    variants = (
        Variant("blue", "", "ml.m5.large", 1),
        Variant("green", "", "ml.m5.large", 1, weight=0.0),
        Variant("other", "theirs", "ml.m5.large", 1),
    )
    change = planned(made("a", EndpointSpec(variants=variants)), world)
    runtime = Recording(world.cloud, world.answer)
    applied = deploy(change, replace(world.edge(), runtime=runtime), SilentProgress())
    assert runtime.asked == ["blue", "green"]
    assert applied.answered == 2


def test_an_asynchronous_endpoint_answers_without_being_recognised() -> None:
    world = fake_edge()
    spec = replace(PAIR, async_inference=AsyncInference("s3://bucket/out"))
    wanted = made("a", spec)
    world.fingerprints[wanted.name] = ""
    assert brought(wanted, world) == Applied(1, recognised=False)


def test_without_waiting_nothing_is_vouched_for_and_resume_finishes_it() -> None:
    world = started()
    applied = brought(made("b"), world, Terms(wait=False))
    assert applied == Applied(under_way=True)
    assert serving(world).status is EndpointStatus.UPDATING
    attempt = journal.deployments(world.journal.entries())[-1]
    assert (attempt.outcome, attempt.left) == ("", True)
    resumed = prepare_resume("digits", world.edge(), keep_revisions=5)
    assert resumed is not None
    assert deploy(resumed, world.edge(), SilentProgress()).recognised
    attempts = journal.deployments(world.journal.entries())
    assert [attempt.outcome for attempt in attempts] == ["deployed", "deployed"]
    assert updates(world) == 1
