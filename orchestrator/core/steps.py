"""The changes a plan is made of.

A step is a value: it says what will change, and `after` says what the world looks like once it has.
Nothing here makes a call; `orchestrator.usecases.perform` does.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from orchestrator.core.alarms import Alarm
from orchestrator.core.capacities import arrived, resized
from orchestrator.core.clouds import Capacity
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Pairs,
    State,
    Variant,
)
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Unit
from orchestrator.core.scaling import Dimension, Scaling


@dataclass(frozen=True, slots=True)
class CreateModel:
    """Create a model."""

    model: Model


@dataclass(frozen=True, slots=True)
class CreateEndpointConfig:
    """Create an endpoint config."""

    config: EndpointConfig


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """Create an endpoint and wait until it has arrived."""

    endpoint: str
    config: str
    tags: Pairs = ()


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """Move an endpoint to another endpoint config and wait until it has arrived.

    Attributes:
        retain: Whether counts stay as they are, since an autoscaler owns one of them.
    """

    endpoint: str
    config: str
    previous: str
    rollout: Rollout = AT_ONCE
    retain: bool = False


@dataclass(frozen=True, slots=True)
class AwaitEndpoint:
    """Wait for a change of the endpoint that is under way already, and is the one we want."""

    endpoint: str
    config: str
    previous: str


@dataclass(frozen=True, slots=True)
class SetCapacities:
    """Give variants other weights, or one variant another size, and wait until they have them.

    SageMaker takes "the weights of one or more variants, or the capacity of one variant" a call: API
    reference, UpdateEndpointWeightsAndCapacities.
    """

    endpoint: str
    capacities: tuple[Capacity, ...]


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    """Delete an endpoint and wait until it is gone."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class DeleteEndpointConfig:
    """Delete an endpoint config nothing serves."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteModel:
    """Delete a model no endpoint config names."""

    name: str


@dataclass(frozen=True, slots=True)
class PutAlarm:
    """Make an alarm, or make it what it should be."""

    alarm: Alarm


@dataclass(frozen=True, slots=True)
class DeleteAlarms:
    """Delete the alarms that were generated for endpoint configs nothing serves."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuspendScaling:
    """Let an autoscaler take nothing away from a variant, until its next `PutScaling`."""

    endpoint: str
    scaling: Scaling


@dataclass(frozen=True, slots=True)
class PutScaling:
    """Make a variant's autoscaling what it should be, and let it take away again."""

    endpoint: str
    scaling: Scaling


@dataclass(frozen=True, slots=True)
class RemoveScaling:
    """Take a variant's autoscaling away."""

    endpoint: str
    variant: str
    dimension: Dimension


Step = (
    CreateModel
    | CreateEndpointConfig
    | CreateEndpoint
    | UpdateEndpoint
    | AwaitEndpoint
    | SetCapacities
    | DeleteEndpoint
    | DeleteEndpointConfig
    | DeleteModel
    | PutAlarm
    | DeleteAlarms
    | SuspendScaling
    | PutScaling
    | RemoveScaling
)
Plan = tuple[Step, ...]
Route = CreateEndpoint | UpdateEndpoint | AwaitEndpoint
"""The steps after which an endpoint config serves that did not before."""


def after(step: Step, state: State) -> State:
    """Return the state that a successful ``step`` leaves."""
    match step:
        case CreateModel(model):
            return replace(state, models=state.models | {model})
        case CreateEndpointConfig(config):
            return replace(state, configs=state.configs | {config})
        case CreateEndpoint() | UpdateEndpoint() | AwaitEndpoint() | SetCapacities() | DeleteEndpoint():
            return replace(state, endpoint=_endpoint_after(step, state))
        case DeleteEndpointConfig(name):
            return replace(state, configs=frozenset(c for c in state.configs if c.name != name))
        case DeleteModel(name):
            return replace(state, models=frozenset(m for m in state.models if m.name != name))
        case PutAlarm(alarm):
            return replace(state, alarms=state.alarms | {alarm.name})
        case DeleteAlarms(names):
            return replace(state, alarms=state.alarms - set(names))
        case SuspendScaling() | PutScaling() | RemoveScaling():
            return replace(state, scalings=_scalings_after(step, state))
        case _:
            assert_never(step)


