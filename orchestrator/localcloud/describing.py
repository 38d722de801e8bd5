"""DescribeEndpoint and the lists: what callers see of a world."""

import base64
import json
from dataclasses import replace
from typing import Any

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.endpoints import get
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

# SageMaker API reference, ListEndpoints: newest first; the size of a page is from experience.
_PAGE = 10


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
    return _page(
        "Models", [_summary(world, MODEL, "Model", model) for model in world.models.values()], request
    )


def list_endpoint_configs(world: World, request: Content) -> Content:
    """Return one page of the endpoint configs."""
    lines = [_summary(world, CONFIG, "EndpointConfig", config) for config in world.configs.values()]
    return _page("EndpointConfigs", lines, request)


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
    return _page("Endpoints", lines, request)


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


def _page(member: str, lines: list[dict[str, Any]], request: Content) -> Content:
    """Return the page of ``lines`` that ``request`` asks for, under the name ``member``.

    A token is the place of the last line that was shown, not its number, so that a page loses and
    repeats nothing when resources come and go between two calls.
    """
    noun = member[:-1]
    sort = {"Name": f"{noun}Name", "Status": "EndpointStatus"}.get(request.get("SortBy", ""), "CreationTime")

    def place(line: Content) -> list[Any]:
        return [line[sort], line[f"{noun}Name"]]

    descending = request.get("SortOrder", "Descending") == "Descending"
    found = sorted((line for line in lines if _fits(line, noun, request)), key=place, reverse=descending)
    if token := request.get("NextToken"):
        seen = _read_token(token, sort)
        found = [line for line in found if (place(line) < seen if descending else place(line) > seen)]
    size = request.get("MaxResults", _PAGE)
    page: dict[str, Any] = {member: found[:size]}
    if len(found) > size:
        page["NextToken"] = base64.urlsafe_b64encode(
            json.dumps([sort, *place(found[size - 1])]).encode()
        ).decode()
    return page


def _fits(line: Content, noun: str, request: Content) -> bool:
    moments = (
        ("CreationTime", line["CreationTime"]),
        ("LastModifiedTime", line.get("LastModifiedTime", 0.0)),
    )
    return (
        request.get("NameContains", "").lower() in line[f"{noun}Name"].lower()
        and request.get("StatusEquals", line.get("EndpointStatus")) == line.get("EndpointStatus")
        and all(moment <= request.get(f"{name}Before", moment) for name, moment in moments)
        and all(moment >= request.get(f"{name}After", moment) for name, moment in moments)
    )


def _read_token(token: str, sort: str) -> list[Any]:
    """Return the place a token stands for; it must come from a list of the same order."""
    try:
        sorted_by, value, name = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError) as error:
        raise invalid("Invalid pagination token.") from error
    if sorted_by != sort or isinstance(value, str) != (sort != "CreationTime"):
        raise invalid("The pagination token belongs to a list of another order.")
    return [value, str(name)]
