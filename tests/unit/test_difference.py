"""Every field of what we manage is told apart, and nothing else is."""

import dataclasses
import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from orchestrator.core import resources, scaling
from orchestrator.core.difference import HIDDEN, Difference, compare, compare_scalings, planned
from orchestrator.core.resources import Endpoint, EndpointConfig, Model, State, Variant, Vpc
from orchestrator.core.revision import Revision
from orchestrator.core.scaling import Dimension, Scaling, Schedule, StepPolicy, TargetTracking
from tests.support.managed import CASES, CONFIG, MODEL, SCALING, WHOLES, changed

IDENTITY = {(Model, "name"), (EndpointConfig, "name"), (Scaling, "variant")}
# Observed, and never asked for: `orchestrator.usecases.drift` looks at what matters of them.
OBSERVED = {resources.Endpoint, resources.VariantStatus, resources.Stage, resources.State}


def revision(mark: str, count: int = 1) -> Revision:
    model = Model(f"m-{mark}", "image:1", f"s3://b/{mark}", "role")
    config = EndpointConfig(f"c-{mark}", (Variant("primary", model.name, "ml.m5.large", count),))
    return Revision("digits", mark * 64, model, config)


def managed() -> Iterator[tuple[type, str]]:
    for module in (resources, scaling):
        for found in vars(module).values():
            if dataclasses.is_dataclass(found) and isinstance(found, type) and found not in OBSERVED:
                yield from ((found, field.name) for field in dataclasses.fields(found))


def test_every_field_of_what_we_manage_has_a_case_here() -> None:
    assert set(managed()) == set(CASES) | IDENTITY


@pytest.mark.parametrize(
    ("owner", "field"), [pytest.param(*case, id=f"{case[0].__name__}.{case[1]}") for case in CASES]
)
def test_a_field_that_is_changed_is_named(owner: type, field: str) -> None:
    to, path = CASES[owner, field]
    whole = next(whole for whole in WHOLES if changed(whole, owner, field, to) is not whole)
    other = changed(whole, owner, field, to)
    assert path in {difference.path for difference in compare(whole, other)}
    assert {d.path for d in compare(whole, other)} == {d.path for d in compare(other, whole)}


@pytest.mark.parametrize(("owner", "field"), sorted(IDENTITY, key=str))
def test_which_resource_it_is_is_no_difference(owner: type, field: str) -> None:
    whole = next(whole for whole in WHOLES if isinstance(whole, owner))
    assert compare(whole, changed(whole, owner, field, "another")) == ()


def test_a_field_is_told_as_it_was_and_as_it_is() -> None:
    two = EndpointConfig("c", (Variant("primary", "m", "ml.m5.large", 2),))
    four = EndpointConfig("c", (Variant("primary", "m", "ml.m5.large", 4, routing="RANDOM", weight=3),))
    assert [str(difference) for difference in compare(two, four)] == [
        "variants[primary].instance_count: 2 -> 4",
        "variants[primary].weight: 1 -> 3",
    ]


def test_what_is_new_is_told_without_what_goes_without_saying() -> None:
    bare = Variant("primary", "m", "ml.m5.large", 1)
    assert [str(difference) for difference in compare(None, bare, "variants[primary]")] == [
        "variants[primary].model: nothing -> m",
        "variants[primary].instance_type: nothing -> ml.m5.large",
        "variants[primary].instance_count: nothing -> 1",
    ]


