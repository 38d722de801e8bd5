"""Who answers the requests of an endpoint: fleets, each with its share."""

import itertools
import secrets
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.localcloud.fleets.fleet import Fleet
from orchestrator.localcloud.world import Deployment, Variant

_CHANCE = secrets.SystemRandom()
_GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Share:
    """A fleet and how much of the traffic it gets.

    Attributes:
        variant: With the weight and the number of instances it has now; the fleet may have begun with others.
        deployment: What the fleet belongs to.
        portion: Of the variant's traffic, from 0 to 1; the rest goes to another fleet of the same variant.
    """

    fleet: Fleet
    variant: Variant
    deployment: Deployment
    portion: float = 1.0


class Spread:
    """Numbers from 0 to 1 that are evenly spread, however few of them are drawn.

    A rehearsal sends some hundred requests, of which chance alone would give a canary of 10 % now 7 and now
    13. Multiples of the golden ratio stay within about one request of the share asked for, and have no period
    that a client with one could fall in with.
    """

    def __init__(self) -> None:
        self._last = _CHANCE.random()

    def __call__(self) -> float:
        """Return the next number."""
        self._last = (self._last + _GOLDEN_RATIO) % 1.0
        return self._last


@dataclass(frozen=True, slots=True)
class Traffic:
    """All fleets of an endpoint.

    Attributes:
        shadows: Get copies of requests; what they answer is dropped.
        draw: Returns a number from 0 to 1 for each request that is to be given to a share.
    """

    shares: tuple[Share, ...]
    shadows: tuple[Share, ...] = ()
    draw: Callable[[], float] = field(default_factory=Spread, compare=False)

    @property
    def fleets(self) -> tuple[Fleet, ...]:
        """Every fleet, shadows among them."""
        return tuple(share.fleet for share in (*self.shares, *self.shadows))

    def choose(self, target: str | None) -> Share | None:
        """Return who is to answer a request: by weights, or of the variant ``target``, if there is one."""
        if target is None and len(self.shares) == 1:
            return self.shares[0]
        if target is not None:
            shares = [share for share in self.shares if share.variant.name == target]
            weights = [share.portion for share in shares]
        else:
            shares = list(self.shares)
            totals = _totals(shares)
            weights = [share.portion * _part(share, totals) for share in shares]
            # Without any weight there is no share to keep to but the fleets' own.
            weights = weights if any(weights) else [share.portion for share in shares]
        if not shares:
            return None
        reached = list(itertools.accumulate(weights))
        return shares[min(bisect_right(reached, self.draw() * reached[-1]), len(shares) - 1)]

    def reshaped(self, variants: Sequence[Variant]) -> "Traffic":
        """Return the same fleets with the weights and counts of ``variants``."""
        by_name = {variant.name: variant for variant in variants}
        shares = tuple(replace(share, variant=by_name[share.variant.name]) for share in self.shares)
        return replace(self, shares=shares)


def whole(deployment: Deployment, fleets: Mapping[str, Fleet]) -> Traffic:
    """Return all traffic on the ``fleets`` of one deployment, by the names of its variants."""
    shares = tuple(Share(fleets[variant.name], variant, deployment) for variant in deployment.variants)
    shadows = tuple(Share(fleets[variant.name], variant, deployment) for variant in deployment.shadows)
    return Traffic(shares, shadows)


def mixed(old: Traffic, new: Traffic, portions: Mapping[str, float]) -> Traffic:
    """Return the traffic of which ``new`` has these portions, by variant, and ``old`` has the rest.

    Shadows stay as they were: they compare with what serves. A variant that there will be no more goes with
    the largest of the portions: an update may rename variants only if all of its traffic moves at once.
    """
    gone = max(portions.values())
    given = [replace(share, portion=portions[share.variant.name]) for share in new.shares]
    kept = [
        replace(share, portion=share.portion * (1 - portions.get(share.variant.name, gone)))
        for share in old.shares
    ]
    return Traffic(tuple(share for share in (*kept, *given) if share.portion > 0), old.shadows)


def _totals(shares: Sequence[Share]) -> Mapping[int, float]:
    """Return the sum of the weights of each deployment's variants: between two they mean nothing.

    By the deployment's identity: an endpoint may be updated to the endpoint config it is on.
    """
    found: dict[int, dict[str, float]] = {}
    for share in shares:
        found.setdefault(id(share.deployment), {})[share.variant.name] = share.variant.weight
    return {deployment: sum(weights.values()) for deployment, weights in found.items()}


def _part(share: Share, totals: Mapping[int, float]) -> float:
    total = totals[id(share.deployment)]
    return share.variant.weight / total if total else 0.0
