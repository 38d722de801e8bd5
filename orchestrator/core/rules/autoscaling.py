"""Rules on application autoscaling: bounds, what may sleep, and who owns a count."""

import math
from collections.abc import Iterator

from orchestrator.core.machines import is_t2
from orchestrator.core.proposal import Finding, Proposal, quoted, refuse, warn
from orchestrator.core.resources import Variant
from orchestrator.core.rules.alarmlint import never_fires
from orchestrator.core.scaling import Dimension, Scaling, Schedule
from orchestrator.core.target import Mode

_API = "Application Auto Scaling API Reference"
_GUIDE = "SageMaker Developer Guide, endpoint-auto-scaling"
_TO_ZERO = "SageMaker Developer Guide, endpoint-auto-scaling-zero-instances"
_ASYNC = "SageMaker Developer Guide, async-inference-autoscale"
_ASYNC_METRICS = "SageMaker Developer Guide, async-inference-monitor"
_RETAIN = "SageMaker API Reference, UpdateEndpoint.RetainAllVariantProperties"
_SERVERLESS = "SageMaker service model, ProductionVariantServerlessConfig"

_WAKES = "HasBacklogWithoutCapacity"
_INVOCATIONS = "SageMakerVariantInvocationsPerInstance"
_OF_INSTANCES = frozenset({_INVOCATIONS, "SageMakerVariantConcurrentRequestsPerModelHighResolution"})
_OF_CONCURRENCY = frozenset({"SageMakerVariantProvisionedConcurrencyUtilization"})
_OF_COMPONENTS = frozenset(
    {
        "SageMakerInferenceComponentInvocationsPerCopy",
        "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution",
    }
)
_FITTING = {Dimension.INSTANCES: _OF_INSTANCES, Dimension.PROVISIONED_CONCURRENCY: _OF_CONCURRENCY}


def find(proposal: Proposal) -> Iterator[Finding]:
    """Yield what the autoscaling of the proposal breaks, and which counts of the spec come to nothing."""
    seen = set[tuple[str, Dimension]]()
    variants = {variant.name: variant for variant in proposal.config.variants}
    for scaling in proposal.scalings:
        if (scaling.variant, scaling.dimension) in seen:
            says = f"variant {quoted(scaling.variant)} is scaled twice by the same"
            yield refuse("scaling-twice", "autoscaling.variants", says, f"{_API}, RegisterScalableTarget")
        seen.add((scaling.variant, scaling.dimension))
        variant = variants.get(scaling.variant)
        if variant is None:
            says = f"there is no variant {quoted(scaling.variant)} to scale"
            yield refuse("scaling-unknown-variant", "autoscaling.variants", says, _GUIDE)
        else:
            yield from _one(proposal, variant, scaling)
    yield from _owned(proposal)


def _one(proposal: Proposal, variant: Variant, scaling: Scaling) -> Iterator[Finding]:
    yield from _bounds(proposal, scaling)
    if scaling.dimension is Dimension.INSTANCES:
        yield from _instances(proposal, variant, scaling)
    else:
        yield from _concurrency(variant, scaling)
    for schedule in scaling.schedules:
        yield from _schedule(proposal, scaling, schedule)
    yield from _policies(proposal, scaling)


def _bounds(proposal: Proposal, scaling: Scaling) -> Iterator[Finding]:
    if scaling.minimum > scaling.maximum:
        says = f"min, {scaling.minimum}, is more than max, {scaling.maximum}"
        yield refuse("scaling-bounds", "autoscaling.min", says, f"{_API}, RegisterScalableTarget")
    if scaling.maximum < 1:
        says = f"max is {scaling.maximum}: nothing would ever serve"
        yield refuse("scaling-bounds", "autoscaling.max", says, f"{_API}, RegisterScalableTarget")
    if scaling.minimum < _lowest(proposal, scaling):
        yield _to_zero("autoscaling.min", scaling.minimum)


def _lowest(proposal: Proposal, scaling: Scaling) -> int:
    """Return the lowest capacity that the endpoint can have: asynchronous ones may sleep."""
    return 0 if proposal.mode is Mode.ASYNC and scaling.dimension is Dimension.INSTANCES else 1


def _to_zero(key: str, minimum: int) -> Finding:
    says = f"{minimum} is less than 1: without inference components, only asynchronous endpoints go down to 0"
    return refuse("scale-to-zero", key, says, _TO_ZERO)


