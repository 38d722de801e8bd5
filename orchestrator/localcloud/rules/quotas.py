"""How many instances of a type endpoints may have, in an account and region, and what they take.

On AWS each type has another quota, and new accounts have none of many; here all have one of our own choice.
"""

from collections import Counter
from collections.abc import Iterable

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.rules.rollouts import beside
from orchestrator.localcloud.world import Deployment, Endpoint, Variant, World

DEFAULT = 100
"""The quota of each type that nobody has set another one for."""


def quota(world: World, instance_type: str) -> int:
    """Return how many instances of a type endpoints may have."""
    return world.quotas.get(instance_type, DEFAULT)


def taken(world: World) -> Counter[str]:
    """Return how many instances of each type endpoints take, until what is under way is done."""
    return sum(map(_needed, world.endpoints.values()), Counter[str]())


def check_quotas(before: World, after: World) -> None:
    """Check that a change of endpoints takes no more instances than there may be.

    Raises:
        ApiError: ``ResourceLimitExceeded``, in the words of AWS (aws-samples/aws-genai-llm-chatbot#244).
    """
    now, then = taken(before), taken(after)
    for instance_type, count in then.items():
        most, present = quota(after, instance_type), now[instance_type]
        if count > max(most, present):
            raise ApiError(
                "ResourceLimitExceeded",
                f"The account-level service limit '{instance_type} for endpoint usage' is {most} Instances, "
                f"with current utilization of {present} Instances and a request delta of {count - present} "
                "Instances. Please use AWS Service Quotas to request an increase for this quota.",
            )


def _needed(endpoint: Endpoint) -> Counter[str]:
    """Return what an endpoint takes: with blue/green both fleets, with a rolling update one batch more."""
    old = _counted(_fleets(endpoint.serving)) | _counted(endpoint.asked)
    if endpoint.pending is None:
        return old
    new, policy = _fleets(endpoint.pending), endpoint.pending.policy
    if endpoint.serving is None:
        return _counted(new)
    more = Counter[str]()
    for variant in new:
        more[variant.instance_type] += beside(policy, variant)
    return (old + more) | _counted(new)


def _fleets(deployment: Deployment | None) -> tuple[Variant, ...]:
    return (*deployment.variants, *deployment.shadows) if deployment is not None else ()


def _counted(variants: Iterable[Variant]) -> Counter[str]:
    found = Counter[str]()
    for variant in variants:
        found[variant.instance_type] += variant.count
    return +found
