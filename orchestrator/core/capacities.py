"""The weights and sizes of an endpoint's variants: what a change ends with, and what corrects them."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from orchestrator.core.clouds import Capacity
from orchestrator.core.difference import compare_scalings
from orchestrator.core.resources import Endpoint, Variant, VariantStatus
from orchestrator.core.scaling import Scaling


def arrived(variants: Iterable[Variant], kept: Iterable[VariantStatus] = ()) -> tuple[VariantStatus, ...]:
    """Return what ``variants`` have once they serve: the sizes ``kept``, otherwise their initial ones."""
    sizes = {status.name: status.desired_count for status in kept}
    return tuple(
        VariantStatus(v.name, count, count, v.weight, v.weight)
        for v in variants
        for count in (sizes.get(v.name, v.instance_count),)
    )


def resized(endpoint: Endpoint, capacities: Iterable[Capacity]) -> Endpoint:
    """Return the endpoint once its variants have these capacities."""
    wanted = {capacity.variant: capacity for capacity in capacities}
    return replace(endpoint, variants=tuple(_resize(v, wanted.get(v.name)) for v in endpoint.variants))


def _resize(status: VariantStatus, capacity: Capacity | None) -> VariantStatus:
    if capacity is None:
        return status
    count = status.desired_count if capacity.count is None else capacity.count
    return VariantStatus(status.name, count, count, capacity.weight, capacity.weight)


def corrections(
    variants: Iterable[Variant], statuses: Iterable[VariantStatus], scaled: frozenset[str]
) -> Iterator[tuple[Capacity, ...]]:
    """Yield the calls that give an endpoint's variants the weights and sizes of its endpoint config.

    SageMaker takes the weights of many variants, or the size of one, a call.

    Args:
        variants: As the endpoint config has them.
        statuses: As they are; of a variant without one nothing is known, and nothing is asked.
        scaled: The variants whose size an autoscaler owns.
    """
    found = {status.name: status for status in statuses}
    known = [(variant, found[variant.name]) for variant in variants if variant.name in found]
    weights = [Capacity(v.name, v.weight) for v, status in known if not _is_weight(v.weight, status)]
    if weights:
        yield tuple(weights)
    for variant, status in known:
        is_sized = variant.serverless is None and variant.name not in scaled
        if is_sized and variant.instance_count != status.desired_count:
            yield (Capacity(variant.name, variant.weight, variant.instance_count),)


def is_asked(status: VariantStatus, wanted: Capacity) -> bool:
    """Tell whether a variant is asked to have what ``wanted`` says, whether or not it has it yet.

    >>> is_asked(VariantStatus("v", 1, 2), Capacity("v", 1.0, 2))
    True
    """
    size = status.desired_count if wanted.count is None else wanted.count
    return _is_weight(wanted.weight, status) and status.desired_count == size


def _is_weight(wanted: float, status: VariantStatus) -> bool:
    # A weight is a float of single precision in SageMaker's service model: 0.109 comes back as 0.10899999...
    return math.isclose(wanted, status.desired_weight, rel_tol=1e-6)


def is_scaled_as(wanted: Scaling, found: Scaling) -> bool:
    """Tell whether a variant's autoscaling is what ``wanted`` says, by the same rule as drift."""
    return not compare_scalings((found,), (wanted,), (wanted,))
