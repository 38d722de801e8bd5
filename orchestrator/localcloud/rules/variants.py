"""What a variant of an endpoint config has to say, and what excludes what, whatever its model is.

The rules are those of the API reference (ProductionVariant, ProductionVariantServerlessConfig,
ProductionVariantManagedInstanceScaling) and of the developer guide, serverless-endpoints; the words are ours.
"""

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.world import Content

_GIGABYTE = 1024
_INSTANCES = {"InstanceType", "InitialInstanceCount", "InstancePools"}


def check_variants(config: Content) -> None:
    """Check the variants of an endpoint config, each for itself and one with the other.

    Raises:
        ApiError: If one breaks a rule.
    """
    variants = [*config["ProductionVariants"], *(config.get("ShadowProductionVariants") or ())]
    for variant in variants:
        if serverless := variant.get("ServerlessConfig"):
            _check_serverless(variant, serverless)
            if len(variants) > 1:
                raise invalid(f'Serverless variant "{variant["VariantName"]}" must be the only variant.')
        else:
            _check_instances(variant)


def _check_serverless(variant: Content, serverless: Content) -> None:
    name = variant["VariantName"]
    if "ModelName" not in variant:
        raise invalid(f'Serverless variant "{name}" must name a model.')
    if _INSTANCES & set(variant):
        raise invalid(f'Serverless variant "{name}" must not specify instances.')
    if serverless["MemorySizeInMB"] % _GIGABYTE:
        raise invalid(f'MemorySizeInMB of variant "{name}" must be a multiple of {_GIGABYTE}.')
    if serverless.get("ProvisionedConcurrency", 0) > serverless["MaxConcurrency"]:
        raise invalid(
            f'ProvisionedConcurrency of variant "{name}" must be less than or equal to MaxConcurrency.'
        )


def _check_instances(variant: Content) -> None:
    name = variant["VariantName"]
    if bool(variant.get("InstancePools")) == ("InstanceType" in variant) or (
        "InitialInstanceCount" not in variant
    ):
        raise invalid(
            f'Variant "{name}" must specify InitialInstanceCount and either InstanceType or InstancePools.'
        )
    scaling, count = variant.get("ManagedInstanceScaling") or {}, variant["InitialInstanceCount"]
    least = scaling.get("MinInstanceCount", 0)
    if not least <= count <= scaling.get("MaxInstanceCount", max(count, least)):
        raise invalid(
            f'InitialInstanceCount of variant "{name}" must be within MinInstanceCount and '
            "MaxInstanceCount of its ManagedInstanceScaling."
        )
