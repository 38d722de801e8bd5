"""How many instances which fleet is to have, while traffic moves and while capacities change."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.fleets.coldstart import provisioned
from orchestrator.localcloud.fleets.fleet import Fleet
from orchestrator.localcloud.rules.rollouts import Phase, retreat

# Products of parts stay beside whole numbers by less than this.
_ROUNDING = 1e-9


def sizes(old: Traffic, new: Traffic, phase: Phase) -> Mapping[Fleet, int]:
    """Return how many instances which fleet has after a phase; none where the rollout is not rolling."""
    if phase.count is None:
        return {}
    kept = {share.fleet: math.ceil(share.variant.count * phase.kept - _ROUNDING) for share in old.shares}
    return {**kept, **{share.fleet: phase.count for share in new.shares}}


def back(new: Traffic) -> Sequence[Phase]:
    """Return the phases of a rollback; only a rolling update has any."""
    deployment, first = new.shares[0].deployment, new.shares[0]
    if "RollingUpdatePolicy" not in (deployment.policy or {}):
        return ()
    return tuple(retreat(deployment.policy, first.variant, first.fleet.count))


async def resized(shares: Sequence[Share], show: Callable[[str, int], None]) -> None:
    """Return once each fleet has as many instances as its variant.

    Args:
        shares: The fleets, and their variants as they are to become.
        show: Takes a variant's name and its number of instances, each time that has changed.

    Raises:
        FleetError: If an instance does not come up.
    """
    for share in shares:
        if share.variant.serverless is not None:
            await share.fleet.resize(provisioned(share.variant))
        elif share.variant.count != share.fleet.count:
            await share.fleet.resize(share.variant.count, partial(_show, share, show))


def _show(share: Share, show: Callable[[str, int], None]) -> None:
    show(share.variant.name, share.fleet.count)
