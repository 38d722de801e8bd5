"""Rules on variants and on what they run on: what goes together, and what an endpoint can become."""

import math
import re
from collections.abc import Iterator

from orchestrator.core.containers import PROFILES, Profile
from orchestrator.core.fleets import fleets
from orchestrator.core.machines import is_graviton
from orchestrator.core.names import is_valid
from orchestrator.core.proposal import NO_WAY_BACK, Finding, Proposal, Severity, mode_of, quoted, refuse, warn
from orchestrator.core.resources import Serverless, Variant
from orchestrator.core.target import Mode

_MODEL = "SageMaker service model"
_SERVERLESS = "SageMaker Developer Guide, serverless-endpoints"
_EXCLUSIONS = "SageMaker Developer Guide, deployment-guardrails-exclusions"
_STEP_MB = 1024
_ECR = re.compile(r"\d{12}\.dkr\.ecr(?:-fips)?\.([a-z0-9-]+)\.[a-z0-9.-]+/")


def find(proposal: Proposal) -> Iterator[Finding]:
    """Yield what the fleets of the proposal break."""
    yield from _variants(proposal)
    yield from _weights(proposal)
    for variant in fleets(proposal.config):
        yield from _architecture(proposal, variant)
    for variant in proposal.config.variants:
        if variant.serverless is not None:
            yield from _memory(proposal, variant, variant.serverless)
    if proposal.mode is Mode.SERVERLESS:
        yield from _beside_serverless(proposal)
    yield from _way(proposal)
    yield from _topics(proposal)


def registry_region(image: str) -> str:
    """Return the region of ECR that an image lies in; empty if it lies elsewhere.

    >>> registry_region("763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312")
    'eu-west-1'
    """
    found = _ECR.match(image)
    return found.group(1) if found else ""


def _variants(proposal: Proposal) -> Iterator[Finding]:
    config = proposal.config
    every = (*config.variants, *config.shadows)
    for variant in every:
        if not is_valid(variant.name):
            says = f"{quoted(variant.name)} is no variant name: at most 63 letters, digits and inner hyphens"
            yield refuse("variant-name", "endpoint.variant", says, f"{_MODEL}, VariantName")
        if sum(map(bool, (variant.instance_type, variant.pools, variant.serverless))) != 1:
            says = (
                f"variant {quoted(variant.name)} runs on instances of a type, of pools, or serverless: on one"
            )
            key = proposal.key(variant, "instance_type")
            yield refuse("one-capacity", key, says, f"{_MODEL}, ProductionVariant")
        types = [pool.instance_type for pool in variant.pools]
        if len(set(types)) < len(types):
            says = f"the pools of variant {quoted(variant.name)} name a type twice"
            yield refuse("pools-twice", proposal.key(variant, "pools"), says, f"{_MODEL}, InstancePools")
    names = [variant.name for variant in every]
    for name in sorted({name for name in names if names.count(name) > 1}):
        says = f"two variants are named {quoted(name)}"
        yield refuse("variant-twice", "endpoint.variants", says, f"{_MODEL}, ProductionVariants")
    if config.shadows and (len(config.shadows), len(config.variants)) != (1, 1):
        says = (
            f"a shadow variant goes with exactly one variant, not with {len(config.variants)}"
            if len(config.shadows) == 1
            else f"there are {len(config.shadows)} shadow variants; SageMaker takes one"
        )
        source = "SageMaker API Reference, CreateEndpointConfig.ShadowProductionVariants"
        yield refuse("shadow-alone", "endpoint.shadow", says, source)


def _weights(proposal: Proposal) -> Iterator[Finding]:
    source = f"{_MODEL}, ProductionVariant.InitialVariantWeight"
    variants = proposal.config.variants
    for variant in (*variants, *proposal.config.shadows):
        if not math.isfinite(variant.weight) or variant.weight < 0:
            says = f"the weight of variant {quoted(variant.name)} is {variant.weight:g}, not a number from 0"
            yield refuse("weight", proposal.key(variant, "weight"), says, source)
    if variants and all(variant.weight == 0 for variant in variants):
        says = "the weights of all variants are 0: a variant's share is its weight by their sum"
        yield refuse("weights-zero", proposal.key(variants[0], "weight"), says, source)


def _architecture(proposal: Proposal, variant: Variant) -> Iterator[Finding]:
    profile = _profile(proposal.revision.model.image)
    if profile is None or variant.model != proposal.revision.model.name:
        return
    field = "pools" if variant.pools else "instance_type"
    for name in [pool.instance_type for pool in variant.pools] or [variant.instance_type]:
        machine = "arm64" if is_graviton(name) else "x86-64"
        if machine != profile.architecture:
            yield refuse(
                "architecture",
                proposal.key(variant, field),
                f"{quoted(name)} is {machine}, and the image of '{profile.name}' for {profile.architecture}: "
                "its container would never start",
                "AWS deep learning containers, available images",
            )


