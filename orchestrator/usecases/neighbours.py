"""What other endpoints need of what was made for one: it must outlive that one.

SageMaker deletes an endpoint config or a model that an endpoint serves without a word, and the endpoint can
then be neither scaled nor updated.
"""

from collections.abc import Mapping, Sequence

from orchestrator.core.notes import Note
from orchestrator.core.steps import DeleteEndpointConfig, DeleteModel, Plan
from orchestrator.usecases.edge import Edge

MANY = 20
"""Of how many other endpoints a deployment asks what they serve, before it deletes anything."""


def foreign_uses(endpoint: str, edge: Edge) -> dict[str, str]:
    """Return the names of all endpoint configs and models that other endpoints need, and which one does.

    One or two calls for every endpoint of the account, ours or not.
    """
    return _uses(_others(endpoint, edge), edge)


def _others(endpoint: str, edge: Edge) -> tuple[str, ...]:
    return tuple(name for name in edge.inventory.endpoint_names("") if name != endpoint)


def _uses(others: Sequence[str], edge: Edge) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in others:
        other = edge.cloud.endpoint(name, tags=False)
        for config in () if other is None else dict.fromkeys((other.config, other.target)):
            if config not in found:
                found[config] = f"endpoint '{name}' serves it"
                served = edge.inventory.config(config, tags=False)
                models = frozenset[str]() if served is None else served.models
                found.update(dict.fromkeys(models, f"endpoint '{name}' serves it"))
    return found


def tidied(plan: Plan, endpoint: str, edge: Edge) -> tuple[Plan, tuple[Note, ...]]:
    """Return ``plan`` without the deletions that another endpoint forbids, and what stays for it.

    Nothing says which endpoints an endpoint config or a model serves but all of the endpoints. Where they are
    many, a deployment does not ask them: it deletes nothing, and leaves that to ``sweep``.
    """
    if not any(isinstance(step, (DeleteEndpointConfig, DeleteModel)) for step in plan):
        return plan, ()
    others = _others(endpoint, edge)
    if len(others) > MANY:
        rest: Plan = tuple(step for step in plan if not isinstance(step, (DeleteEndpointConfig, DeleteModel)))
        says = (
            f"what is no longer needed stays: {len(others)} other endpoints may need it, and only sweep asks"
        )
        return rest, (Note("kept", says),)
    needed = _uses(others, edge)
    rest = spared(plan, needed)
    gone = (step.name for step in plan if isinstance(step, (DeleteEndpointConfig, DeleteModel)))
    return rest, tuple(Note("kept", f"'{name}' stays: {needed[name]}") for name in gone if name in needed)


def spared(plan: Plan, needed: Mapping[str, str]) -> Plan:
    """Return ``plan`` without the deletion of any endpoint config or model in ``needed``."""
    return tuple(
        step
        for step in plan
        if not (isinstance(step, (DeleteEndpointConfig, DeleteModel)) and step.name in needed)
    )