def _endpoint_after(step: Route | SetCapacities | DeleteEndpoint, state: State) -> Endpoint | None:
    match step:
        case DeleteEndpoint():
            return None
        case SetCapacities(_, capacities):
            return None if state.endpoint is None else resized(state.endpoint, capacities)
        case UpdateEndpoint(endpoint, config, _, _, retain):
            kept = state.endpoint.variants if retain and state.endpoint else ()
            there = arrived(_variants(state, config), kept)
            return Endpoint(endpoint, config, EndpointStatus.IN_SERVICE, variants=there)
        case CreateEndpoint(endpoint, config) | AwaitEndpoint(endpoint, config):
            there = arrived(_variants(state, config))
            return Endpoint(endpoint, config, EndpointStatus.IN_SERVICE, variants=there)
        case _:
            assert_never(step)


def _variants(state: State, config: str) -> tuple[Variant, ...]:
    return next((found.variants for found in state.configs if found.name == config), ())


def _scalings_after(step: SuspendScaling | PutScaling | RemoveScaling, state: State) -> frozenset[Scaling]:
    match step:
        case SuspendScaling(_, scaling):
            return _without(state, scaling.variant, scaling.dimension) | {
                replace(scaling, scale_in_suspended=True)
            }
        case PutScaling(_, scaling):
            return _without(state, scaling.variant, scaling.dimension) | {scaling}
        case RemoveScaling(_, variant, dimension):
            return _without(state, variant, dimension)
        case _:
            assert_never(step)


def _without(state: State, variant: str, dimension: Dimension) -> frozenset[Scaling]:
    return frozenset(s for s in state.scalings if s.key != (variant, dimension))


def describe(step: Step) -> str:
    """Return one line for people.

    ``+`` makes, ``~`` changes, ``-`` removes, ``!`` takes away for the time being, ``…`` waits.
    """
    match step:
        case CreateModel(model):
            return f"+ model {model.name}"
        case CreateEndpointConfig(config):
            return f"+ endpoint config {config.name}"
        case PutAlarm(alarm):
            return f"+ alarm {alarm.name}"
        case DeleteEndpointConfig(name):
            return f"- endpoint config {name}"
        case DeleteModel(name):
            return f"- model {name}"
        case DeleteAlarms(names):
            return f"- alarm{'s' * (len(names) > 1)} {', '.join(names)}"
        case CreateEndpoint() | UpdateEndpoint() | AwaitEndpoint() | SetCapacities() | DeleteEndpoint():
            return _describe_endpoint(step)
        case SuspendScaling() | PutScaling() | RemoveScaling():
            return _describe_scaling(step)
        case _:
            assert_never(step)


def _describe_endpoint(step: Route | SetCapacities | DeleteEndpoint) -> str:
    match step:
        case CreateEndpoint(endpoint, config):
            return f"+ endpoint {endpoint}: {config}"
        case UpdateEndpoint(endpoint, config, previous, rollout, retain):
            terms = f"{', ' * (rollout != AT_ONCE)}{_describe_rollout(rollout)}"
            kept = ", counts kept" if retain else ""
            return f"~ endpoint {endpoint}: {previous} -> {config}{terms}{kept}"
        case AwaitEndpoint(endpoint, config, previous):
            return f"… endpoint {endpoint}: {previous} -> {config}, already under way"
        case SetCapacities(endpoint, capacities):
            return f"~ capacity of {endpoint}: {', '.join(map(_describe_capacity, capacities))}"
        case DeleteEndpoint(endpoint):
            return f"- endpoint {endpoint}"
        case _:
            assert_never(step)


def _describe_rollout(rollout: Rollout) -> str:
    if rollout == AT_ONCE:
        return ""
    if rollout.size is None or rollout.kind is Kind.ALL_AT_ONCE:
        return str(rollout.kind)
    unit = " %" if rollout.size.unit is Unit.PERCENT else f" instance{'s' * (rollout.size.value > 1)}"
    return f"{rollout.kind} {rollout.size.value}{unit}"


def _describe_capacity(capacity: Capacity) -> str:
    count = "" if capacity.count is None else f", {capacity.count} instance{'s' * (capacity.count != 1)}"
    return f"{capacity.variant} weight {capacity.weight:g}{count}"


def _describe_scaling(step: SuspendScaling | PutScaling | RemoveScaling) -> str:
    match step:
        case SuspendScaling(endpoint, scaling):
            return f"! scale-in of {endpoint}/{scaling.variant}: suspended for the time of the update"
        case PutScaling(endpoint, scaling):
            bounds = f"{scaling.minimum} to {scaling.maximum}"
            return f"+ autoscaling of {endpoint}/{scaling.variant}: {bounds}"
        case RemoveScaling(endpoint, variant):
            return f"- autoscaling of {endpoint}/{variant}"
        case _:
            assert_never(step)
