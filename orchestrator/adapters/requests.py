"""Core values as requests of SageMaker's API.

Every field of `orchestrator.core.resources` has its place; `orchestrator.adapters.answers` reads them back.
Values that are absent are left out, so that SageMaker's own defaults hold. Knows the names of the API's
members; makes no calls.
"""

from collections.abc import Mapping, Sequence

from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    EndpointConfig,
    Model,
    Pairs,
    Serverless,
    Variant,
)
from orchestrator.core.rollout import Kind, Rollout, Size

Content = dict[str, object]


def model(value: Model) -> Content:
    """Return the request of CreateModel."""
    vpc = value.vpc and {
        "SecurityGroupIds": list(value.vpc.security_groups),
        "Subnets": list(value.vpc.subnets),
    }
    return {
        "ModelName": value.name,
        "ExecutionRoleArn": value.role,
        "PrimaryContainer": {
            "Image": value.image,
            **_artifact(value),
            "Environment": dict(value.environment),
        },
        **present({"VpcConfig": vpc, "EnableNetworkIsolation": value.network_isolation or None}),
        "Tags": tags(value.tags),
    }


def config(value: EndpointConfig) -> Content:
    """Return the request of CreateEndpointConfig."""
    shadows = [_variant(variant) for variant in value.shadows]
    return {
        "EndpointConfigName": value.name,
        "ProductionVariants": [_variant(variant) for variant in value.variants],
        **present(
            {
                "ShadowProductionVariants": shadows or None,
                "DataCaptureConfig": value.capture and _capture(value.capture),
                "AsyncInferenceConfig": value.async_inference and _async(value.async_inference),
                "KmsKeyId": value.kms_key,
            }
        ),
        "Tags": tags(value.tags),
    }


def update(value: Update) -> Content:
    """Return the request of UpdateEndpoint.

    The deployment config is always said and never retained, so that what happens is what the plan shows.
    Retained are the counts alone: weights come from the new endpoint config.
    """
    retained = {
        "RetainAllVariantProperties": True,
        "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
    }
    return {
        "EndpointName": value.endpoint,
        "EndpointConfigName": value.config,
        "DeploymentConfig": deployment(value.rollout),
        **(retained if value.retain else {}),
    }


def deployment(rollout: Rollout) -> Content:
    """Return ``rollout`` as a DeploymentConfig."""
    policy = (
        {"RollingUpdatePolicy": _rolling(rollout)}
        if rollout.kind is Kind.ROLLING
        else {"BlueGreenUpdatePolicy": _blue_green(rollout)}
    )
    alarms = [{"AlarmName": name} for name in rollout.alarms]
    return {**policy, **({"AutoRollbackConfiguration": {"Alarms": alarms}} if alarms else {})}


def capacities(name: str, wanted: Sequence[Capacity]) -> Content:
    """Return the request of UpdateEndpointWeightsAndCapacities."""
    return {
        "EndpointName": name,
        "DesiredWeightsAndCapacities": [
            present(
                {
                    "VariantName": capacity.variant,
                    "DesiredWeight": capacity.weight,
                    "DesiredInstanceCount": capacity.count,
                }
            )
            for capacity in wanted
        ],
    }


def tags(pairs: Pairs) -> list[dict[str, str]]:
    """Return tags as SageMaker's API takes them."""
    return [{"Key": key, "Value": value} for key, value in pairs]


def _artifact(value: Model) -> Content:
    # ModelDataUrl is for one compressed object only; serverless endpoints take nothing else.
    if not value.is_uncompressed:
        return {"ModelDataUrl": value.artifact} if value.artifact else {}
    source = {"S3Uri": value.artifact, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def _variant(value: Variant) -> Content:
    pools = [{"InstanceType": pool.instance_type, "Priority": pool.priority} for pool in value.pools]
    return present(
        {
            "VariantName": value.name,
            "ModelName": value.model or None,
            "InstanceType": value.instance_type or None,
            # SageMaker takes no count of 0: those are of variants without instances.
            "InitialInstanceCount": value.instance_count or None,
            "InitialVariantWeight": value.weight,
            "InstancePools": pools or None,
            "ServerlessConfig": value.serverless and _serverless(value.serverless),
            "VolumeSizeInGB": value.volume_gb,
            "ModelDataDownloadTimeoutInSeconds": value.download_timeout_seconds,
            "ContainerStartupHealthCheckTimeoutInSeconds": value.startup_timeout_seconds,
            "VariantInstanceProvisionTimeoutInSeconds": value.provision_timeout_seconds,
            "InferenceAmiVersion": value.ami,
            "RoutingConfig": None if value.routing is None else {"RoutingStrategy": value.routing},
        }
    )


def _serverless(value: Serverless) -> Content:
    return present(
        {
            "MemorySizeInMB": value.memory_mb,
            "MaxConcurrency": value.max_concurrency,
            "ProvisionedConcurrency": value.provisioned_concurrency,
        }
    )


def _capture(value: Capture) -> Content:
    kinds = {
        "CsvContentTypes": list(value.csv_types) or None,
        "JsonContentTypes": list(value.json_types) or None,
    }
    return present(
        {
            "EnableCapture": True,
            "InitialSamplingPercentage": value.percent,
            "DestinationS3Uri": value.destination,
            "KmsKeyId": value.kms_key,
            "CaptureOptions": [{"CaptureMode": mode} for mode in value.modes],
            "CaptureContentTypeHeader": present(kinds) or None,
        }
    )


def _async(value: AsyncInference) -> Content:
    topics = present({"SuccessTopic": value.success_topic, "ErrorTopic": value.error_topic})
    output = {
        "S3OutputPath": value.output,
        "S3FailurePath": value.failure,
        "KmsKeyId": value.kms_key,
        "NotificationConfig": topics or None,
    }
    limit = value.max_concurrent
    client = None if limit is None else {"MaxConcurrentInvocationsPerInstance": limit}
    return present({"OutputConfig": present(output), "ClientConfig": client})


def _blue_green(rollout: Rollout) -> Content:
    size = rollout.size and _size(rollout.size)
    routing = {
        "Type": rollout.kind.name,
        "WaitIntervalInSeconds": rollout.bake_seconds,
        "CanarySize": size if rollout.kind is Kind.CANARY else None,
        "LinearStepSize": size if rollout.kind is Kind.LINEAR else None,
    }
    return present(
        {
            "TrafficRoutingConfiguration": present(routing),
            "TerminationWaitInSeconds": rollout.final_bake_seconds,
            "MaximumExecutionTimeoutInSeconds": rollout.timeout_seconds,
        }
    )


def _rolling(rollout: Rollout) -> Content:
    return present(
        {
            "MaximumBatchSize": rollout.size and _size(rollout.size),
            "WaitIntervalInSeconds": rollout.bake_seconds,
            "MaximumExecutionTimeoutInSeconds": rollout.timeout_seconds,
            "RollbackMaximumBatchSize": rollout.rollback_size and _size(rollout.rollback_size),
        }
    )


def _size(size: Size) -> Content:
    return {"Type": str(size.unit), "Value": size.value}


def present(members: Mapping[str, object]) -> Content:
    """Return those ``members`` that say something; AWS's own defaults hold for the others."""
    return {name: value for name, value in members.items() if value is not None}
