"""Turn a desired deployment and an observed one into a plan.

The laws that tests prove on every small world: a plan arrives; a second plan is empty; a plan cut
short anywhere can be made again; AWS refuses no step; nothing is left over; what is kept is never
deleted; rolling back is planning for the previous revision; autoscaled capacity is never reset.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce

from orchestrator.core.alarms import Alarm
from orchestrator.core.capacities import corrections, is_scaled_as
from orchestrator.core.errors import ConflictError
from orchestrator.core.ownership import check_ours
from orchestrator.core.resources import (
    EndpointConfig,
    EndpointStatus,
    Model,
    Pairs,
    State,
    Variant,
)
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.scaling import Dimension, Scaling
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


@dataclass(frozen=True, slots=True)
class Desired:
    """What the user wants an endpoint to serve, how to get there, and what to keep for a rollback.

    Attributes:
        keep: Names of endpoint configs that must survive, besides the desired one.
        tags: For the endpoint itself, should it have to be created.
        rollout: How traffic moves, should it have to; with the names of all alarms that are to watch.
        scalings: The autoscaling that the variants are to have.
        alarms: Those to generate for the desired endpoint config.
        former: Autoscaling that we put there earlier; what is neither desired nor this is somebody else's,
            and never touched.
    """

    endpoint: str
    config: EndpointConfig
    models: frozenset[Model]
    keep: frozenset[str] = frozenset()
    tags: Pairs = ()
    rollout: Rollout = AT_ONCE
    scalings: tuple[Scaling, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    former: tuple[Scaling, ...] = ()


def plan(desired: Desired, observed: State) -> Plan:
    """Return the steps that turn ``observed`` into ``desired``, in order.

    The plan is empty when there is nothing to do. It may be cut short anywhere and made again from
    what is then observed: it still ends at ``desired``.

    Raises:
        ConflictError: If somebody else's change of the endpoint is under way, or the endpoint is not ours,
            or somebody else's autoscaling stands in the way.
    """
    check_ours(desired.endpoint, observed.endpoint, wanted=desired.config.name, may_go=True)
    _check_scalings(desired, observed)
    steps: Plan = ()
    state = observed
    for stage in _STAGES:
        found = tuple(stage(desired, state))
        state = reduce(lambda current, step: after(step, current), found, state)
        steps += found
    return steps


def sweep(endpoint: str, keep: frozenset[str], observed: State) -> Plan:
    """Return the steps that remove every endpoint config but those in ``keep``, and what only they need.

    Raises:
        ConflictError: If the endpoint is moving, or is not ours.
    """
    check_ours(endpoint, observed.endpoint, wanted=None)
    return tuple(_swept(keep, observed))


def dismantle(endpoint: str, observed: State) -> Plan:
    """Return the steps that remove an endpoint and everything that was made for it.

    One that is being deleted is waited for.

    Raises:
        ConflictError: If the endpoint is moving otherwise, or is not ours.
    """
    check_ours(endpoint, observed.endpoint, wanted=None, may_go=True)
    first = () if observed.endpoint is None else (DeleteEndpoint(endpoint),)
    return (*_removals(endpoint, observed.scalings), *first, *_swept(frozenset(), observed))


def belongs(alarm: str, config: str) -> bool:
    """Tell whether an alarm of this name was generated for an endpoint config.

    >>> belongs("digits-0123456789ab-5xx", "digits-0123456789ab"), belongs("digits-5xx", "digits-0123")
    (True, False)
    """
    return alarm.startswith(f"{config}-")


_ENDED = frozenset({EndpointStatus.FAILED, EndpointStatus.DELETING})
"""What an endpoint does not come out of: it has to go, and another to be created."""


def _check_scalings(desired: Desired, observed: State) -> None:
    """Refuse to change the machines under an autoscaler that is not ours to take away and put back."""
    endpoint = observed.endpoint
    if endpoint is None or endpoint.status in _ENDED:
        return
    ours = {scaling.key for scaling in (*desired.scalings, *desired.former)}
    for scaling in sorted(observed.scalings, key=lambda scaling: scaling.key):
        if scaling.key not in ours and _changes_machines(desired, observed, scaling.variant) is True:
            raise ConflictError(
                f"variant '{scaling.variant}' of endpoint '{endpoint.name}' is to have other machines, and "
                "somebody else's autoscaling is on it",
                details=[
                    ("rule", "autoscaling has to be taken away before the instance type changes"),
                    ("state", "nothing has changed"),
                ],
                hint="describe that autoscaling in the spec, or take it away yourself",
            )


def _changes_machines(desired: Desired, observed: State, variant: str) -> bool | None:
    """Tell whether a variant is to run on other machines; ``None`` if nobody knows what it runs on now."""
    serving = observed.endpoint.config if observed.endpoint else None
    if serving == desired.config.name:
        return False
    before = next((config for config in observed.configs if config.name == serving), None)
    old = None if before is None else _machines(before.variants, variant)
    return None if old is None else old != _machines(desired.config.variants, variant)


def _machines(variants: Iterable[Variant], name: str) -> object:
    return next(((v.instance_type, v.pools, v.serverless is None) for v in variants if v.name == name), None)


def _create(desired: Desired, observed: State) -> Iterator[Step]:
    # By name alone: the name is the digest of the content, and what else AWS may have added to a resource
    # (an organisation's tags, say) does not make it another one.
    models, configs = {model.name for model in observed.models}, {config.name for config in observed.configs}
    for model in sorted(desired.models, key=lambda model: model.name):
        if model.name not in models:
            yield CreateModel(model)
    if desired.config.name not in configs:
        yield CreateEndpointConfig(desired.config)


def _watch(desired: Desired, observed: State) -> Iterator[Step]:
    """Make the alarms before anything moves; what they say may have changed since the last time."""
    moves = any(isinstance(step, UpdateEndpoint) for step in _route(desired, observed))
    stale = tuple(alarm.name for alarm in desired.alarms if moves and alarm.name in observed.alarms)
    if stale:
        # One that went into ALARM during an earlier attempt may still be there, and would end this one.
        yield DeleteAlarms(stale)
    yield from (PutAlarm(alarm) for alarm in desired.alarms if moves or alarm.name not in observed.alarms)


def _steady(desired: Desired, observed: State) -> Iterator[Step]:
    """Keep autoscalers of ours from taking capacity away under an update, or from standing in its way."""
    moves = [type(step) for step in _route(desired, observed)]
    if DeleteEndpoint in moves:
        yield from _removals(desired.endpoint, observed.scalings)
    if UpdateEndpoint not in moves:
        return
    ours = {scaling.key for scaling in (*desired.scalings, *desired.former)}
    for scaling in sorted(observed.scalings, key=lambda scaling: scaling.key):
        if scaling.key not in ours:
            continue
        if _changes_machines(desired, observed, scaling.variant) is not False:
            yield RemoveScaling(desired.endpoint, *scaling.key)
        elif not scaling.scale_in_suspended:
            yield SuspendScaling(desired.endpoint, scaling)


def _route(desired: Desired, observed: State) -> Iterator[Step]:
    name, goal = desired.endpoint, desired.config.name
    endpoint = observed.endpoint
    if endpoint is None:
        yield CreateEndpoint(name, goal, desired.tags)
    elif not endpoint.status.settled and endpoint.status is not EndpointStatus.DELETING:
        yield AwaitEndpoint(name, goal, endpoint.config)
    elif endpoint.status in _ENDED:
        # "DeleteEndpoint is the only operation that can be performed on a failed endpoint": SageMaker
        # API reference, DescribeEndpoint.
        yield DeleteEndpoint(name)
        yield CreateEndpoint(name, goal, desired.tags)
    elif endpoint.config != goal or endpoint.status is not EndpointStatus.IN_SERVICE:
        # After UpdateRollbackFailed, too: "use the UpdateEndpoint API again" is the documented remedy.
        yield UpdateEndpoint(
            name, goal, endpoint.config, desired.rollout, retain=bool(_scaled(desired, observed))
        )


def _scaled(desired: Desired, observed: State) -> frozenset[str]:
    """Return the variants whose size an autoscaler owns, or is about to."""
    variants = {variant.name for variant in desired.config.variants}
    return frozenset(
        scaling.variant
        for scaling in (*desired.scalings, *observed.scalings)
        if scaling.dimension is Dimension.INSTANCES and scaling.variant in variants
    )


def _disown(desired: Desired, observed: State) -> Iterator[Step]:
    """Take away the autoscaling that we put there and that is no longer wanted."""
    wanted = {scaling.key for scaling in desired.scalings}
    former = {scaling.key for scaling in desired.former} - wanted
    yield from _removals(desired.endpoint, (s for s in observed.scalings if s.key in former))


def _resize(desired: Desired, observed: State) -> Iterator[Step]:
    found = observed.endpoint.variants if observed.endpoint else ()
    calls = corrections(desired.config.variants, found, _scaled(desired, observed))
    yield from (SetCapacities(desired.endpoint, capacities) for capacities in calls)


def _scale(desired: Desired, observed: State) -> Iterator[Step]:
    # Last of all that moves the endpoint: an autoscaler may start a change of its own as soon as it is there.
    for scaling in sorted(desired.scalings, key=lambda scaling: scaling.key):
        if not any(is_scaled_as(scaling, found) for found in observed.scalings):
            yield PutScaling(desired.endpoint, scaling)


def _sweep(desired: Desired, observed: State) -> Iterator[Step]:
    yield from _swept(desired.keep | {desired.config.name}, observed)


_STAGES: tuple[Callable[[Desired, State], Iterator[Step]], ...] = (
    _create,
    _watch,
    _steady,
    _route,
    _disown,
    _resize,
    _scale,
    _sweep,
)
"""Each sees the world as those before it leave it."""


def _removals(endpoint: str, scalings: Iterable[Scaling]) -> Iterator[Step]:
    for scaling in sorted(scalings, key=lambda scaling: scaling.key):
        yield RemoveScaling(endpoint, *scaling.key)


def _swept(keep: frozenset[str], observed: State) -> Iterator[Step]:
    gone = sorted(config.name for config in observed.configs if config.name not in keep)
    named = frozenset[str]().union(*(config.models for config in observed.configs if config.name in keep))
    alarms = sorted(a for a in observed.alarms if not any(belongs(a, config) for config in keep))
    if alarms:
        yield DeleteAlarms(tuple(alarms))
    yield from (DeleteEndpointConfig(name) for name in gone)
    yield from (DeleteModel(name) for name in sorted(m.name for m in observed.models) if name not in named)