def _profile(image: str) -> Profile | None:
    """Return the profile of an image that AWS publishes; of another one nothing is known."""
    if not registry_region(image):
        return None
    name = image.partition("/")[2]
    return next((p for p in PROFILES.values() if f"{p.image.repository}:{p.image.tag}" == name), None)


def _memory(proposal: Proposal, variant: Variant, serverless: Serverless) -> Iterator[Finding]:
    if serverless.memory_mb % _STEP_MB or not _STEP_MB <= serverless.memory_mb <= 6 * _STEP_MB:
        yield refuse(
            "serverless-memory",
            proposal.key(variant, "serverless.memory_mb"),
            f"{serverless.memory_mb} MB is none of 1024, 2048, 3072, 4096, 5120 and 6144",
            _SERVERLESS,
        )
    provisioned = serverless.provisioned_concurrency
    if provisioned is not None and provisioned > serverless.max_concurrency:
        yield refuse(
            "serverless-provisioned",
            proposal.key(variant, "serverless.provisioned_concurrency"),
            f"{provisioned} is more than max_concurrency, {serverless.max_concurrency}",
            f"{_MODEL}, ProductionVariantServerlessConfig.ProvisionedConcurrency",
        )


def _beside_serverless(proposal: Proposal) -> Iterator[Finding]:
    """Yield what a serverless endpoint cannot have."""
    config, model = proposal.config, proposal.revision.model
    several = len(config.variants) > 1
    excluded = {
        "endpoint.vpc": ("a VPC", model.vpc is not None),
        "endpoint.network_isolation": ("network isolation", model.network_isolation),
        "endpoint.capture": ("data capture", config.capture is not None),
        "endpoint.shadow": ("a shadow variant", bool(config.shadows)),
        "endpoint.variants": ("a second variant", several),
        "package.layout": ("an artifact that is not one tar.gz", model.is_uncompressed),
        "container.image": ("an image of a private registry", _is_private(model.image)),
    }
    for key, (what, is_there) in excluded.items():
        if is_there:
            yield refuse("serverless-excludes", key, f"serverless endpoints cannot have {what}", _SERVERLESS)


def _is_private(image: str) -> bool:
    """Tell whether an image's address names a registry that is not ECR."""
    host, slash, _ = image.partition("/")
    return bool(slash) and "." in host and not registry_region(image)


def _way(proposal: Proposal) -> Iterator[Finding]:
    """Yield what the endpoint that serves now cannot become."""
    before, config = proposal.before, proposal.config
    if before is None or not proposal.moves:
        return
    was, will_be = mode_of(before), proposal.mode
    if will_be is Mode.SERVERLESS and was is not Mode.SERVERLESS:
        says = "an endpoint on instances cannot become serverless; deploy under another name"
        yield refuse("no-way-to-serverless", "endpoint.mode", says, _SERVERLESS)
    elif was is Mode.SERVERLESS and will_be is not Mode.SERVERLESS:
        says = "an endpoint that leaves serverless for instances has no way back: no rollback can undo this"
        yield Finding(NO_WAY_BACK, Severity.CONSENT, "endpoint.mode", says, _SERVERLESS)
    if before.async_inference is not None and config.async_inference is None:
        says = "an asynchronous endpoint cannot stop being one; deploy under another name"
        yield refuse("async-stays", "endpoint.mode", says, "github.com/aws/sagemaker-python-sdk, issue 3124")
    names, known = ({item.name for item in one.variants} for one in (config, before))
    if names != known and Mode.SERVERLESS not in {was, will_be}:
        wanted, there = (", ".join(map(quoted, sorted(one))) for one in (names, known))
        says = f"an update keeps the names of variants: {there} cannot become {wanted}"
        yield refuse("variant-names", "endpoint.variant", says, _EXCLUSIONS)


def _topics(proposal: Proposal) -> Iterator[Finding]:
    wanted = proposal.config.async_inference
    if wanted is None:
        return
    for field in ("success_topic", "error_topic"):
        topic = getattr(wanted, field)
        if topic and "sagemaker" not in topic.rpartition(":")[2].lower():
            yield warn(
                "async-topic",
                f"endpoint.async.{field}",
                f"{quoted(topic)} has no 'sagemaker' in its name: a role with AmazonSageMakerFullAccess "
                "alone was seen not to be let send there",
                "AWS managed policies, AmazonSageMakerFullAccess",
            )
