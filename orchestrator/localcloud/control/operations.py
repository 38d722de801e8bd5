"""The SageMaker operations that the local cloud answers itself, by their names in the API.

Either all operations on a kind of resource are here or none: what one store keeps, moto's cannot see.
"""

from collections.abc import Callable, Mapping

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.rules import (
    components,
    componentviews,
    describing,
    endpoints,
    packages,
    quotas,
    records,
    registry,
    tagging,
)
from orchestrator.localcloud.rules.validation import check, is_known
from orchestrator.localcloud.transforms import jobs
from orchestrator.localcloud.world import Content, Outcome, World

READS: Mapping[str, Callable[[World, Content], Content]] = {
    "DescribeModel": records.describe_model,
    "DescribeEndpointConfig": records.describe_endpoint_config,
    "DescribeEndpoint": describing.describe_endpoint,
    "ListModels": describing.list_models,
    "ListEndpointConfigs": describing.list_endpoint_configs,
    "ListEndpoints": describing.list_endpoints,
    "DescribeTransformJob": jobs.describe,
    "ListTransformJobs": jobs.list_jobs,
    "DescribeModelPackageGroup": registry.describe_group,
    "ListModelPackageGroups": registry.list_groups,
    "GetModelPackageGroupPolicy": registry.describe_policy,
    "DescribeModelPackage": packages.describe_package,
    "BatchDescribeModelPackage": packages.batch_describe_packages,
    "ListModelPackages": packages.list_packages,
    "DescribeInferenceComponent": componentviews.describe_component,
    "ListInferenceComponents": componentviews.list_components,
    "ListTags": tagging.list_tags,
}
EDITS: Mapping[str, Callable[[World, Content], Outcome]] = {
    "DeleteModel": records.delete_model,
    "DeleteEndpointConfig": records.delete_endpoint_config,
    "DeleteModelPackageGroup": registry.delete_group,
    "PutModelPackageGroupPolicy": registry.put_policy,
    "DeleteModelPackageGroupPolicy": registry.delete_policy,
    "DeleteModelPackage": packages.delete_package,
    "AddTags": tagging.add_tags,
    "DeleteTags": tagging.delete_tags,
}
CHANGES: Mapping[str, Callable[[World, Content, float], Outcome]] = {
    "CreateModel": records.create_model,
    "CreateEndpointConfig": records.create_endpoint_config,
    "CreateEndpoint": endpoints.create_endpoint,
    "UpdateEndpoint": endpoints.update_endpoint,
    "UpdateEndpointWeightsAndCapacities": endpoints.update_weights_and_capacities,
    "DeleteEndpoint": endpoints.delete_endpoint,
    "CreateModelPackageGroup": registry.create_group,
    "CreateModelPackage": packages.create_package,
    "UpdateModelPackage": packages.update_package,
    "CreateInferenceComponent": components.create_component,
    "UpdateInferenceComponent": components.update_component,
    "UpdateInferenceComponentRuntimeConfig": components.update_runtime_config,
    "DeleteInferenceComponent": components.delete_component,
    "CreateTransformJob": jobs.create,
    "StopTransformJob": jobs.stop,
}

# moto says that these have done their work, and nothing was done: nothing runs, nothing is written.
_PRETENDED = {
    "CreateAutoMLJobV2",
    "CreateCluster",
    "CreateCompilationJob",
    "CreateHyperParameterTuningJob",
    "CreateNotebookInstance",
    "CreateProcessingJob",
    "CreateTrainingJob",
    "StartNotebookInstance",
    "StartPipelineExecution",
}
# moto looks for these in stores of its own, where ours are not.
_SEARCHED_ELSEWHERE = {"Endpoint", "Model", "ModelPackage", "ModelPackageGroup"}
# These may need more instances than there are.
_TAKING = {"CreateEndpoint", "UpdateEndpoint", "UpdateEndpointWeightsAndCapacities"}
_TAGGING = {"AddTags", "ListTags", "DeleteTags"}


def is_ours(operation: str, request: object) -> bool:
    """Tell whether the local cloud answers ``operation`` itself; tags of other resources are moto's."""
    if operation in _TAGGING:
        return not isinstance(request, dict) or tagging.is_ours(request.get("ResourceArn"))
    return any(operation in table for table in (READS, EDITS, CHANGES))


def check_honest(operation: str, request: object) -> None:
    """Check that moto can answer an operation that is not ours, and would not pretend to carry it out.

    Raises:
        ApiError: If SageMaker has no such operation, the request is not valid, or moto's answer would say
            what is not so.
    """
    if not is_known(operation):
        raise ApiError("UnknownOperationException", f"SageMaker has no operation {operation!r}.")
    check(operation, request)
    if operation in _PRETENDED:
        raise unsupported(operation)
    if operation == "Search" and isinstance(request, dict) and request.get("Resource") in _SEARCHED_ELSEWHERE:
        raise unsupported(f"Search for resources of the type {request['Resource']}")


def perform(world: World, operation: str, request: Content, now: float) -> Outcome:
    """Return what a valid ``request`` leads to, ``now`` seconds since 1970.

    Raises:
        ApiError: If a rule refuses it.
    """
    if operation in READS:
        return Outcome(world, READS[operation](world, request))
    if operation in EDITS:
        return EDITS[operation](world, request)
    outcome = CHANGES[operation](world, request, now)
    if operation in _TAKING:
        quotas.check_quotas(world, outcome.world)
    return outcome