def _instances(proposal: Proposal, variant: Variant, scaling: Scaling) -> Iterator[Finding]:
    if variant.serverless is not None:
        says = f"variant {quoted(variant.name)} is serverless and has no instances to scale"
        yield refuse("scaling-dimension", "autoscaling", says, _GUIDE)
        return
    types = (variant.instance_type, *(pool.instance_type for pool in variant.pools))
    for name in filter(is_t2, types):
        says = f"{quoted(name)} cannot be autoscaled"
        source = "github.com/aws-controllers-k8s/community, issue 1633"
        yield refuse("t2-not-scalable", proposal.key(variant, "instance_type"), says, source)
    if not scaling.minimum <= variant.instance_count <= scaling.maximum:
        says = (
            f"{variant.instance_count} is not between min and max of its autoscaling, {scaling.minimum} and "
            f"{scaling.maximum}: a new endpoint begins with it and is then scaled"
        )
        yield warn("count-outside-bounds", proposal.key(variant, "instance_count"), says, _GUIDE)
    wakes = any(policy.metric == _WAKES for policy in scaling.steps)
    if proposal.mode is Mode.ASYNC and scaling.minimum == 0 and not wakes:
        says = f"without a step policy on {_WAKES}, 0 instances wake only once the backlog passes the target"
        yield warn("sleeps-through", "autoscaling.steps", says, _ASYNC)


def _concurrency(variant: Variant, scaling: Scaling) -> Iterator[Finding]:
    serverless = variant.serverless
    if serverless is None or serverless.provisioned_concurrency is None:
        says = f"variant {quoted(variant.name)} has no provisioned concurrency to scale"
        yield refuse("scaling-dimension", "autoscaling", says, f"{_SERVERLESS}.ProvisionedConcurrency")
    elif scaling.maximum > serverless.max_concurrency:
        says = f"max, {scaling.maximum}, is more than max_concurrency, {serverless.max_concurrency}"
        yield refuse("scaling-concurrency", "autoscaling.max", says, f"{_SERVERLESS}.ProvisionedConcurrency")


def _schedule(proposal: Proposal, scaling: Scaling, schedule: Schedule) -> Iterator[Finding]:
    key, source = "autoscaling.schedules", f"{_API}, PutScheduledAction"
    low, high = schedule.minimum, schedule.maximum
    if low is None and high is None:
        says = f"schedule {quoted(schedule.name)} sets neither min nor max"
        yield refuse("schedule-empty", key, says, source)
    if low is not None and high is not None and low > high:
        says = f"schedule {quoted(schedule.name)} sets min {low} above max {high}"
        yield refuse("schedule-bounds", key, says, source)
    if low is not None and low < _lowest(proposal, scaling):
        yield _to_zero(key, low)


def _policies(proposal: Proposal, scaling: Scaling) -> Iterator[Finding]:
    named = [*(policy.name for policy in scaling.tracking), *(policy.name for policy in scaling.steps)]
    for name in sorted({name for name in named if named.count(name) > 1}):
        says = f"two policies are named {quoted(name)}: the second would take the first one's place"
        yield refuse("policy-twice", "autoscaling.tracking", says, f"{_API}, PutScalingPolicy")
    for policy in scaling.tracking:
        misfits = (_OF_INSTANCES | _OF_CONCURRENCY | _OF_COMPONENTS) - _FITTING[scaling.dimension]
        if policy.metric in misfits:
            says = f"policy {quoted(policy.name)}: {policy.metric} is no measure of {scaling.dimension}"
            yield refuse("policy-metric", "autoscaling.tracking", says, f"{_API}, PredefinedMetricType")
        if not (math.isfinite(policy.target) and policy.target > 0):
            says = f"policy {quoted(policy.name)}: a target is a number above 0, not {policy.target:g}"
            yield refuse("policy-target", "autoscaling.tracking", says, f"{_API}, TargetValue")
        if proposal.mode is Mode.ASYNC and policy.metric == _INVOCATIONS:
            says = f"policy {quoted(policy.name)}: asynchronous endpoints publish no InvocationsPerInstance"
            yield warn("policy-not-async", "autoscaling.tracking", says, _ASYNC_METRICS)
    for step in scaling.steps:
        if why := never_fires(step.metric, step.statistic, step.comparison, step.threshold):
            says = f"policy {quoted(step.name)} can never act: {why}"
            yield refuse("policy-never-acts", "autoscaling.steps", says, _GUIDE)


def _owned(proposal: Proposal) -> Iterator[Finding]:
    """Yield counts of the spec that were edited and come to nothing, since an autoscaler owns them."""
    before = proposal.before
    if before is None or not proposal.moves:
        return
    asked = {variant.name: variant.instance_count for variant in before.variants}
    for variant in proposal.fleets():
        kept, wanted = proposal.count(variant), variant.instance_count
        if variant.name in proposal.autoscaled and wanted not in {kept, asked.get(variant.name)}:
            says = (
                f"{wanted} has no effect: an autoscaler owns {quoted(variant.name)}'s count, kept at {kept}"
            )
            yield warn("count-owned", proposal.key(variant, "instance_count"), says, _RETAIN)
