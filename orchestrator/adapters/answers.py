"""Answers of SageMaker's API as core values: the way back from `orchestrator.adapters.requests`.

Knows the names of the API's members; makes no calls.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orchestrator.core import resources
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    EndpointConfig,
    EndpointStatus,
    InstancePool,
    Model,
    Pairs,
    Serverless,
    Stage,
    Variant,
    VariantStatus,
    Vpc,
)
from orchestrator.core.revision import ENDPOINT_TAG

Answer = Mapping[str, Any]
_NONE: Answer = {}


def tags(listed: Iterable[Mapping[str, str]]) -> Pairs:
    """Return tags, sorted.

    AWS's own tags may stand beside ours; they are not what anybody asked for.
    """
    found = ((tag["Key"], tag["Value"]) for tag in listed)
    return tuple(sorted((key, value) for key, value in found if not key.startswith("aws:")))


def model(answer: Answer, tagged: Pairs) -> Model:
    """Return what DescribeModel shows; of an inference pipeline, the first container."""
    container = answer.get("PrimaryContainer") or next(iter(answer.get("Containers", ())), _NONE)
    vpc = answer.get("VpcConfig")
    return Model(
        name=answer["ModelName"],
        image=container.get("Image", ""),
        artifact=_artifact(container),
        role=answer.get("ExecutionRoleArn", ""),
        environment=tuple(sorted(container.get("Environment", {}).items())),
        tags=tagged,
        vpc=Vpc(_set(vpc["SecurityGroupIds"]), _set(vpc["Subnets"])) if vpc else None,
        network_isolation=bool(answer.get("EnableNetworkIsolation")),
    )


def config(answer: Answer, tagged: Pairs) -> EndpointConfig:
    """Return what DescribeEndpointConfig shows."""
    capture, asynchronous = answer.get("DataCaptureConfig"), answer.get("AsyncInferenceConfig")
    return EndpointConfig(
        name=answer["EndpointConfigName"],
        variants=tuple(map(_variant, answer.get("ProductionVariants", ()))),
        tags=tagged,
        shadows=tuple(map(_variant, answer.get("ShadowProductionVariants", ()))),
        capture=_capture(capture) if capture and capture.get("EnableCapture", True) else None,
        async_inference=_async(asynchronous) if asynchronous else None,
        kms_key=answer.get("KmsKeyId"),
    )


def endpoint(answer: Answer, tagged: Pairs) -> resources.Endpoint:
    """Return what DescribeEndpoint shows."""
    pending = answer.get("PendingDeploymentSummary") or _NONE
    variants = answer.get("ProductionVariants", ())
    return resources.Endpoint(
        name=answer["EndpointName"],
        config=answer.get("EndpointConfigName", ""),
        status=EndpointStatus(answer["EndpointStatus"]),
        pending=pending.get("EndpointConfigName"),
        last_modified=answer["LastModifiedTime"].timestamp(),
        failure_reason=answer.get("FailureReason", ""),
        variants=tuple(map(_variant_status, variants)),
        owned=dict(tagged).get(ENDPOINT_TAG) == answer["EndpointName"],
        stages=(*_stages(pending.get("ProductionVariants", ())), *_stages(variants)),
        tags=tagged,
    )


def _set(members: Iterable[str]) -> tuple[str, ...]:
    # A set to SageMaker, which need not keep the order it was given.
    return tuple(sorted(members))


def _artifact(container: Answer) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(container.get("ModelDataUrl") or source.get("S3Uri", ""))


def _variant(answer: Answer) -> Variant:
    serverless, routing = answer.get("ServerlessConfig"), answer.get("RoutingConfig") or _NONE
    pools = (InstancePool(pool["InstanceType"], pool["Priority"]) for pool in answer.get("InstancePools", ()))
    return Variant(
        name=answer["VariantName"],
        model=answer.get("ModelName", ""),
        instance_type=answer.get("InstanceType", ""),
        instance_count=answer.get("InitialInstanceCount", 0),
        weight=answer.get("InitialVariantWeight", 1.0),
        pools=tuple(pools),
        serverless=_serverless(serverless) if serverless else None,
        volume_gb=answer.get("VolumeSizeInGB"),
        download_timeout_seconds=answer.get("ModelDataDownloadTimeoutInSeconds"),
        startup_timeout_seconds=answer.get("ContainerStartupHealthCheckTimeoutInSeconds"),
        provision_timeout_seconds=answer.get("VariantInstanceProvisionTimeoutInSeconds"),
        ami=answer.get("InferenceAmiVersion"),
        routing=routing.get("RoutingStrategy"),
    )


def _serverless(answer: Answer) -> Serverless:
    return Serverless(
        answer["MemorySizeInMB"], answer["MaxConcurrency"], answer.get("ProvisionedConcurrency")
    )


def _capture(answer: Answer) -> Capture:
    kinds = answer.get("CaptureContentTypeHeader") or _NONE
    return Capture(
        destination=answer["DestinationS3Uri"],
        percent=answer["InitialSamplingPercentage"],
        modes=_set(option["CaptureMode"] for option in answer["CaptureOptions"]),
        kms_key=answer.get("KmsKeyId"),
        csv_types=_set(kinds.get("CsvContentTypes", ())),
        json_types=_set(kinds.get("JsonContentTypes", ())),
    )


def _async(answer: Answer) -> AsyncInference:
    output, client = answer["OutputConfig"], answer.get("ClientConfig") or _NONE
    topics = output.get("NotificationConfig") or _NONE
    return AsyncInference(
        output=output.get("S3OutputPath", ""),
        failure=output.get("S3FailurePath"),
        kms_key=output.get("KmsKeyId"),
        success_topic=topics.get("SuccessTopic"),
        error_topic=topics.get("ErrorTopic"),
        max_concurrent=client.get("MaxConcurrentInvocationsPerInstance"),
    )


def _variant_status(answer: Answer) -> VariantStatus:
    return VariantStatus(
        name=answer["VariantName"],
        current_count=answer.get("CurrentInstanceCount", 0),
        desired_count=answer.get("DesiredInstanceCount", 0),
        current_weight=answer.get("CurrentWeight", 1.0),
        desired_weight=answer.get("DesiredWeight", 1.0),
    )


def _stages(variants: Iterable[Answer]) -> Iterator[Stage]:
    for variant in variants:
        for stage in variant.get("VariantStatus", ()):
            started = stage.get("StartTime")
            yield Stage(
                variant=variant["VariantName"],
                status=stage["Status"],
                message=stage.get("StatusMessage", ""),
                since=0.0 if started is None else started.timestamp(),
            )
