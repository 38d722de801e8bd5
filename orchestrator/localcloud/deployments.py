"""What an endpoint config asks for, read into a deployment; what cannot be served is refused by name."""

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.localcloud.apierrors import invalid, unsupported
from orchestrator.localcloud.modeldata import model_data
from orchestrator.localcloud.records import find
from orchestrator.localcloud.world import CONFIG, MODEL, Content, Deployment, Variant, World

# "8 minutes": SageMaker developer guide, your-algorithms-inference-code.
_START_SECONDS = 480
# What would be pretended if it were only shown. Of the rest, what has no meaning on one machine (networks,
# disks, instance types, routing between instances) is shown and without effect.
_UNSUPPORTED_CONFIG = ("CrossRegionTrafficConfig", "ExplainerConfig")
_UNSUPPORTED_VARIANT = ("AcceleratorType", "ManagedInstanceScaling")
_UNSUPPORTED_CONTAINER = ("AdditionalModelDataSources", "ModelPackageName")


def deployment_of(world: World, config: str, policy: Content | None, now: float) -> Deployment:
    """Return the deployment of an endpoint config, ready to be started.

    Raises:
        ApiError: If the endpoint config or a model is missing, breaks a rule, or asks for what we do not do.
    """
    content = find(world, CONFIG, config).content
    for member in _UNSUPPORTED_CONFIG:
        if content.get(member):
            raise unsupported(f"{member} (endpoint configuration '{config}')")
    if captures(content) and content.get("AsyncInferenceConfig"):
        raise unsupported(f"DataCaptureConfig of asynchronous endpoints (endpoint configuration '{config}')")
    variants = tuple(_variant(world, variant) for variant in content["ProductionVariants"])
    shadows = tuple(_variant(world, variant) for variant in content.get("ShadowProductionVariants") or ())
    if shadows and (len(variants), len(shadows)) != (1, 1):
        raise invalid("Exactly one production variant and one shadow variant can be specified together.")
    _check_serverless(world, content)
    return Deployment(config, variants, policy, now, content, shadows)


def captures(config: Content) -> bool:
    """Tell whether an endpoint config has requests and answers written to S3."""
    return bool(config.get("DataCaptureConfig", {}).get("EnableCapture"))


def is_async(deployment: Deployment) -> bool:
    """Tell whether its answers go to S3."""
    return bool(deployment.content.get("AsyncInferenceConfig"))


def is_serverless(deployment: Deployment) -> bool:
    """Tell whether it runs without instances."""
    return any(variant.serverless is not None for variant in deployment.variants)


def succeeding(new: Deployment, present: Deployment, request: Content) -> Deployment:
    """Return ``new`` with the counts and weights of the ``present`` deployment, as far as is asked for.

    Raises:
        ApiError: If an endpoint can never be updated from the one to the other.
    """
    if {variant.name for variant in new.variants} != {variant.name for variant in present.variants}:
        # Developer guide, deployment-guardrails-exclusions.
        raise invalid("The variant names of the new endpoint configuration must be those of the endpoint.")
    if is_serverless(new) and not is_serverless(present):
        # Developer guide, serverless-endpoints: the other way is allowed, and there is no way back.
        raise invalid("An instance-based endpoint can not be updated to a serverless endpoint.")
    if is_async(present) and not is_async(new):
        # aws/sagemaker-python-sdk#3124.
        raise invalid("The AsyncInferenceConfig parameter cannot be removed from this endpoint.")
    return replace(new, variants=tuple(_retained(new.variants, present.variants, request)))


def _retained(
    variants: tuple[Variant, ...], present: tuple[Variant, ...], request: Content
) -> Iterator[Variant]:
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties") or ()}
    before = {variant.name: variant for variant in present}
    for variant in variants:
        kept = before[variant.name] if request.get("RetainAllVariantProperties") else variant
        has_count = kept.serverless is None and "DesiredInstanceCount" not in excluded
        yield replace(
            variant,
            count=kept.count if has_count else variant.count,
            weight=variant.weight if "DesiredWeight" in excluded else kept.weight,
        )


def _variant(world: World, content: Content) -> Variant:
    name = content["VariantName"]
    for member in _UNSUPPORTED_VARIANT:
        if content.get(member):
            raise unsupported(f"{member} (variant '{name}')")
    if "ModelName" not in content:
        raise unsupported(f"inference components (variant '{name}' names no model)")
    serverless = content.get("ServerlessConfig")
    instance_type, count = ("", 0) if serverless else _instances(content)
    return Variant(
        name=name,
        container=_container(world, content["ModelName"]),
        instance_type=instance_type,
        count=count,
        weight=float(content.get("InitialVariantWeight", 1.0)),
        start_seconds=content.get("ContainerStartupHealthCheckTimeoutInSeconds", _START_SECONDS),
        serverless=serverless,
    )


def _instances(content: Content) -> tuple[str, int]:
    """Return the type and the number of a variant's instances; there is always enough of the first type."""
    name, pools = content["VariantName"], content.get("InstancePools") or ()
    if bool(pools) == ("InstanceType" in content) or "InitialInstanceCount" not in content:
        raise invalid(
            f'Variant "{name}" must specify InitialInstanceCount and either InstanceType or InstancePools.'
        )
    if any("ModelNameOverride" in pool for pool in pools):
        raise unsupported(f"ModelNameOverride (variant '{name}')")
    first = min(pools, key=lambda pool: int(pool["Priority"]), default=content)
    return first["InstanceType"], content["InitialInstanceCount"]


def _container(world: World, model: str) -> Content:
    content = find(world, MODEL, model).content
    containers = content.get("Containers") or [content["PrimaryContainer"]]
    container: Content = containers[0]
    if len(containers) > 1:
        raise unsupported(f"inference pipelines (model '{model}' has {len(containers)} containers)")
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise unsupported(f"multi-model endpoints (model '{model}')")
    for member in _UNSUPPORTED_CONTAINER:
        if container.get(member):
            raise unsupported(f"{member} (model '{model}')")
    if model_data(container) is None:
        raise unsupported(
            "models without ModelDataUrl or a plain ModelDataSource: S3Prefix and None, or S3Object and Gzip "
            f"(model '{model}')"
        )
    return container


def _check_serverless(world: World, content: Content) -> None:
    """Check what serverless variants exclude: developer guide, serverless-endpoints."""
    variants = [*content["ProductionVariants"], *(content.get("ShadowProductionVariants") or ())]
    for variant in variants:
        serverless = variant.get("ServerlessConfig")
        if not serverless:
            continue
        name = variant["VariantName"]
        if len(variants) > 1:
            raise invalid(f'Serverless variant "{name}" must be the only variant.')
        if {"InstanceType", "InitialInstanceCount", "InstancePools"} & set(variant):
            raise invalid(f'Serverless variant "{name}" must not specify instances.')
        if serverless.get("ProvisionedConcurrency", 0) > serverless["MaxConcurrency"]:
            raise invalid(
                f'ProvisionedConcurrency of variant "{name}" must be less than or equal to MaxConcurrency.'
            )
        model = find(world, MODEL, variant["ModelName"]).content
        for member in ("VpcConfig", "EnableNetworkIsolation"):
            if model.get(member):
                raise invalid(f'{member} is not supported for serverless variant "{name}".')
        if "ModelDataSource" in model.get("PrimaryContainer", {}):
            raise invalid(f'ModelDataSource is not supported for serverless variant "{name}".')
        if content.get("AsyncInferenceConfig"):
            raise invalid(f'AsyncInferenceConfig is not supported for serverless variant "{name}".')
