"""How many machines a deployment takes: before, meanwhile and after."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from orchestrator.core.proposal import Proposal
from orchestrator.core.resources import EndpointConfig, Variant
from orchestrator.core.rollout import Kind, Size, Unit

Counts = Mapping[str, int]
"""How many instances each variant has, by its name."""


def type_of(variant: Variant) -> str:
    """Return the instance type that a variant runs on, or tries first; empty if serverless."""
    if variant.pools:
        return min(variant.pools, key=lambda pool: pool.priority).instance_type
    return variant.instance_type


def fleets(config: EndpointConfig) -> tuple[Variant, ...]:
    """Return the variants that run on instances, shadow variants included."""
    return tuple(variant for variant in (*config.variants, *config.shadows) if variant.serverless is None)


def counts_before(proposal: Proposal) -> dict[str, int]:
    """Return the sizes of the fleets that serve now; empty if there is no endpoint."""
    endpoint, config = proposal.observed.endpoint, proposal.before
    if endpoint is None:
        return {}
    planned = {} if config is None else {item.name: item.instance_count for item in fleets(config)}
    return planned | {item.name: item.current_count for item in endpoint.variants if item.current_count}


def counts_after(proposal: Proposal) -> dict[str, int]:
    """Return the sizes of the fleets of the new revision, once it serves."""
    return {variant.name: proposal.count(variant) for variant in fleets(proposal.config)}


def largest(proposal: Proposal) -> int:
    """Return the size of the largest fleet, as it is or will be: on that one a rollout has the most steps."""
    counts = (count for variant in proposal.fleets() for count in proposal.counts(variant))
    return max(counts, default=1)


def quota_needed(proposal: Proposal) -> dict[str, int]:
    """Return how many instances of each type are used at the same time while the endpoint moves.

    Blue/green, all at once included, makes the whole new fleet beside the old one; rolling makes a batch.
    With instance pools the type that is tried first counts for all.
    """
    before = proposal.before
    old = Counter[str]()
    if before is not None and proposal.observed.endpoint is not None:
        old = _by_type(fleets(before), counts_before(proposal))
    rollout = proposal.rollout
    if rollout.kind is Kind.ROLLING and rollout.size is not None and old:
        size, after = rollout.size, counts_after(proposal)
        batches = {name: batch(size, count) for name, count in after.items()}
        needed = old + _by_type(fleets(proposal.config), batches)
        return dict(sorted((needed | _by_type(fleets(proposal.config), after)).items()))
    return dict(sorted((old + _by_type(fleets(proposal.config), counts_after(proposal))).items()))


def batch(size: Size, instances: int) -> int:
    """Return how many instances a batch or step is, never less than one.

    >>> batch(Size(30), 10), batch(Size(5), 3), batch(Size(2, Unit.INSTANCES), 8)
    (3, 1, 2)
    """
    if size.unit is Unit.INSTANCES:
        return size.value
    return max(math.ceil(instances * size.value / 100), 1)


def _by_type(variants: Iterable[Variant], counts: Counts) -> Counter[str]:
    found = Counter[str]()
    for variant in variants:
        if counts.get(variant.name, 0) > 0:
            found[type_of(variant)] += counts[variant.name]
    return found
