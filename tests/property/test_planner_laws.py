"""The planner's laws, checked on every world up to a size (small-scope hypothesis)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import chain, combinations, product
from typing import TypeVar

import pytest

from orchestrator.core.errors import ConflictError
from orchestrator.core.planner import Desired, dismantle, plan, sweep
from orchestrator.core.resources import Endpoint, EndpointConfig, EndpointStatus, Model, State, Variant
from orchestrator.core.steps import (
    AwaitEndpoint,
    CreateEndpoint,
    CreateEndpointConfig,
    CreateModel,
    DeleteEndpoint,
    DeleteEndpointConfig,
    DeleteModel,
    Plan,
    Step,
    UpdateEndpoint,
    after,
)

T = TypeVar("T")

SIZE = 3
MODELS = [Model(f"m{i}", "image", f"s3://b/{i}", "role") for i in range(SIZE)]
CONFIGS = [EndpointConfig(f"c{i}", (Variant("v", f"m{i}", "ml.m5.large", 1),)) for i in range(SIZE)]
SETTLED = [status for status in EndpointStatus if status.settled]
MOVING = [status for status in EndpointStatus if not status.settled]


def subsets(items: Iterable[T]) -> Iterator[frozenset[T]]:
    pool = list(items)
    return map(frozenset, chain.from_iterable(combinations(pool, n) for n in range(len(pool) + 1)))


def worlds() -> Iterator[State]:
    """Yield every settled world in which each endpoint config's models exist, and the endpoint's config."""
    for configs in subsets(CONFIGS):
        named = {variant.model for config in configs for variant in config.variants}
        for models in subsets(MODELS):
            if named <= {model.name for model in models}:
                yield State(models, configs)
                yield from (
                    State(models, configs, Endpoint("e", config.name, status))
                    for config, status in product(configs, SETTLED)
                )


def wishes() -> Iterator[Desired]:
    for i, keep in product(range(SIZE), subsets(config.name for config in CONFIGS)):
        yield Desired("e", CONFIGS[i], frozenset({MODELS[i]}), keep)


CASES = list(product(wishes(), worlds()))


def run(steps: Plan, state: State) -> State:
    return reduce(lambda current, step: after(step, current), steps, state)


def refusal(step: Step, state: State) -> str:  # noqa: C901, PLR0911 - one rule of SageMaker's each
    """Say why SageMaker would refuse a step, in terms of its own documented rules."""
    models, configs = {m.name for m in state.models}, {c.name for c in state.configs}
    match step:
        case CreateModel(model) if model.name in models:
            return "already exists"
        case CreateEndpointConfig(config) if config.name in configs:
            return "already exists"
        case CreateEndpointConfig(config) if not {v.model for v in config.variants} <= models:
            return "no such model"
        case CreateEndpoint(_, config) if state.endpoint or config not in configs:
            return "already exists, or no such endpoint config"
        case UpdateEndpoint(_, config) if not state.endpoint or config not in configs:
            return "no such endpoint, or no such endpoint config"
        case UpdateEndpoint() if state.endpoint and state.endpoint.status is EndpointStatus.FAILED:
            return "only deletion can follow a failure"
        case UpdateEndpoint() if state.endpoint and not state.endpoint.status.settled:
            return "in progress"
        case DeleteEndpointConfig(name) if state.endpoint and state.endpoint.config == name:
            return "in use"
        case DeleteModel(name) if any(v.model == name for c in state.configs for v in c.variants):
            return "in use"
        case DeleteEndpoint() if not state.endpoint or not state.endpoint.status.settled:
            return "no such endpoint, or in progress"
    return ""


def test_a_plan_arrives() -> None:
    for desired, observed in CASES:
        end = run(plan(desired, observed), observed)
        assert end.endpoint == Endpoint("e", desired.config.name, EndpointStatus.IN_SERVICE)
        assert desired.config in end.configs
        assert desired.models <= end.models


def test_a_second_plan_is_empty() -> None:
    for desired, observed in CASES:
        assert plan(desired, run(plan(desired, observed), observed)) == ()


def test_a_plan_cut_short_anywhere_can_be_made_again() -> None:
    for desired, observed in CASES:
        steps = plan(desired, observed)
        end = run(steps, observed)
        for length in range(len(steps)):
            cut = run(steps[:length], observed)
            assert run(plan(desired, cut), cut) == end


def test_sagemaker_refuses_no_step() -> None:
    for desired, observed in CASES:
        state = observed
        for step in plan(desired, observed):
            assert refusal(step, state) == "", (desired, observed, step)
            state = after(step, state)


def test_nothing_is_left_over() -> None:
    for desired, observed in CASES:
        end = run(plan(desired, observed), observed)
        assert {config.name for config in end.configs} <= desired.keep | {desired.config.name}
        assert {m.name for m in end.models} <= {v.model for c in end.configs for v in c.variants}


def test_what_is_kept_is_never_deleted() -> None:
    for desired, observed in CASES:
        kept = {v.model for c in observed.configs if c.name in desired.keep for v in c.variants}
        for step in plan(desired, observed):
            assert not (isinstance(step, DeleteEndpointConfig) and step.name in desired.keep)
            assert not (isinstance(step, DeleteModel) and step.name in kept)


def test_rolling_back_is_planning_for_the_previous_revision() -> None:
    everything = frozenset(config.name for config in CONFIGS)
    for new, old in product(wishes(), wishes()):
        before = run(plan(old, State()), State())
        there = run(plan(replace(new, keep=everything), before), before)
        back = plan(replace(old, keep=everything), there)
        assert [type(step) for step in back] in ([], [UpdateEndpoint])
        assert run(back, there).endpoint == before.endpoint


def test_our_own_change_under_way_is_waited_for_and_nobody_elses() -> None:
    for desired, observed in CASES:
        if observed.endpoint is None or desired.config not in observed.configs:
            continue
        for status, target in product(MOVING, CONFIGS):
            moving = replace(observed.endpoint, status=status, pending=target.name)
            state = replace(observed, endpoint=moving)
            ours = target == desired.config and status in {EndpointStatus.CREATING, EndpointStatus.UPDATING}
            if ours:
                waits = [step for step in plan(desired, state) if isinstance(step, AwaitEndpoint)]
                assert waits == [AwaitEndpoint("e", target.name, moving.config)]
            else:
                with pytest.raises(ConflictError, match="moving to"):
                    plan(desired, state)


def test_an_endpoint_that_is_not_ours_is_never_touched() -> None:
    for desired, observed in CASES:
        if observed.endpoint is not None:
            foreign = replace(observed, endpoint=replace(observed.endpoint, owned=False))
            with pytest.raises(ConflictError, match="not made by the orchestrator"):
                plan(desired, foreign)
            with pytest.raises(ConflictError, match="not made by the orchestrator"):
                dismantle("e", foreign)
            with pytest.raises(ConflictError, match="not made by the orchestrator"):
                sweep("e", frozenset(), foreign)


def test_dismantling_leaves_nothing_and_is_refused_by_nobody() -> None:
    for observed in worlds():
        state = observed
        for step in dismantle("e", observed):
            assert refusal(step, state) == "", (observed, step)
            state = after(step, state)
        assert state == State()
        assert dismantle("e", state) == ()


def test_a_sweep_deletes_exactly_what_is_neither_kept_nor_named() -> None:
    for observed, keep in product(worlds(), subsets(config.name for config in CONFIGS)):
        serving = set() if observed.endpoint is None else {observed.endpoint.config}
        steps = sweep("e", keep | serving, observed)
        end = run(steps, observed)
        assert end.endpoint == observed.endpoint
        assert {c.name for c in end.configs} == {c.name for c in observed.configs} & (keep | serving)
        named = {v.model for c in end.configs for v in c.variants}
        assert {m.name for m in end.models} == {m.name for m in observed.models} & named


def test_what_aws_adds_to_a_resource_does_not_make_it_another_one() -> None:
    desired = Desired("e", CONFIGS[0], frozenset({MODELS[0]}))
    tagged = State(
        models=frozenset({replace(MODELS[0], tags=(("cost-centre", "7"),))}),
        configs=frozenset({replace(CONFIGS[0], tags=(("cost-centre", "7"),))}),
        endpoint=Endpoint("e", "c0"),
    )
    assert plan(desired, tagged) == ()