@pytest.mark.parametrize("seed", range(20))
def test_the_order_of_lists_says_nothing(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - shuffles test values

    def shuffled(value: object) -> object:
        if isinstance(value, tuple):
            pairs = all(isinstance(item, tuple) for item in value)
            items = value if pairs else [shuffled(item) for item in value]
            return tuple(chance.sample(items, len(value)))
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            parts = {field.name: shuffled(getattr(value, field.name)) for field in dataclasses.fields(value)}
            return replace(value, **parts)
        return value

    wide = replace(MODEL, environment=(("A", "1"), ("B", "2")), vpc=Vpc(("sg-1", "sg-2"), ("s-1", "s-2")))
    for whole in (replace(wide, tags=(("team", "ml"), ("cost", "42"))), CONFIG, SCALING):
        assert compare(whole, shuffled(whole)) == ()


def test_what_a_service_does_anyway_is_no_difference_to_being_told_so() -> None:
    usual = changed(SCALING, StepPolicy, "cooldown_seconds", 300)
    assert compare(SCALING, changed(usual, Schedule, "timezone", "UTC")) == ()
    assert compare(CONFIG, changed(CONFIG, Variant, "routing", "RANDOM")) == ()
    assert compare(SCALING, changed(SCALING, TargetTracking, "target", 600.0)) == ()


def test_a_weight_that_comes_back_in_single_precision_is_the_same_weight() -> None:
    asked = Variant("primary", "m", weight=0.1)
    assert compare(asked, replace(asked, weight=0.10000000149011612)) == ()
    assert compare(asked, replace(asked, weight=0.1001)) != ()


def test_the_value_of_a_variable_that_sounds_like_a_secret_is_not_shown() -> None:
    for name in ("API_TOKEN", "db_password", "AWS_SECRET_ACCESS_KEY"):
        before, after = (replace(MODEL, environment=((name, text),)) for text in ("hunter1", "hunter2"))
        found = compare(before, after, "model")
        assert found == (Difference(f"model.environment[{name}]", HIDDEN, HIDDEN),)
        assert "hunter" not in str(found[0])


def test_a_plan_tells_what_changes_for_callers_and_not_which_names_do() -> None:
    old, new = revision("a"), revision("b", 3)
    observed = State(frozenset({old.model}), frozenset({old.config}), Endpoint("digits", old.name))
    assert [difference.path for difference in planned(new, observed)] == [
        "model.artifact",
        "variants[primary].instance_count",
    ]
    assert planned(old, observed) == ()


def test_a_plan_for_a_new_endpoint_tells_all_that_is_asked_for() -> None:
    found = planned(revision("a"), State())
    assert {difference.before for difference in found} == {None}
    assert "variants[primary].instance_type" in {difference.path for difference in found}


def test_a_plan_tells_of_autoscaling_that_is_ours_and_not_of_that_of_others() -> None:
    wanted, plain = revision("a"), replace(SCALING, schedules=())
    foreign = replace(SCALING, variant="elsewhere")
    observed = State(
        frozenset({wanted.model}),
        frozenset({wanted.config}),
        Endpoint("digits", wanted.name),
        frozenset({plain, foreign}),
    )
    more = replace(wanted, scalings=(replace(plain, maximum=9),))
    assert list(map(str, planned(more, observed))) == ["autoscaling[primary].maximum: 4 -> 9"]
    assert planned(wanted, observed) == ()
    gone = {difference.path for difference in planned(wanted, observed, former=(plain,))}
    assert "autoscaling[primary].minimum" in gone


def test_bounds_that_a_schedule_may_have_set_are_no_difference() -> None:
    wanted = replace(revision("a"), scalings=(SCALING,))
    moved = replace(SCALING, minimum=0, maximum=1)
    observed = State(
        frozenset({wanted.model}),
        frozenset({wanted.config}),
        Endpoint("digits", wanted.name),
        frozenset({moved}),
    )
    assert planned(wanted, observed) == ()


@pytest.mark.parametrize(
    ("dimension", "seconds"), [(Dimension.INSTANCES, 300), (Dimension.PROVISIONED_CONCURRENCY, 0)]
)
def test_a_cooldown_that_is_left_to_the_service_is_the_one_that_it_uses(
    dimension: Dimension, seconds: int
) -> None:
    left = Scaling("primary", 1, 4, dimension=dimension, tracking=(TargetTracking("t", "metric", 60.0),))
    told = replace(left, tracking=(TargetTracking("t", "metric", 60.0, seconds, seconds),))
    other = replace(left, tracking=(TargetTracking("t", "metric", 60.0, seconds, seconds + 1),))
    for pair in ((left, told), (told, left)):
        assert compare_scalings(pair[:1], pair[1:], pair[:1]) == ()
    for pair in ((left, other), (other, left)):
        (found,) = compare_scalings(pair[:1], pair[1:], pair[:1])
        assert found.path.endswith("scale_out_cooldown_seconds")
