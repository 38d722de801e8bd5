"""Rules on how traffic moves: SageMaker's deployment guardrails.

Sizes and waits are checked against the fleet as it will be and, in an update, as it is: SageMaker's service
model counts the variant's instances, its developer guide those of the new fleet.
"""

from collections.abc import Iterator

from orchestrator.core.fleets import largest
from orchestrator.core.machines import is_inf1
from orchestrator.core.proposal import Finding, Proposal, quoted, refuse, warn
from orchestrator.core.resources import Variant
from orchestrator.core.rollout import Kind, Rollout, Size, Unit
from orchestrator.core.target import Mode

MAX_SECONDS = 28_800
"""The longest that SageMaker lets a deployment take."""

_GUARDRAILS = "SageMaker Developer Guide, deployment-guardrails"
_EXCLUSIONS = f"{_GUARDRAILS}-exclusions"
_API = "SageMaker API Reference"
_PROVISIONING_SECONDS = 600
"""What is allowed for making the new fleet, when time-outs are compared with waits."""

_WHOLE, _TWO = 100, 2
_PERCENT = {Kind.CANARY: (1, 50), Kind.LINEAR: (10, 50), Kind.ROLLING: (5, 50)}
_SOURCES = {
    Kind.CANARY: f"{_API}, TrafficRoutingConfig.CanarySize",
    Kind.LINEAR: f"{_API}, TrafficRoutingConfig.LinearStepSize",
    Kind.ROLLING: f"{_API}, RollingUpdatePolicy.MaximumBatchSize",
}
_WORDS = {Kind.CANARY: "a canary", Kind.LINEAR: "a linear step", Kind.ROLLING: "a rolling batch"}


def find(proposal: Proposal) -> Iterator[Finding]:
    """Yield what the rollout breaks."""
    rollout = proposal.rollout
    yield from _form(rollout)
    yield from _scope(proposal)
    if rollout.kind is not Kind.ALL_AT_ONCE and rollout.size is not None:
        for variant in proposal.fleets():
            yield from _sizes(proposal, variant, rollout.size)
    yield from _waits(proposal)


def _form(rollout: Rollout) -> Iterator[Finding]:
    """Yield what does not belong together (C1 and C2 of SageMaker's own checks)."""
    kind, size = rollout.kind, rollout.size
    if kind is Kind.ALL_AT_ONCE and size is not None:
        says = "all-at-once has no steps, so it takes no size"
        yield refuse("rollout-size", _size_key(size), says, f"{_API}, TrafficRoutingConfig")
    if kind is not Kind.ALL_AT_ONCE and size is None:
        says = f"{kind} needs the size of its steps: size_percent or size_instances"
        yield refuse("rollout-size", "rollout.size_percent", says, _SOURCES[kind])
    if kind is Kind.ALL_AT_ONCE and rollout.bake_seconds:
        says = "all-at-once has one step, so nothing bakes between steps: use final_bake_seconds"
        yield refuse("rollout-bake", "rollout.bake_seconds", says, f"{_API}, TrafficRoutingConfig")
    if kind is Kind.ROLLING and rollout.final_bake_seconds:
        says = "rolling ends the old fleet batch by batch, so there is no final bake"
        source = f"{_API}, RollingUpdatePolicy"
        yield refuse("rollout-final-bake", "rollout.final_bake_seconds", says, source)
    if rollout.rollback_size is not None:
        yield from _rollback_size(kind, rollout.rollback_size)


def _rollback_size(kind: Kind, size: Size) -> Iterator[Finding]:
    source = f"{_API}, RollingUpdatePolicy.RollbackMaximumBatchSize"
    key = "rollout.rollback_percent" if size.unit is Unit.PERCENT else "rollout.rollback_instances"
    if kind is not Kind.ROLLING:
        yield refuse("rollback-size", key, f"only rolling goes back in batches; {kind} does at once", source)
    elif size.unit is Unit.PERCENT and size.value > _WHOLE:
        yield refuse("rollback-size", key, f"{size.value} % is more than the whole fleet", source)


