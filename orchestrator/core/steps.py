"""The changes a plan is made of.

A step is a value: it says what will change, and `after` says what the world looks like once it has.
Nothing here makes a call; `orchestrator.usecases.apply` does.
"""

from dataclasses import dataclass, replace
from typing import assert_never

from orchestrator.core.resources import Endpoint, EndpointConfig, EndpointStatus, Model, Pairs, State


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
    """Move an endpoint to another endpoint config and wait until it has arrived."""

    endpoint: str
    config: str
    previous: str


@dataclass(frozen=True, slots=True)
class AwaitEndpoint:
    """Wait for a change of the endpoint that is under way already, and is the one we want."""

    endpoint: str
    config: str
    previous: str


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


Step = (
    CreateModel
    | CreateEndpointConfig
    | CreateEndpoint
    | UpdateEndpoint
    | AwaitEndpoint
    | DeleteEndpoint
    | DeleteEndpointConfig
    | DeleteModel
)
Plan = tuple[Step, ...]


def after(step: Step, state: State) -> State:
    """Return the state that a successful ``step`` leaves."""
    match step:
        case CreateModel(model):
            return replace(state, models=state.models | {model})
        case CreateEndpointConfig(config):
            return replace(state, configs=state.configs | {config})
        case (
            CreateEndpoint(endpoint, config)
            | UpdateEndpoint(endpoint, config)
            | AwaitEndpoint(endpoint, config)
        ):
            return replace(state, endpoint=Endpoint(endpoint, config, EndpointStatus.IN_SERVICE))
        case DeleteEndpoint():
            return replace(state, endpoint=None)
        case DeleteEndpointConfig(name):
            return replace(state, configs=frozenset(c for c in state.configs if c.name != name))
        case DeleteModel(name):
            return replace(state, models=frozenset(m for m in state.models if m.name != name))
        case _:
            assert_never(step)


def describe(step: Step) -> str:
    """Return one line for people: ``+`` makes, ``~`` moves, ``-`` removes, ``…`` waits."""
    match step:
        case CreateModel(model):
            return f"+ model {model.name}"
        case CreateEndpointConfig(config):
            return f"+ endpoint config {config.name}"
        case CreateEndpoint(endpoint, config):
            return f"+ endpoint {endpoint}: {config}"
        case UpdateEndpoint(endpoint, config, previous):
            return f"~ endpoint {endpoint}: {previous} -> {config}"
        case AwaitEndpoint(endpoint, config, previous):
            return f"… endpoint {endpoint}: {previous} -> {config}, already under way"
        case DeleteEndpoint(endpoint):
            return f"- endpoint {endpoint}"
        case DeleteEndpointConfig(name):
            return f"- endpoint config {name}"
        case DeleteModel(name):
            return f"- model {name}"
        case _:
            assert_never(step)
