"""Which key of the spec a member of one of AWS's requests comes from."""

from orchestrator.core.resources import EndpointConfig, Variant
from orchestrator.core.rollout import Rollout, Unit
from orchestrator.core.shapes import Entry, Item, Member, Path

_VARIANT = {
    "VariantName": "variant",
    "ModelName": "model",
    "InstanceType": "instance_type",
    "InitialInstanceCount": "instance_count",
    "InitialVariantWeight": "weight",
    "InstancePools": "pools",
    "ServerlessConfig": "serverless",
    "ServerlessConfig.MemorySizeInMB": "serverless.memory_mb",
    "ServerlessConfig.MaxConcurrency": "serverless.max_concurrency",
    "ServerlessConfig.ProvisionedConcurrency": "serverless.provisioned_concurrency",
    "VolumeSizeInGB": "volume_gb",
    "ModelDataDownloadTimeoutInSeconds": "download_timeout_seconds",
    "ContainerStartupHealthCheckTimeoutInSeconds": "startup_timeout_seconds",
    "VariantInstanceProvisionTimeoutInSeconds": "provision_timeout_seconds",
    "InferenceAmiVersion": "ami",
    "RoutingConfig.RoutingStrategy": "routing",
}
_BLUE_GREEN = "DeploymentConfig.BlueGreenUpdatePolicy"
_ROUTING = f"{_BLUE_GREEN}.TrafficRoutingConfiguration"
_ROLLING = "DeploymentConfig.RollingUpdatePolicy"
_OUTPUT = "AsyncInferenceConfig.OutputConfig"
_TOPICS = f"{_OUTPUT}.NotificationConfig"
_TYPES = "DataCaptureConfig.CaptureContentTypeHeader"
_TRACKING = "TargetTrackingScalingPolicyConfiguration"
_STEP = "StepScalingPolicyConfiguration"

# By operation; of members that have no entry, the next one outward counts. What ends with `_` lacks its unit.
_KEYS = {
    "CreateModel": {
        "ModelName": "name",
        "ExecutionRoleArn": "role_arn",
        "PrimaryContainer.Image": "container.image",
        "PrimaryContainer.ModelDataUrl": "bucket",
        "PrimaryContainer.ModelDataSource": "bucket",
        "PrimaryContainer.Environment": "endpoint.environment",
        "VpcConfig.SecurityGroupIds": "endpoint.vpc.security_groups",
        "VpcConfig.Subnets": "endpoint.vpc.subnets",
        "Tags": "tags",
    },
    "CreateEndpointConfig": {
        "EndpointConfigName": "name",
        "ProductionVariants": "endpoint.variants",
        "ShadowProductionVariants": "endpoint.shadow",
        "DataCaptureConfig": "endpoint.capture",
        "DataCaptureConfig.InitialSamplingPercentage": "endpoint.capture.percent",
        "DataCaptureConfig.DestinationS3Uri": "endpoint.capture.destination",
        "DataCaptureConfig.KmsKeyId": "endpoint.capture.kms_key",
        "DataCaptureConfig.CaptureOptions": "endpoint.capture.modes",
        f"{_TYPES}.CsvContentTypes": "endpoint.capture.csv_types",
        f"{_TYPES}.JsonContentTypes": "endpoint.capture.json_types",
        "AsyncInferenceConfig": "endpoint.async",
        f"{_OUTPUT}.S3OutputPath": "endpoint.async.output",
        f"{_OUTPUT}.S3FailurePath": "endpoint.async.failure",
        f"{_OUTPUT}.KmsKeyId": "endpoint.async.kms_key",
        f"{_TOPICS}.SuccessTopic": "endpoint.async.success_topic",
        f"{_TOPICS}.ErrorTopic": "endpoint.async.error_topic",
        "AsyncInferenceConfig.ClientConfig": "endpoint.async.max_concurrent",
        "KmsKeyId": "endpoint.kms_key",
        "Tags": "tags",
    },
    "UpdateEndpoint": {
        "EndpointName": "name",
        "EndpointConfigName": "name",
        _ROUTING: "rollout.type",
        f"{_ROUTING}.WaitIntervalInSeconds": "rollout.bake_seconds",
        f"{_ROUTING}.CanarySize": "rollout.size_",
        f"{_ROUTING}.LinearStepSize": "rollout.size_",
        f"{_BLUE_GREEN}.TerminationWaitInSeconds": "rollout.final_bake_seconds",
        f"{_BLUE_GREEN}.MaximumExecutionTimeoutInSeconds": "rollout.timeout_seconds",
        f"{_ROLLING}.MaximumBatchSize": "rollout.size_",
        f"{_ROLLING}.WaitIntervalInSeconds": "rollout.bake_seconds",
        f"{_ROLLING}.MaximumExecutionTimeoutInSeconds": "rollout.timeout_seconds",
        f"{_ROLLING}.RollbackMaximumBatchSize": "rollout.rollback_",
        "DeploymentConfig.AutoRollbackConfiguration": "rollout.alarms",
    },
    "RegisterScalableTarget": {"MinCapacity": "min", "MaxCapacity": "max"},
    "PutScalingPolicy": {
        "PolicyName": "name",
        f"{_TRACKING}.TargetValue": "target",
        f"{_TRACKING}.PredefinedMetricSpecification": "metric",
        f"{_TRACKING}.CustomizedMetricSpecification": "metric",
        f"{_TRACKING}.ScaleInCooldown": "scale_in_cooldown_seconds",
        f"{_TRACKING}.ScaleOutCooldown": "scale_out_cooldown_seconds",
        f"{_STEP}.StepAdjustments": "adjustments",
        f"{_STEP}.Cooldown": "cooldown_seconds",
    },
    "PutMetricAlarm": {
        "AlarmName": "name",
        "MetricName": "metric",
        "Statistic": "statistic",
        "ExtendedStatistic": "statistic",
        "Period": "period_seconds",
        "EvaluationPeriods": "evaluation_periods",
        "Threshold": "threshold",
        "ComparisonOperator": "comparison",
    },
    "PutScheduledAction": {
        "ScheduledActionName": "name",
        "Schedule": "expression",
        "Timezone": "timezone",
        "ScalableTargetAction.MinCapacity": "min",
        "ScalableTargetAction.MaxCapacity": "max",
    },
}


