"""Say how far a rollout is from what SageMaker shows of it, and only where that is certain."""

from orchestrator.core.resources import Endpoint, Stage
from orchestrator.core.rollout import Kind, Rollout, Unit

BAKING = "Baking"
_FINAL = "TerminationWaitInSeconds"
"""What the message of a bake on full traffic names: developer guide, automating with EventBridge."""


def share(endpoint: Endpoint, rollout: Rollout) -> float | None:
    """Return which share of the traffic the new fleet has, from 0 to 1; ``None`` if nobody can tell.

    Nothing moves before the new fleet is there, and the old one is deleted when nothing goes to it any more.
    In between only a bake says where traffic is: a canary's size, or everything.
    """
    shares = {_share(stage, endpoint, rollout) for stage in endpoint.stages}
    return shares.pop() if len(shares) == 1 else None


def _share(stage: Stage, endpoint: Endpoint, rollout: Rollout) -> float | None:
    if rollout.kind is Kind.ROLLING:
        return None  # its batches are created, and deleted, while others serve
    if stage.status == "Creating":
        return 0.0
    if stage.status == "Deleting" or is_final_bake(stage, rollout):
        return 1.0
    if stage.status == BAKING and rollout.kind is Kind.CANARY:
        return _canary(stage, endpoint, rollout)
    return None


def is_final_bake(stage: Stage, rollout: Rollout) -> bool:
    """Tell whether this is the bake on full traffic: the only one there is, or by SageMaker's own words."""
    return stage.status == BAKING and (rollout.kind is Kind.ALL_AT_ONCE or _FINAL in stage.message)


def _canary(stage: Stage, endpoint: Endpoint, rollout: Rollout) -> float | None:
    if rollout.size is None:
        return None
    if rollout.final_bake_seconds and not stage.message:
        return None  # which of the two bakes this is only the message tells
    if rollout.size.unit is Unit.PERCENT:
        return rollout.size.value / 100
    counts = [status.desired_count for status in endpoint.variants if status.name == stage.variant]
    return min(rollout.size.value / counts[0], 1.0) if counts and counts[0] else None


def instances(endpoint: Endpoint) -> str:
    """Return how many instances there are of how many, such as ``2 of 4``; empty if nothing says so."""
    wanted = sum(status.desired_count for status in endpoint.variants)
    return f"{sum(status.current_count for status in endpoint.variants)} of {wanted}" if wanted else ""


def stage(endpoint: Endpoint) -> str:
    """Return what is being done, in SageMaker's words, each once; empty if it does not say.

    >>> stage(Endpoint("e", "c", stages=(Stage("a", "Creating", "Launching 2 instance(s)."),)))
    'Creating: Launching 2 instance(s).'
    """
    said = (f"{each.status}: {each.message}" if each.message else each.status for each in endpoint.stages)
    return "; ".join(dict.fromkeys(said))
