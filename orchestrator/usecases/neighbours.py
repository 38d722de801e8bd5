"""What other endpoints need of what was made for one: it must outlive that one.

SageMaker deletes an endpoint config or a model that an endpoint serves without a word, and the endpoint can
then be neither scaled nor updated.
"""

from collections.abc import Mapping

from orchestrator.core.steps import DeleteEndpointConfig, DeleteModel, Plan
from orchestrator.usecases.edge import Edge


def foreign_uses(endpoint: str, edge: Edge) -> dict[str, str]:
    """Return the names of all endpoint configs and models that other endpoints need, and which one does.

    One or two calls for every endpoint of the account, ours or not.
    """
    found: dict[str, str] = {}
    for name in edge.inventory.endpoint_names(""):
        other = None if name == endpoint else edge.cloud.endpoint(name)
        for config in () if other is None else dict.fromkeys((other.config, other.target)):
            if config not in found:
                found[config] = f"endpoint '{name}' serves it"
                served = edge.inventory.config(config)
                models = frozenset[str]() if served is None else served.models
                found.update(dict.fromkeys(models, f"endpoint '{name}' serves it"))
    return found


def spared(plan: Plan, needed: Mapping[str, str]) -> Plan:
    """Return ``plan`` without the deletion of any endpoint config or model in ``needed``."""
    return tuple(
        step
        for step in plan
        if not (isinstance(step, (DeleteEndpointConfig, DeleteModel)) and step.name in needed)
    )