def rollout_key(key: str, rollout: Rollout) -> str:
    """Return ``key`` with the unit of the rollout's sizes, where it lacks one.

    >>> rollout_key("rollout.size_", Rollout()), rollout_key("rollout.alarms", Rollout())
    ('rollout.size_percent', 'rollout.alarms')
    """
    if not key.endswith("_"):
        return key
    size = rollout.rollback_size if key == "rollout.rollback_" else rollout.size
    return f"{key}{'instances' if size and size.unit is Unit.INSTANCES else 'percent'}"


def key_of(operation: str, path: Path, config: EndpointConfig, about: str) -> str:
    """Return the spec's key, such as ``endpoint.volume_gb``; the request's own path where there is none.

    Args:
        operation: Of the API.
        path: Of the member, in the request.
        config: The endpoint config, which says what variants there are.
        about: What the keys of autoscaling begin with.
    """
    members = [step.name for step in path if isinstance(step, Member)]
    if operation == "CreateEndpointConfig" and len(path) > 1 and isinstance(path[1], Item):
        if members[0] == "ProductionVariants":
            variants = config.variants
            return _variant_key(_table(variants, path[1]), members[1:], alone=len(variants) == 1)
        if members[0] == "ShadowProductionVariants":
            return _variant_key("endpoint.shadow", members[1:], alone=False)
    found = _longest(_KEYS[operation], members)
    if found is None:
        return f"{operation}.{'.'.join(members)}"
    entry = path[-1]
    if isinstance(entry, Entry):
        return f"{found}.{entry.key}"
    return f"{about}.{found}" if about else found


def _table(variants: tuple[Variant, ...], item: Item) -> str:
    return "endpoint" if len(variants) == 1 else f"endpoint.variants.{variants[item.number - 1].name}"


def _variant_key(table: str, members: list[str], *, alone: bool) -> str:
    found = _longest(_VARIANT, members)
    # The name of one of several variants is its table's.
    if found is None or (found == "variant" and not alone and table != "endpoint.shadow"):
        return table
    return f"{table}.{'name' if found == 'variant' and table == 'endpoint.shadow' else found}"


def _longest(keys: dict[str, str], members: list[str]) -> str | None:
    for length in range(len(members), 0, -1):
        if (found := keys.get(".".join(members[:length]))) is not None:
            return found
    return None
