"""Taking over an endpoint that was made by other means, exactly as it is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.core.errors import (
    ConflictError,
    NotFoundError,
    OrchestratorError,
    RefusedError,
    UnreachableError,
)
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Variant,
    VariantStatus,
)
from orchestrator.core.revision import ENDPOINT_TAG
from orchestrator.core.scaling import Dimension
from orchestrator.usecases.adopt import adopt, prepare_adopt
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.drift import drift
from orchestrator.usecases.holding import hold
from orchestrator.usecases.resume import prepare_resume
from orchestrator.usecases.rollback import prepare_rollback
from orchestrator.usecases.status import history, status
from orchestrator.usecases.sweep import prepare_sweep
from tests.support.builders import prepared, revision
from tests.support.fakes import FakeEdge, SilentProgress, fake_edge
from tests.support.managed import SCALING

MODEL = Model("legacy-model", "image:1", "s3://elsewhere/model.tar.gz", "role", (("A", "1"),))
CONFIG = EndpointConfig(
    "legacy-config", (Variant("primary", MODEL.name, "ml.m5.large", 1),), (("owner", "ada"),)
)


def legacy() -> FakeEdge:
    """Return a world with an endpoint that we did not make."""
    world = fake_edge()
    world.cloud.models[MODEL.name] = MODEL
    world.cloud.configs[CONFIG.name] = CONFIG
    world.cloud.endpoints["digits"] = Endpoint(
        "digits", CONFIG.name, last_modified=1.0, variants=(VariantStatus("primary", 1, 1),), owned=False
    )
    return world


def adopted() -> FakeEdge:
    world = legacy()
    adopt(prepare_adopt("digits", world.edge(), reason="ours now"), world.edge())
    return world


def test_an_endpoint_is_taken_over_as_it_is() -> None:
    world = legacy()
    world.autoscaling.scalings["digits", "primary", Dimension.INSTANCES] = SCALING
    before = (dict(world.cloud.models), dict(world.cloud.configs))
    plan = prepare_adopt("digits", world.edge(), reason="ours now")
    assert world.cloud.calls == []
    adopt(plan, world.edge())
    assert (world.cloud.models, world.cloud.configs) == before
    assert {call.split()[0] for call in world.cloud.calls} == {"tag-endpoint"}
    attempt = history(world.edge())[-1]
    assert (attempt.verb, attempt.outcome, attempt.reason) == ("adopt", "deployed", "ours now")
    assert attempt.revision is not None
    assert (attempt.revision.artifact, attempt.revision.model) == ("", MODEL)
    assert (attempt.revision.config, attempt.revision.scalings) == (CONFIG, (SCALING,))


def test_an_adopted_endpoint_is_ours_and_has_not_drifted() -> None:
    world = adopted()
    seen = world.cloud.endpoint("digits")
    assert seen is not None
    assert dict(seen.tags)[ENDPOINT_TAG] == "digits"
    found = drift("digits", world.edge())
    assert found.found == ()
    assert "another bucket" in found.unmanaged[0]
    assert status("digits", world.edge()).deployment is not None
    with pytest.raises(ConflictError, match="already"):
        prepare_adopt("digits", world.edge())


def test_an_adopted_endpoint_can_be_deployed_to_and_gone_back_to_what_it_was() -> None:
    world = adopted()
    first = revision("a")
    deploy(prepared(first, world, keep=1), world.edge(), SilentProgress())
    assert world.cloud.endpoints["digits"].config == first.name
    back = prepare_rollback("digits", None, world.edge())
    deploy(back, world.edge(), SilentProgress())
    assert world.cloud.endpoints["digits"].config == CONFIG.name
    assert prepare_rollback("digits", CONFIG.name, world.edge()).plan == ()
    assert [str(one) for one in drift("digits", world.edge()).found] == []


def test_what_an_adopted_endpoint_brought_is_never_swept() -> None:
    world = adopted()
    for mark in "abc":
        deploy(prepared(revision(mark), world, keep=1), world.edge(), SilentProgress())
    sweep = prepare_sweep("digits", 1, world.edge())
    assert not any(CONFIG.name in one.name or MODEL.name in one.name for one in sweep.goes)
    assert CONFIG.name in world.cloud.configs
    assert MODEL.name in world.cloud.models


@pytest.mark.parametrize("what", ["configs", "models"])
def test_there_is_no_way_back_to_an_adopted_revision_that_somebody_deleted(what: str) -> None:
    world = adopted()
    deploy(prepared(revision("a"), world), world.edge(), SilentProgress())
    if what == "configs":
        del world.cloud.configs[CONFIG.name]
    else:
        del world.cloud.models[MODEL.name]
    with pytest.raises(RefusedError, match="is gone"):
        prepare_rollback("digits", None, world.edge())


def no_endpoint(world: FakeEdge) -> None:
    world.cloud.endpoints.clear()


def moving(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.UPDATING, pending="other")


def failed(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.FAILED)


def no_config(world: FakeEdge) -> None:
    world.cloud.configs.clear()


def no_model(world: FakeEdge) -> None:
    world.cloud.models.clear()


def pipeline(world: FakeEdge) -> None:
    world.cloud.models[MODEL.name] = replace(MODEL, image="")


def components(world: FakeEdge) -> None:
    variants = (replace(CONFIG.variants[0], model=""),)
    world.cloud.configs[CONFIG.name] = replace(CONFIG, variants=variants)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (no_endpoint, NotFoundError, "there is no endpoint"),
        (moving, ConflictError, "moving to 'other'"),
        (failed, RefusedError, "nothing that serves"),
        (no_config, NotFoundError, "endpoint config 'legacy-config'"),
        (no_model, NotFoundError, "model 'legacy-model'"),
        (pipeline, RefusedError, "pipeline"),
        (components, RefusedError, "names no model"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_before_anything_is_changed(
    change: Callable[[FakeEdge], None], error: type[OrchestratorError], words: str
) -> None:
    world = legacy()
    change(world)
    with pytest.raises(error, match=words) as caught:
        prepare_adopt("digits", world.edge())
    assert caught.value.hint
    assert world.cloud.calls == []
    assert world.journal.shared == []


def test_an_endpoint_that_was_changed_since_it_was_looked_at_is_not_taken_over() -> None:
    world = legacy()
    plan = prepare_adopt("digits", world.edge())
    world.cloud.endpoints["digits"] = replace(world.cloud.endpoints["digits"], config="other")
    with pytest.raises(ConflictError, match="was changed since"):
        adopt(plan, world.edge())
    assert history(world.edge())[-1].outcome == "conflict"
    assert ENDPOINT_TAG not in dict(world.cloud.endpoints["digits"].tags)


def test_an_endpoint_that_somebody_holds_is_not_taken_over() -> None:
    world = legacy()
    plan = prepare_adopt("digits", world.edge())
    with hold("digits", "deploy", world.edge()), pytest.raises(ConflictError):
        adopt(plan, world.edge())
    assert world.journal.shared == []


def refuse(call: str) -> None:
    raise UnreachableError("no answer")


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_an_adoption_that_was_cut_short_can_be_gone_on_with(lost: str) -> None:
    world = legacy()
    plan = prepare_adopt("digits", world.edge(), reason="ours now")
    world.cloud.refuse = refuse
    with pytest.raises(UnreachableError):
        adopt(plan, world.edge())
    world.cloud.refuse = lambda _: None
    if lost == "answer":
        world.cloud.tag_endpoint("digits", ((ENDPOINT_TAG, "digits"),))
    resumed = prepare_resume("digits", world.edge(), keep_revisions=5)
    assert resumed is not None
    adopt(resumed, world.edge())
    attempts = history(world.edge())
    assert [(attempt.verb, attempt.outcome) for attempt in attempts] == [("adopt", "deployed")]
    assert attempts[0].reason == "ours now"
    assert drift("digits", world.edge()).found == ()
