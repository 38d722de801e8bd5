"""Everything that was changed behind our back is reported, and nothing else is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from orchestrator.core import journal
from orchestrator.core.alarms import Alarm
from orchestrator.core.errors import NotFoundError
from orchestrator.core.journal import DESTROY, ROLLBACK, SWEEP
from orchestrator.core.resources import EndpointConfig, EndpointStatus, Model, Variant, VariantStatus
from orchestrator.core.scaling import Dimension, Scaling, Schedule
from orchestrator.core.target import AlarmSpec, EndpointSpec, JudgeSpec
from orchestrator.usecases.drift import drift
from tests.support.fakes import FakeEdge, fake_edge
from tests.support.managed import (
    CASES,
    CONFIG,
    MODEL,
    SCALING,
    Past,
    changed,
    made,
    put,
    record,
    simple,
)

SPEC = EndpointSpec(
    variants=tuple(replace(variant, model="") for variant in CONFIG.variants),
    shadow=replace(CONFIG.shadows[0], model=""),
    environment=MODEL.environment,
    vpc=MODEL.vpc,
    capture=CONFIG.capture,
    async_inference=CONFIG.async_inference,
)
WHOLE = made("a", SPEC, scalings=(SCALING,))
WATCHED = Past(alarm_spec=AlarmSpec(error_percent=1.0, latency_ms=200.0), judge=JudgeSpec())


def world_of_everything() -> FakeEdge:
    world = fake_edge()
    put(world, WHOLE, WATCHED)
    return world


def found(world: FakeEdge) -> list[str]:
    return [str(one) for one in drift("digits", world.edge()).found]


def test_what_was_deployed_and_left_alone_has_not_drifted() -> None:
    result = drift("digits", world_of_everything().edge())
    assert result.found == ()
    assert result.unmanaged == ()
    assert result.deployment.number == 1


@pytest.mark.parametrize(
    ("owner", "field"),
    # The bounds of a target with schedules are whatever the last one set; without any, see below.
    [
        pytest.param(*case, id=f"{case[0].__name__}.{case[1]}")
        for case in CASES
        if case not in {(Scaling, "minimum"), (Scaling, "maximum")}
    ],
)
def test_every_managed_field_that_is_changed_behind_our_back_is_reported(owner: type, field: str) -> None:
    world, (to, path) = world_of_everything(), CASES[owner, field]
    model, config = world.cloud.models[WHOLE.model.name], world.cloud.configs[WHOLE.name]
    if (new := changed(model, owner, field, to)) is not model:
        assert isinstance(new, Model)
        world.cloud.models[model.name] = new
        prefix = f"model {model.name}: {path}"
    elif (new := changed(config, owner, field, to)) is not config:
        assert isinstance(new, EndpointConfig)
        world.cloud.configs[config.name] = new
        prefix = f"endpoint config {config.name}: {path}"
    else:
        scaling = changed(SCALING, owner, field, to)
        assert isinstance(scaling, Scaling)
        world.autoscaling.scalings = {("digits", scaling.variant, scaling.dimension): scaling}
        prefix = f"autoscaling: autoscaling[{scaling.variant}].{path}"
        if field == "dimension":  # another dimension is another scalable target: ours is gone
            prefix = f"autoscaling: autoscaling[{scaling.variant}].minimum: 1 -> nothing"
    assert any(line.startswith(prefix) for line in found(world)), found(world)


@pytest.mark.parametrize("field", ["minimum", "maximum"])
def test_bounds_are_compared_where_no_schedule_sets_them(field: str) -> None:
    world, plain = fake_edge(), replace(SCALING, schedules=())
    put(world, simple(scalings=(plain,)))
    moved = replace(plain, minimum=2) if field == "minimum" else replace(plain, maximum=9)
    world.autoscaling.scalings["digits", "primary", Dimension.INSTANCES] = moved
    assert [line.partition(":")[2].split(":")[0] for line in found(world)] == [
        f" autoscaling[primary].{field}"
    ]
    scheduled = replace(moved, schedules=(Schedule("night", "rate(1 day)", 1),))
    world.autoscaling.scalings["digits", "primary", Dimension.INSTANCES] = scheduled
    assert f"autoscaling: autoscaling[primary].{field}" in "\n".join(found(world))


ALARM_FIELDS: dict[str, object] = {
    "metric": "ModelLatencies",
    "dimensions": (("EndpointName", "other"),),
    "statistic": "Sum",
    "threshold": 77.0,
    "comparison": "LessThanThreshold",
    "period_seconds": 300,
    "evaluation_periods": 5,
    "datapoints": 3,
    "missing": "breaching",
    "namespace": "Elsewhere",
    "simple": False,
}


def test_every_field_of_an_alarm_is_compared_but_its_state() -> None:
    assert set(ALARM_FIELDS) == set(Alarm.__dataclass_fields__) - {"name", "state"}
    for field, to in ALARM_FIELDS.items():
        world = world_of_everything()
        name = f"{WHOLE.name}-judge"
        world.alarms.alarms[name] = replace(world.alarms.alarms[name], **{field: to})  # type: ignore[arg-type]  # by name
        assert any(line.startswith(f"alarm {name}: {field}") for line in found(world)), field
    world = world_of_everything()
    world.alarms.alarms = {name: replace(one, state="ALARM") for name, one in world.alarms.alarms.items()}
    assert found(world) == []


def gone(world: FakeEdge, what: str) -> None:
    match what:
        case "endpoint":
            del world.cloud.endpoints["digits"]
        case "endpoint config":
            del world.cloud.configs[WHOLE.name]
        case "model":
            del world.cloud.models[WHOLE.model.name]
        case "artifact":
            world.store.objects.clear()
        case "alarm":
            world.alarms.alarms.popitem()
        case _:
            raise AssertionError(what)


@pytest.mark.parametrize("what", ["endpoint", "endpoint config", "model", "artifact", "alarm"])
def test_what_is_gone_is_reported(what: str) -> None:
    world = world_of_everything()
    gone(world, what)
    lines = found(world)
    assert len(lines) == 1
    assert lines[0].startswith(f"{what} ")
    assert lines[0].endswith(": existence: there -> gone")


def test_autoscaling_that_was_taken_away_is_reported() -> None:
    world = world_of_everything()
    world.autoscaling.scalings.clear()
    assert "autoscaling: autoscaling[primary].maximum: 4 -> nothing" in found(world)


def other_config(world: FakeEdge) -> None:
    world.cloud.endpoints["digits"] = replace(world.cloud.endpoints["digits"], config="mine")


def moving(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.UPDATING, pending="mine")


def failed(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.FAILED)


def deleting(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.DELETING)


def retagged(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    tags = tuple(sorted({**dict(seen.tags), "team": "ops"}.items()))
    world.cloud.endpoints["digits"] = replace(seen, tags=tags)


def untagged(world: FakeEdge) -> None:
    world.cloud.endpoints["digits"] = replace(
        world.cloud.endpoints["digits"], tags=(("team", "ml"),), owned=False
    )


def reweighted(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, variants=(VariantStatus("primary", 1, 1, 0.5, 0.5),))


def resized(world: FakeEdge) -> None:
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, variants=(VariantStatus("primary", 3, 3),))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (other_config, "config: NAME -> mine"),
        (moving, "pending: nothing -> mine"),
        (failed, "status: InService -> Failed"),
        (deleting, "status: InService -> Deleting"),
        (retagged, "tags[team]: ml -> ops"),
        (untagged, "tags[orchestrator:endpoint]: digits -> nothing"),
        (reweighted, "variants[primary].weight: 1 -> 0.5"),
        (resized, "variants[primary].instance_count: 1 -> 3"),
    ],
)
def test_every_change_of_the_endpoint_itself_is_reported(
    change: Callable[[FakeEdge], None], line: str
) -> None:
    world, wanted = fake_edge(), simple()
    put(world, wanted)
    change(world)
    assert found(world) == [f"endpoint digits: {line.replace('NAME', wanted.name)}"]


def test_a_size_and_a_weight_that_the_endpoint_is_still_on_its_way_to_are_reported() -> None:
    world = fake_edge()
    put(world, simple())
    seen = world.cloud.endpoints["digits"]
    on_its_way = VariantStatus("primary", 1, 3, 1.0, 0.5)
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.UPDATING, variants=(on_its_way,))
    assert found(world) == [
        "endpoint digits: variants[primary].instance_count: 1 -> 3",
        "endpoint digits: variants[primary].weight: 1 -> 0.5",
    ]
    record(world, simple("b"), Past(outcome=""))
    assert found(world) == [], "an attempt that is under way resizes, too"


def test_a_count_that_an_autoscaler_owns_is_not_drift_whoever_made_the_autoscaler() -> None:
    for scalings in ((SCALING,), ()):
        world = fake_edge()
        put(world, simple(scalings=scalings))
        world.autoscaling.scalings["digits", "primary", Dimension.INSTANCES] = SCALING
        resized(world)
        assert found(world) == []
        told = drift("digits", world.edge()).unmanaged
        assert bool(told) == (not scalings)


def test_what_others_have_tagged_besides_is_not_ours() -> None:
    world, wanted = fake_edge(), simple()
    put(world, wanted)
    extra, anchor = (("cost-centre", "42"),), ("orchestrator:journal", "2:ab")
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, tags=(*extra, *seen.tags, anchor))
    world.cloud.models[wanted.model.name] = replace(wanted.model, tags=(*extra, *wanted.model.tags))
    world.cloud.configs[wanted.name] = replace(wanted.config, tags=(*extra, *wanted.config.tags))
    assert found(world) == []


def test_the_world_is_compared_with_what_was_deployed_last_and_not_with_what_failed() -> None:
    world, first, second = fake_edge(), simple("a"), simple("b")
    put(world, first)
    record(world, second, Past(outcome="rolled-back"))
    record(world, None, Past(verb=SWEEP, outcome=journal.SWEPT))
    assert found(world) == []
    put(world, second, Past(verb=ROLLBACK))
    assert found(world) == []


def test_an_endpoint_that_was_destroyed_has_drifted_if_it_is_there_again() -> None:
    world = fake_edge()
    put(world, simple())
    record(world, None, Past(verb=DESTROY, outcome="destroyed"))
    assert found(world) == ["endpoint digits: existence: gone -> there"]
    del world.cloud.endpoints["digits"]
    assert found(world) == []


def test_an_attempt_that_is_under_way_is_said_and_is_no_drift() -> None:
    world, first, second = fake_edge(), simple("a", scalings=(SCALING,)), simple("b")
    put(world, first)
    record(world, second, Past(outcome=""))
    seen = world.cloud.endpoints["digits"]
    world.cloud.endpoints["digits"] = replace(seen, status=EndpointStatus.UPDATING, pending=second.name)
    suspended = replace(SCALING, scale_in_suspended=True)
    world.autoscaling.scalings["digits", "primary", Dimension.INSTANCES] = suspended
    result = drift("digits", world.edge())
    assert result.found == ()
    assert result.unfinished is not None


def test_an_attempt_that_arrived_and_was_killed_is_what_the_world_is_compared_with() -> None:
    world, first, second = fake_edge(), simple("a"), simple("b")
    put(world, first)
    put(world, second, Past(outcome=""))
    assert drift("digits", world.edge()).deployment.revision == second
    assert found(world) == []


def test_an_endpoint_that_the_journal_knows_nothing_of_is_refused() -> None:
    with pytest.raises(NotFoundError, match="knows of no deployment") as caught:
        drift("digits", fake_edge().edge())
    assert caught.value.hint is not None
    assert "adopt" in caught.value.hint


def test_a_model_of_somebody_else_that_a_variant_serves_is_only_looked_for() -> None:
    world = fake_edge()
    variants = (Variant("primary", "", "ml.m5.large", 1), Variant("champion", "theirs", "ml.m5.large", 1))
    put(world, made("a", EndpointSpec(variants=variants)))
    assert found(world) == ["model theirs: existence: there -> gone"]
    world.cloud.models["theirs"] = Model("theirs", "image:9", "s3://elsewhere/x", "role")
    assert found(world) == []


def test_a_weight_that_comes_back_in_single_precision_has_not_drifted() -> None:
    world = fake_edge()
    put(world, made("a", EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1, 0.109),))))
    seen, single = world.cloud.endpoints["digits"], 0.10899999737739563
    world.cloud.endpoints["digits"] = replace(
        seen, variants=(VariantStatus("primary", 1, 1, single, single),)
    )
    assert found(world) == []
