"""The planner's laws, checked on every world up to a size (small-scope hypothesis)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import reduce
from itertools import chain, combinations, product
from typing import TypeVar

import pytest

from orchestrator.core.alarms import Alarm
from orchestrator.core.errors import ConflictError
from orchestrator.core.planner import Desired, dismantle, plan, sweep
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    State,
    Variant,
    VariantStatus,
)
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.steps import (
    AwaitEndpoint,
    CreateEndpoint,
    CreateEndpointConfig,
    CreateModel,
    DeleteAlarms,
    DeleteEndpoint,
    DeleteEndpointConfig,
    DeleteModel,
    Plan,
    PutAlarm,
    PutScaling,
    RemoveScaling,
    SetCapacities,
    Step,
    SuspendScaling,
    UpdateEndpoint,
    after,
)

T = TypeVar("T")

SIZE = 3
MODELS = [Model(f"m{i}", "image", f"s3://b/{i}", "role") for i in range(SIZE)]
CONFIGS = [EndpointConfig(f"c{i}", (Variant("v", f"m{i}", "ml.m5.large", 1),)) for i in range(SIZE)]
SETTLED = [status for status in EndpointStatus if status.settled]
SCALED_STATUSES = [EndpointStatus.IN_SERVICE, EndpointStatus.FAILED, EndpointStatus.UPDATE_ROLLBACK_FAILED]
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


WANTED = Scaling("v", 1, 10, tracking=(TargetTracking("t", "SageMakerVariantInvocationsPerInstance", 600),))
SCALINGS = [None, WANTED, replace(WANTED, scale_in_suspended=True), replace(WANTED, maximum=99)]
# The first two differ in the size of the variant that nobody scales, the third in the machines of the other.
FLEETS = [
    EndpointConfig(f"c{i}", (Variant("v", f"m{i}", kind, 1), Variant("w", f"m{i}", "ml.m5.large", count)))
    for i, (kind, count) in enumerate([("ml.m5.large", 1), ("ml.m5.large", 2), ("ml.g5.xlarge", 1)])
]
ALARMS = tuple(Alarm(f"c1-{name}") for name in ("5xx", "judge"))
CANARY = Rollout(Kind.CANARY, Size(10), alarms=tuple(alarm.name for alarm in ALARMS))
WATCHED: list[tuple[tuple[Alarm, ...], frozenset[str]]] = [
    ((), frozenset()),
    (ALARMS, frozenset()),
    (ALARMS, frozenset({"c1-judge", "c0-5xx", "c2-5xx"})),
]


def scaled_wishes() -> Iterator[Desired]:
    for config, wanted, former in product(FLEETS, [(), (WANTED,)], [(), (WANTED,)]):
        models = frozenset(model for model in MODELS if model.name in config.models)
        yield Desired("e", config, models, frozenset({"c0"}), scalings=wanted, former=former)


def scaled_worlds() -> Iterator[State]:
    """Yield worlds with an autoscaled variant beside another one, of whatever sizes and weights."""
    everything = State(frozenset(MODELS), frozenset(FLEETS))
    for scaling in SCALINGS:
        state = replace(everything, scalings=frozenset({scaling} if scaling else ()))
        yield state
        for config, status, count, weight in product(FLEETS, SCALED_STATUSES, (1, 7), (1.0, 0.5)):
            fleets = (VariantStatus("v", count, count, weight, weight), VariantStatus("w", count, count))
            yield replace(state, endpoint=Endpoint("e", config.name, status, variants=fleets))


def is_foreign(desired: Desired, observed: State) -> bool:
    """Tell whether the variant's autoscaling is somebody else's, and would have to go for other machines."""
    serves = observed.endpoint is not None and observed.endpoint.status is not EndpointStatus.FAILED
    is_ours = bool(desired.scalings or desired.former)
    machines = {"c2"} & {desired.config.name, observed.endpoint.config if observed.endpoint else ""}
    moves = observed.endpoint is not None and observed.endpoint.config != desired.config.name
    return serves and bool(observed.scalings) and not is_ours and bool(machines) and moves


SCALED = [
    (replace(desired, alarms=wanted, rollout=CANARY if wanted else AT_ONCE), replace(observed, alarms=there))
    for desired, observed, (wanted, there) in product(scaled_wishes(), scaled_worlds(), WATCHED)
    if not wanted or desired.config.name == "c1"
]
PLAIN = list(product(wishes(), worlds()))
CASES = PLAIN + [(desired, observed) for desired, observed in SCALED if not is_foreign(desired, observed)]


def run(steps: Plan, state: State) -> State:
    return reduce(lambda current, step: after(step, current), steps, state)


def refusal(step: Step, state: State) -> str:
    """Say why AWS would refuse a step, in terms of its own documented rules."""
    match step:
        case CreateModel() | CreateEndpointConfig() | DeleteEndpointConfig() | DeleteModel():
            return resource_refusal(step, state)
        case SuspendScaling() | PutScaling() | RemoveScaling():
            return scaling_refusal(step, state)
        case PutAlarm() | DeleteAlarms() | AwaitEndpoint():
            return ""
        case _:
            return endpoint_refusal(step, state)


def resource_refusal(
    step: CreateModel | CreateEndpointConfig | DeleteEndpointConfig | DeleteModel, state: State
) -> str:
    models, configs = {m.name for m in state.models}, {c.name for c in state.configs}
    match step:
        case CreateModel(model) if model.name in models:
            return "already exists"
        case CreateEndpointConfig(config) if config.name in configs:
            return "already exists"
        case CreateEndpointConfig(config) if not config.models <= models:
            return "no such model"
        case DeleteEndpointConfig(name) if state.endpoint and state.endpoint.config == name:
            return "in use"
        case DeleteModel(name) if any(name in config.models for config in state.configs):
            return "in use"
    return ""


def endpoint_refusal(
    step: CreateEndpoint | UpdateEndpoint | SetCapacities | DeleteEndpoint, state: State
) -> str:
    endpoint, configs = state.endpoint, {c.name for c in state.configs}
    if isinstance(step, CreateEndpoint):
        return "already exists, or no such endpoint config" if endpoint or step.config not in configs else ""
    if endpoint is None or not endpoint.status.settled:
        return "no such endpoint, or in progress"
    match step:
        case UpdateEndpoint() | SetCapacities() if endpoint.status is EndpointStatus.FAILED:
            return "only deletion can follow a failure"
        case UpdateEndpoint(_, config, _, rollout) if config not in configs or not (
            {name for name in rollout.alarms if name[:2] in {"c0", "c1", "c2"}} <= state.alarms
        ):
            return "no such endpoint config, or no such alarm"
        case UpdateEndpoint(_, config) if any(
            machines(state, endpoint.config, s.variant) != machines(state, config, s.variant)
            for s in state.scalings
        ):
            return "autoscaling has to go before the instance type changes"
        case SetCapacities(_, capacities) if len(capacities) > 1 and any(
            capacity.count is not None for capacity in capacities
        ):
            return "the weights of many variants or the capacity of one"
    return ""


def machines(state: State, config: str, variant: str) -> list[str]:
    return [
        v.instance_type for c in state.configs if c.name == config for v in c.variants if v.name == variant
    ]


def scaling_refusal(step: SuspendScaling | PutScaling | RemoveScaling, state: State) -> str:
    there = {(scaling.variant, scaling.dimension) for scaling in state.scalings}
    match step:
        case PutScaling() if state.endpoint is None or not state.endpoint.status.settled:
            return "no such endpoint, or in progress"
        case SuspendScaling(_, scaling) if (scaling.variant, scaling.dimension) not in there:
            return "no such scalable target"
        case RemoveScaling(_, variant, dimension) if (variant, dimension) not in there:
            return "no such scalable target"
    return ""


def test_a_plan_arrives() -> None:
    for desired, observed in CASES:
        end = run(plan(desired, observed), observed)
        assert end.endpoint is not None
        assert (end.endpoint.config, end.endpoint.status) == (desired.config.name, EndpointStatus.IN_SERVICE)
        assert desired.config in end.configs
        assert desired.models <= end.models
        assert set(desired.scalings) <= end.scalings
        assert {alarm.name for alarm in desired.alarms} <= end.alarms
        scaled = {scaling.variant for scaling in end.scalings}
        wanted = {variant.name: variant for variant in desired.config.variants}
        for fleet in end.endpoint.variants:
            assert fleet.desired_weight == wanted[fleet.name].weight
            assert fleet.name in scaled or fleet.desired_count == wanted[fleet.name].instance_count


def test_a_second_plan_is_empty() -> None:
    for desired, observed in CASES:
        assert plan(desired, run(plan(desired, observed), observed)) == ()


def test_a_plan_cut_short_anywhere_can_be_made_again() -> None:
    for desired, observed in CASES:
        steps = plan(desired, observed)
        end = run(steps, observed)
        for length in range(len(steps)):
            cut = run(steps[:length], observed)
            assert run(plan(desired, cut), cut) == end, (desired, observed, steps[:length])


def test_aws_refuses_no_step() -> None:
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
        assert {alarm[:2] for alarm in end.alarms} <= {config.name for config in end.configs}
        assert not any(scaling.scale_in_suspended for scaling in end.scalings & set(desired.scalings))


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


def test_autoscaled_capacity_is_never_reset() -> None:
    for desired, observed in CASES:
        steps = plan(desired, observed)
        end = run(steps, observed)
        scaled = {s.variant for s in observed.scalings} & {s.variant for s in end.scalings}
        state = observed
        for step in steps:
            later = after(step, state)
            if isinstance(step, (UpdateEndpoint, SetCapacities)) and state.endpoint and later.endpoint:
                before = {fleet.name: fleet.desired_count for fleet in state.endpoint.variants}
                then = {fleet.name: fleet.desired_count for fleet in later.endpoint.variants}
                assert all(before[name] == then[name] for name in scaled & before.keys()), (desired, observed)
            state = later


def test_nothing_of_ours_is_scaled_in_while_an_endpoint_moves() -> None:
    for desired, observed in CASES:
        state = observed
        for step in plan(desired, observed):
            if isinstance(step, UpdateEndpoint) and (desired.scalings or desired.former):
                assert all(scaling.scale_in_suspended for scaling in state.scalings)
            state = after(step, state)


def test_somebody_elses_autoscaling_is_left_alone_or_stands_in_the_way_of_other_machines() -> None:
    for desired, observed in SCALED:
        if is_foreign(desired, observed):
            with pytest.raises(ConflictError, match="somebody else's autoscaling"):
                plan(desired, observed)
        elif not desired.scalings and not desired.former:
            steps = plan(desired, observed)
            touched = [s for s in steps if isinstance(s, (SuspendScaling, PutScaling, RemoveScaling))]
            assert touched == [] or any(isinstance(step, DeleteEndpoint) for step in steps)


def test_an_alarm_of_an_earlier_attempt_is_made_anew_before_anything_moves() -> None:
    for desired, observed in SCALED:
        steps = [] if is_foreign(desired, observed) else list(plan(desired, observed))
        moves = [at for at, step in enumerate(steps) if isinstance(step, UpdateEndpoint)]
        for alarm in desired.alarms if moves else ():
            assert PutAlarm(alarm) in steps[: moves[0]]
            gone = {
                name for step in steps[: moves[0]] if isinstance(step, DeleteAlarms) for name in step.names
            }
            assert (alarm.name in gone) == (alarm.name in observed.alarms)


def test_where_nobody_knows_what_machines_serve_autoscaling_of_ours_makes_room() -> None:
    desired = Desired("e", FLEETS[0], frozenset({MODELS[0]}), scalings=(WANTED,))
    lost = State(frozenset(), frozenset(), Endpoint("e", "lost"), frozenset({WANTED}))
    kinds = [type(step) for step in plan(desired, lost)]
    assert kinds.index(RemoveScaling) < kinds.index(UpdateEndpoint) < kinds.index(PutScaling)
    foreign = replace(desired, scalings=())
    assert RemoveScaling not in [type(step) for step in plan(foreign, lost)]


COMING = {EndpointStatus.CREATING, EndpointStatus.UPDATING, EndpointStatus.ROLLING_BACK}


def test_our_own_change_under_way_is_waited_for_and_nobody_elses() -> None:
    for desired, observed in PLAIN:
        if observed.endpoint is None or desired.config not in observed.configs:
            continue
        for status, target in product(MOVING, CONFIGS):
            moving = replace(observed.endpoint, status=status, pending=target.name)
            state = replace(observed, endpoint=moving)
            if status is EndpointStatus.DELETING:
                made = [
                    step
                    for step in plan(desired, state)
                    if isinstance(step, (DeleteEndpoint, CreateEndpoint))
                ]
                assert [type(step) for step in made] == [DeleteEndpoint, CreateEndpoint]
            elif target == desired.config and status in COMING:
                waits = [step for step in plan(desired, state) if isinstance(step, AwaitEndpoint)]
                assert waits == [AwaitEndpoint("e", target.name, moving.config)]
            else:
                with pytest.raises(ConflictError, match="moving to"):
                    plan(desired, state)


def test_an_endpoint_that_is_not_ours_is_never_touched() -> None:
    for desired, observed in PLAIN:
        if observed.endpoint is not None:
            foreign = replace(observed, endpoint=replace(observed.endpoint, owned=False))
            with pytest.raises(ConflictError, match="not made by the orchestrator"):
                plan(desired, foreign)
            with pytest.raises(ConflictError, match="not made by the orchestrator"):
                dismantle("e", foreign)
            with pytest.raises(ConflictError, match="not made by the orchestrator"):
                sweep("e", frozenset(), foreign)


def test_dismantling_leaves_nothing_and_is_refused_by_nobody() -> None:
    for observed in (*worlds(), *(observed for _, observed in SCALED)):
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
