"""Turn a desired deployment and an observed one into a plan.

The laws that tests prove on every small world: a plan arrives; a second plan is empty; a plan cut
short anywhere can be made again; SageMaker refuses no step; nothing is left over; what is kept is
never deleted; rolling back is planning for the previous revision.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.core.errors import ConflictError
from orchestrator.core.resources import Endpoint, EndpointConfig, EndpointStatus, Model, Pairs, State
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
)


@dataclass(frozen=True, slots=True)
class Desired:
    """What the user wants an endpoint to serve, and what to keep for a rollback.

    Attributes:
        keep: Names of endpoint configs that must survive, besides the desired one.
        tags: For the endpoint itself, should it have to be created.
    """

    endpoint: str
    config: EndpointConfig
    models: frozenset[Model]
    keep: frozenset[str] = frozenset()
    tags: Pairs = ()


def plan(desired: Desired, observed: State) -> Plan:
    """Return the steps that turn ``observed`` into ``desired``, in order.

    The plan is empty when there is nothing to do. It may be cut short anywhere and made again from
    what is then observed: it still ends at ``desired``.

    Raises:
        ConflictError: If somebody else's change of the endpoint is under way, or the endpoint is not ours.
    """
    _check_ours(desired.endpoint, observed.endpoint, wanted=desired.config.name)
    keep = desired.keep | {desired.config.name}
    configs = observed.configs | {desired.config}
    return (
        *_create(desired, observed),
        *_route(desired, observed),
        *_sweep(keep, configs, observed.models),
    )


def sweep(endpoint: str, keep: frozenset[str], observed: State) -> Plan:
    """Return the steps that remove every endpoint config but those in ``keep``, and the models none names.

    Raises:
        ConflictError: If the endpoint is moving, or is not ours.
    """
    _check_ours(endpoint, observed.endpoint, wanted=None)
    return tuple(_sweep(keep, observed.configs, observed.models))


def dismantle(endpoint: str, observed: State) -> Plan:
    """Return the steps that remove an endpoint and everything that was made for it.

    Raises:
        ConflictError: If the endpoint is moving, or is not ours.
    """
    _check_ours(endpoint, observed.endpoint, wanted=None)
    first = () if observed.endpoint is None else (DeleteEndpoint(endpoint),)
    return (*first, *_sweep(frozenset(), observed.configs, observed.models))


def _check_ours(name: str, endpoint: Endpoint | None, *, wanted: str | None) -> None:
    if endpoint is None:
        return
    if not endpoint.owned:
        raise ConflictError(
            f"endpoint '{name}' exists and was not made by the orchestrator",
            details=[("state", f"{endpoint.status} on '{endpoint.config}'; nothing has changed")],
            hint="choose another name in the spec, or delete that endpoint yourself",
        )
    if not endpoint.status.settled and not _is_under_way(endpoint, wanted):
        raise ConflictError(
            f"endpoint '{name}' is {endpoint.status}, moving to '{endpoint.target}'",
            details=[("state", "somebody else's change is under way; nothing has changed")],
            hint=f"orchestrator status {name}          wait until it has settled, then run this again",
        )


def _is_under_way(endpoint: Endpoint, wanted: str | None) -> bool:
    """Tell whether the change that is under way is the very one that is wanted."""
    return endpoint.status in {EndpointStatus.CREATING, EndpointStatus.UPDATING} and endpoint.target == wanted


def _create(desired: Desired, observed: State) -> Iterator[Step]:
    # By name alone: the name is the digest of the content, and what else AWS may have added to a resource
    # (an organisation's tags, say) does not make it another one.
    models, configs = {model.name for model in observed.models}, {config.name for config in observed.configs}
    for model in sorted(desired.models, key=lambda model: model.name):
        if model.name not in models:
            yield CreateModel(model)
    if desired.config.name not in configs:
        yield CreateEndpointConfig(desired.config)


def _route(desired: Desired, observed: State) -> Iterator[Step]:
    name, goal = desired.endpoint, desired.config.name
    endpoint = observed.endpoint
    if endpoint is None:
        yield CreateEndpoint(name, goal, desired.tags)
    elif not endpoint.status.settled:
        yield AwaitEndpoint(name, goal, endpoint.config)
    elif endpoint.status is EndpointStatus.FAILED:
        # "DeleteEndpoint is the only operation that can be performed on a failed endpoint": SageMaker
        # API reference, DescribeEndpoint.
        yield DeleteEndpoint(name)
        yield CreateEndpoint(name, goal, desired.tags)
    elif endpoint.config != goal or endpoint.status is not EndpointStatus.IN_SERVICE:
        yield UpdateEndpoint(name, goal, endpoint.config)


def _sweep(
    keep: frozenset[str], configs: frozenset[EndpointConfig], models: frozenset[Model]
) -> Iterator[Step]:
    named = {variant.model for config in configs if config.name in keep for variant in config.variants}
    yield from (DeleteEndpointConfig(name) for name in sorted(c.name for c in configs) if name not in keep)
    yield from (DeleteModel(name) for name in sorted(m.name for m in models) if name not in named)
