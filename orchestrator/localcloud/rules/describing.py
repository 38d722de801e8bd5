"""DescribeEndpoint and the lists: what callers see of a world."""

from dataclasses import replace
from typing import Any

from orchestrator.localcloud.rules.endpoints import get
from orchestrator.localcloud.rules.paging import Listing, page
from orchestrator.localcloud.world import (
    CONFIG,
    ENDPOINT,
    MODEL,
    Content,
    Deployment,
    Endpoint,
    Record,
    Stage,
    Variant,
    World,
)

_MODELS = Listing("Models", "ModelName")
_CONFIGS = Listing("EndpointConfigs", "EndpointConfigName")
_ENDPOINTS = Listing("Endpoints", "EndpointName", "EndpointStatus")


def describe_endpoint(world: World, request: Content) -> Content:
    """Return an endpoint as it is now.

    While a change is under way it shows the endpoint config it serves, and the change apart from it in
    ``PendingDeploymentSummary``.
    """
    endpoint = get(world, request["EndpointName"])
    shown = {
        "EndpointName": endpoint.name,
        "EndpointArn": world.scope.arn(ENDPOINT, endpoint.name),
        "EndpointConfigName": endpoint.config,
        "EndpointStatus": str(endpoint.status),
        "CreationTime": endpoint.created,
        "LastModifiedTime": endpoint.modified,
    }
    if endpoint.serving is not None:
        shown |= _serving(endpoint.serving, endpoint.asked)
    if endpoint.pending is not None:
        shown["PendingDeploymentSummary"] = _pending(endpoint.pending)
    if endpoint.failure_reason:
        shown["FailureReason"] = endpoint.failure_reason
    return shown


def list_models(world: World, request: Content) -> Content:
    """Return one page of the models."""
    lines = [_summary(world, MODEL, "Model", model) for model in world.models.values()]
    return page(_MODELS, lines, request)


def list_endpoint_configs(world: World, request: Content) -> Content:
    """Return one page of the endpoint configs."""
    lines = [_summary(world, CONFIG, "EndpointConfig", config) for config in world.configs.values()]
    return page(_CONFIGS, lines, request)


def list_endpoints(world: World, request: Content) -> Content:
    """Return one page of the endpoints."""
    lines = [
        {
            **_summary(world, ENDPOINT, "Endpoint", endpoint),
            "LastModifiedTime": endpoint.modified,
            "EndpointStatus": str(endpoint.status),
        }
        for endpoint in world.endpoints.values()
    ]
    return page(_ENDPOINTS, lines, request)


def _summary(world: World, kind: str, member: str, resource: Record | Endpoint) -> dict[str, Any]:
    return {
        f"{member}Name": resource.name,
        f"{member}Arn": world.scope.arn(kind, resource.name),
        "CreationTime": resource.created,
    }


def _serving(deployment: Deployment, asked: tuple[Variant, ...]) -> Content:
    """Return what shows a deployment that serves, with the weights and counts that it is to have."""
    becoming = {variant.name: variant for variant in asked}
    shown: dict[str, Any] = {
        "ProductionVariants": [
            _variant(deployment, variant, becoming.get(variant.name, variant))
            for variant in deployment.variants
        ]
    }
    if deployment.shadows:
        shadows = [_variant(deployment, variant, variant) for variant in deployment.shadows]
        shown["ShadowProductionVariants"] = shadows
    if deployment.policy is not None:
        shown["LastDeploymentConfig"] = deployment.policy
    if "AsyncInferenceConfig" in deployment.content:
        shown["AsyncInferenceConfig"] = deployment.content["AsyncInferenceConfig"]
    if capture := deployment.content.get("DataCaptureConfig"):
        shown["DataCaptureConfig"] = _capturing(capture)
    return shown


def _capturing(capture: Content) -> Content:
    """Return a DataCaptureConfigSummary, all of whose members are required by the service model."""
    enabled = bool(capture.get("EnableCapture"))
    return {
        "EnableCapture": enabled,
        "CaptureStatus": "Started" if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId", ""),
    }


def _variant(deployment: Deployment, present: Variant, desired: Variant) -> Content:
    shown: dict[str, Any] = {
        "VariantName": present.name,
        "CurrentWeight": present.weight,
        "DesiredWeight": desired.weight,
    }
    if present.serverless is None:
        shown |= {"CurrentInstanceCount": present.count, "DesiredInstanceCount": desired.count}
    else:
        shown |= {
            "CurrentServerlessConfig": present.serverless,
            "DesiredServerlessConfig": desired.serverless,
        }
    if image := present.container.get("Image"):
        # There is no registry to ask which digest a tag stands for, so the image resolves to itself.
        resolved = {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": deployment.since}
        shown["DeployedImages"] = [resolved]
    return shown


def _pending(deployment: Deployment) -> Content:
    shown = {
        "EndpointConfigName": deployment.config,
        "ProductionVariants": [_moving(deployment, variant) for variant in deployment.variants],
        "StartTime": deployment.since,
    }
    if deployment.shadows:
        shadows = [_moving(deployment, variant) for variant in deployment.shadows]
        shown["ShadowProductionVariants"] = shadows
    return shown


def _moving(deployment: Deployment, variant: Variant) -> Content:
    """Return one variant of what is under way: its share of the traffic, its instances and its stage."""
    stage = deployment.stages.get(variant.name, Stage("Creating", "", 0, 0.0, deployment.since))
    present = replace(variant, weight=variant.weight * stage.portion, count=stage.count)
    shown = {
        **_variant(deployment, present, variant),
        "VariantStatus": [
            {
                "Status": stage.status,
                **({"StatusMessage": stage.message} if stage.message else {}),
                "StartTime": stage.since,
            }
        ],
    }
    return {**shown, "InstanceType": variant.instance_type} if variant.instance_type else shown