def _scope(proposal: Proposal) -> Iterator[Finding]:
    """Yield where guardrails do not apply, or not this one."""
    rollout = proposal.rollout
    guarded = rollout.kind is not Kind.ALL_AT_ONCE or rollout.final_bake_seconds > 0
    if proposal.mode is Mode.SERVERLESS and guarded:
        says = "serverless endpoints have no deployment guardrails: all traffic moves at once, without baking"
        yield refuse("serverless-guardrails", "rollout.type", says, _GUARDRAILS)
    if rollout.kind is Kind.ROLLING and len(proposal.config.variants) > 1:
        says = f"rolling takes one variant, and there are {len(proposal.config.variants)}"
        yield refuse("rolling-one-variant", "rollout.type", says, _EXCLUSIONS)
    for variant in proposal.fleets():
        types = (variant.instance_type, *(pool.instance_type for pool in variant.pools))
        if guarded and any(map(is_inf1, types)):
            says = f"on Inf1, as variant {quoted(variant.name)}, SageMaker silently moves everything at once"
            yield refuse("inf1-guardrails", "rollout.type", says, _EXCLUSIONS)


def _sizes(proposal: Proposal, variant: Variant, size: Size) -> Iterator[Finding]:
    kind = proposal.rollout.kind
    counts = [count for count in proposal.counts(variant) if count > 0]
    if any(count < _TWO for count in counts):
        which = "has one" if counts[0] < _TWO else "has one still"
        yield refuse(
            f"{kind}-needs-two",
            proposal.key(variant, "instance_count"),
            f"a one-instance variant can't {_verb(kind)}, and {quoted(variant.name)} {which}: at most 50 % "
            "moves at a time; take 2 or more instances, a shadow variant, or all-at-once with a final bake",
            _SOURCES[kind],
        )
        return
    low, high = _PERCENT[kind]
    for count in counts:
        share = size.value if size.unit is Unit.PERCENT else 100 * size.value / count
        if not low <= share <= high:
            of = "" if size.unit is Unit.PERCENT else f" of {count} instances of {quoted(variant.name)}"
            says = f"{_WORDS[kind]} is {low} % to {high} % of a fleet; {_said(size)}{of} is {share:.3g} %"
            yield refuse(f"{kind}-size", _size_key(size), says, _SOURCES[kind])
        elif share * count < _WHOLE:
            says = f"{_said(size)} of {count} instances of {quoted(variant.name)} is less than one instance"
            says = f"{says}; how that is rounded is not documented"
            yield warn(f"{kind}-rounding", _size_key(size), says, _GUARDRAILS)
    yield from _may_shrink(proposal, variant)


def _may_shrink(proposal: Proposal, variant: Variant) -> Iterator[Finding]:
    kind = proposal.rollout.kind
    for scaling in proposal.scalings:
        if scaling.variant == variant.name and scaling.minimum < _TWO:
            says = f"when {quoted(variant.name)} is scaled in to one instance, it can't {_verb(kind)}"
            yield warn(f"{kind}-may-lack-two", "autoscaling.min", says, _GUARDRAILS)


def _waits(proposal: Proposal) -> Iterator[Finding]:
    rollout = proposal.rollout
    waits = rollout.waits_seconds(largest(proposal))
    timeout = rollout.timeout_seconds
    bound = MAX_SECONDS if timeout is None else min(timeout, MAX_SECONDS)
    key = "rollout.bake_seconds" if timeout is None else "rollout.timeout_seconds"
    source = f"{_API}, MaximumExecutionTimeoutInSeconds"
    if waits >= bound:
        says = f"the rollout bakes for {waits} s altogether; it has to end before {bound} s are over"
        yield refuse("rollout-timeout", key, says, source)
    elif waits + _PROVISIONING_SECONDS >= bound:
        says = (
            f"the rollout bakes for {waits} s of {bound} s, which leaves {bound - waits} s to make the fleet"
        )
        yield warn("rollout-tight", key, says, source)


def _size_key(size: Size) -> str:
    return "rollout.size_percent" if size.unit is Unit.PERCENT else "rollout.size_instances"


def _said(size: Size) -> str:
    return f"{size.value} %" if size.unit is Unit.PERCENT else str(size.value)


def _verb(kind: Kind) -> str:
    return "canary" if kind is Kind.CANARY else f"move by {kind} steps"
