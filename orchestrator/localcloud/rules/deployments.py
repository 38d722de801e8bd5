"""What an endpoint config asks for, read into a deployment; what cannot be served is refused by name."""

from collections.abc import Iterator
from dataclasses import replace

from orchestrator.localcloud.apierrors import invalid, unsupported
from orchestrator.localcloud.rules.modeldata import MULTI_MODEL, model_data
from orchestrator.localcloud.rules.packages import check_approved, resolved
from orchestrator.localcloud.rules.records import find
from orchestrator.localcloud.rules.variants import check_variants
from orchestrator.localcloud.world import CONFIG, MODEL, Content, Deployment, Variant, World

# "8 minutes": SageMaker developer guide, your-algorithms-inference-code.
START_SECONDS = 480
"""How long a container may take until it answers, unless it is said."""

# What would be pretended if it were only shown. Of the rest, what has no meaning on one machine (networks,
# disks, instance types, routing between instances) is shown and without effect.
_UNSUPPORTED_CONFIG = ("CrossRegionTrafficConfig", "ExplainerConfig")
_UNSUPPORTED_VARIANT = ("AcceleratorType",)
_UNSUPPORTED_CONTAINER = ("AdditionalModelDataSources",)


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
    check_variants(content)
    variants = tuple(_variant(world, variant) for variant in content["ProductionVariants"])
    shadows = tuple(_variant(world, variant) for variant in content.get("ShadowProductionVariants") or ())
    if any(not shadow.container for shadow in shadows):
        raise invalid("Shadow variants must name a model.")
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
    _check_variants(new, present)
    if is_serverless(new) and not is_serverless(present):
        # Developer guide, serverless-endpoints: the other way is allowed, and there is no way back.
        raise invalid("An instance-based endpoint can not be updated to a serverless endpoint.")
    if is_async(present) and not is_async(new):
        # aws/sagemaker-python-sdk#3124.
        raise invalid("The AsyncInferenceConfig parameter cannot be removed from this endpoint.")
    return replace(new, variants=tuple(_retained(new.variants, present.variants, request)))


def _check_variants(new: Deployment, present: Deployment) -> None:
    """Check that the variants of ``new`` can take the place of those that serve.

    Names have to stay where a ``DeploymentConfig`` moves the traffic: developer guide,
    deployment-guardrails-exclusions. Without one they may change; MLflow's client changes them each time.
    """
    before = {variant.name: bool(variant.container) for variant in present.variants}
    after = {variant.name: bool(variant.container) for variant in new.variants}
    if new.policy is not None and set(before) != set(after):
        raise invalid("The variant names of the new endpoint configuration must be those of the endpoint.")
    if any(before[name] != after[name] for name in before.keys() & after.keys()):
        raise invalid(
            "A variant for inference components and one with a model can not take each other's place."
        )


def container_of(world: World, model: str) -> Content:
    """Return what a model is served from.

    Raises:
        ApiError: If the model or its model package is missing, or cannot be served.
    """
    content = find(world, MODEL, model).content
    containers = content.get("Containers") or [content["PrimaryContainer"]]
    found = [served(world, container, f"model '{model}'") for container in containers]
    if len(found) == 1:
        return found[0]
    if any(container.get("Mode") == MULTI_MODEL for container in found):
        raise unsupported(f"multi-model containers among others (model '{model}')")
    return {"Containers": found, "InferenceExecutionConfig": content.get("InferenceExecutionConfig") or {}}


def served(world: World, named: Content, owner: str) -> Content:
    """Return a container as it is served, once its model package is looked up.

    Args:
        world: Where the model package is.
        named: As it was asked for.
        owner: Whose it is, for what is said of it.

    Raises:
        ApiError: If the model package is missing or not approved, or the container cannot be served.
    """
    check_approved(world, named)
    container = resolved(world, named)
    if container.get("Mode") == MULTI_MODEL and not container.get("ModelDataUrl", "").endswith("/"):
        raise unsupported(f"multi-model endpoints without a ModelDataUrl that ends in '/' ({owner})")
    for member in _UNSUPPORTED_CONTAINER:
        if container.get(member):
            raise unsupported(f"{member} ({owner})")
    # A container without model data has its model in its image; whether that runs here is seen at its start.
    if container.get("ModelDataSource") and model_data(container) is None:
        raise unsupported(
            f"models without a plain ModelDataSource: S3Prefix and None, or S3Object and Gzip ({owner})"
        )
    return container


def _retained(
    variants: tuple[Variant, ...], present: tuple[Variant, ...], request: Content
) -> Iterator[Variant]:
    excluded = {item["VariantPropertyType"] for item in request.get("ExcludeRetainedVariantProperties") or ()}
    before = {variant.name: variant for variant in present}
    for variant in variants:
        retains = request.get("RetainAllVariantProperties")
        kept = before.get(variant.name, variant) if retains else variant
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
    serverless = content.get("ServerlessConfig")
    instance_type, count = ("", 0) if serverless else _instances(content)
    return Variant(
        name=name,
        # Without a model it is there for inference components, which have containers of their own.
        container=container_of(world, content["ModelName"]) if "ModelName" in content else {},
        instance_type=instance_type,
        count=count,
        weight=float(content.get("InitialVariantWeight", 1.0)),
        start_seconds=content.get("ContainerStartupHealthCheckTimeoutInSeconds", START_SECONDS),
        serverless=serverless,
        routing=content.get("RoutingConfig", {}).get("RoutingStrategy", ""),
    )


def _instances(content: Content) -> tuple[str, int]:
    """Return the type and the number of a variant's instances; there is always enough of the first type."""
    name, pools = content["VariantName"], content.get("InstancePools") or ()
    if any("ModelNameOverride" in pool for pool in pools):
        raise unsupported(f"ModelNameOverride (variant '{name}')")
    first = min(pools, key=lambda pool: int(pool["Priority"]), default=content)
    return first["InstanceType"], content["InitialInstanceCount"]


def _check_serverless(world: World, content: Content) -> None:
    """Check what serverless variants exclude of their model: developer guide, serverless-endpoints."""
    for variant in content["ProductionVariants"]:
        if not variant.get("ServerlessConfig"):
            continue
        name = variant["VariantName"]
        model = find(world, MODEL, variant["ModelName"]).content
        for member in ("VpcConfig", "EnableNetworkIsolation"):
            if model.get(member):
                raise invalid(f'{member} is not supported for serverless variant "{name}".')
        if "ModelDataSource" in model.get("PrimaryContainer", {}):
            raise invalid(f'ModelDataSource is not supported for serverless variant "{name}".')
        if content.get("AsyncInferenceConfig"):
            raise invalid(f'AsyncInferenceConfig is not supported for serverless variant "{name}".')
