"""The SageMaker operations that the local cloud answers itself, by their names in the API.

Either all operations on models, endpoint configs and endpoints are here or none: what one store keeps,
moto's cannot see.
"""

from collections.abc import Callable, Mapping

from orchestrator.localcloud import describing, endpoints, records
from orchestrator.localcloud.world import Content, Outcome, World

READS: Mapping[str, Callable[[World, Content], Content]] = {
    "DescribeModel": records.describe_model,
    "DescribeEndpointConfig": records.describe_endpoint_config,
    "DescribeEndpoint": describing.describe_endpoint,
    "ListModels": describing.list_models,
    "ListEndpointConfigs": describing.list_endpoint_configs,
    "ListEndpoints": describing.list_endpoints,
    "ListTags": records.list_tags,
}
EDITS: Mapping[str, Callable[[World, Content], Outcome]] = {
    "DeleteModel": records.delete_model,
    "DeleteEndpointConfig": records.delete_endpoint_config,
    "AddTags": records.add_tags,
    "DeleteTags": records.delete_tags,
}
CHANGES: Mapping[str, Callable[[World, Content, float], Outcome]] = {
    "CreateModel": records.create_model,
    "CreateEndpointConfig": records.create_endpoint_config,
    "CreateEndpoint": endpoints.create_endpoint,
    "UpdateEndpoint": endpoints.update_endpoint,
    "UpdateEndpointWeightsAndCapacities": endpoints.update_weights_and_capacities,
    "DeleteEndpoint": endpoints.delete_endpoint,
}

TAGGING = frozenset({"AddTags", "ListTags", "DeleteTags"})


def is_ours(operation: str, request: object) -> bool:
    """Tell whether the local cloud answers ``operation`` itself; tags of other resources are moto's."""
    if operation in TAGGING and isinstance(request, dict):
        return records.is_ours(str(request.get("ResourceArn")))
    return any(operation in table for table in (READS, EDITS, CHANGES))


def perform(world: World, operation: str, request: Content, now: float) -> Outcome:
    """Return what a valid ``request`` leads to, ``now`` seconds since 1970.

    Raises:
        ApiError: If a rule refuses it.
    """
    if operation in READS:
        return Outcome(world, READS[operation](world, request))
    if operation in EDITS:
        return EDITS[operation](world, request)
    return CHANGES[operation](world, request, now)
