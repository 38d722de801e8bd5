"""What a plan means, in words: what stops answering, what is billed meanwhile, and what cannot be undone.

A note is no objection: those are findings of `orchestrator.core.rules.rulebook`.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.core.fleets import counts_after, counts_before, fleets, largest, quota_needed, type_of
from orchestrator.core.prices import Cost, Prices, hourly
from orchestrator.core.proposal import Proposal, mode_of
from orchestrator.core.rollout import Kind
from orchestrator.core.steps import (
    CreateEndpoint,
    DeleteEndpoint,
    Plan,
    PutScaling,
    RemoveScaling,
    SetCapacities,
    SuspendScaling,
    UpdateEndpoint,
)
from orchestrator.core.target import Mode

_CREATE_SECONDS, _ROLLING_SECONDS, _BLUE_GREEN_SECONDS = 185, 216, 230
"""How long small fleets took on AWS, without baking: tests of terraform-provider-aws, pull request 48993."""

_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Note:
    """One consequence of a plan; ``topic`` is a stable slug."""

    topic: str
    says: str


def meaning(plan: Plan, proposal: Proposal | None, prices: Prices | None = None) -> tuple[Note, ...]:
    """Return what carrying out ``plan`` means; nothing for an empty one.

    Args:
        plan: The steps.
        proposal: What is to serve in the end; ``None`` if nothing is, as after a ``destroy``.
        prices: The user's price table, if there is one.
    """
    found = [*_outage(plan), *_scaling(plan)]
    creates = any(isinstance(step, CreateEndpoint) for step in plan)
    update = next((step for step in plan if isinstance(step, UpdateEndpoint)), None)
    if proposal is not None and (creates or update):
        found += _duration(proposal, creates=creates)
        found += _kept(proposal, retain=update is not None and update.retain)
        found += _way_back(proposal, creates=creates)
        found += _quota(proposal)
    if proposal is not None and plan and prices is not None:
        found += _cost(proposal, prices)
    return tuple(found)


def minutes(proposal: Proposal, *, creates: bool = False) -> int:
    """Return about how many minutes SageMaker will take, all baking included."""
    if creates:
        return math.ceil(_CREATE_SECONDS / _MINUTE)
    rollout = proposal.rollout
    making = _ROLLING_SECONDS if rollout.kind is Kind.ROLLING else _BLUE_GREEN_SECONDS
    return math.ceil((making + rollout.waits_seconds(largest(proposal))) / _MINUTE)


def _outage(plan: Plan) -> Iterator[Note]:
    deletes = [step.endpoint for step in plan if isinstance(step, DeleteEndpoint)]
    creates = {step.endpoint for step in plan if isinstance(step, CreateEndpoint)}
    for name in deletes:
        if name in creates:
            says = f"endpoint '{name}' is deleted and made again: nobody answers meanwhile"
            yield Note("outage", says)
        else:
            yield Note("outage", f"endpoint '{name}' is deleted: nobody answers any more")


def _scaling(plan: Plan) -> Iterator[Note]:
    again = {(step.endpoint, step.scaling.variant) for step in plan if isinstance(step, PutScaling)}
    for step in plan:
        match step:
            case SuspendScaling(_, scaling):
                says = f"the autoscaler of '{scaling.variant}' takes no instance away until the move is over"
                yield Note("scale-in-suspended", says)
            case RemoveScaling(endpoint, variant) if (endpoint, variant) in again:
                says = (
                    f"the instances of '{variant}' change, so its autoscaling is taken off and put back after"
                )
                yield Note("scaling-put-back", says)
            case RemoveScaling(_, variant):
                yield Note("scaling-removed", f"'{variant}' is autoscaled no more: it keeps the count it has")
            case SetCapacities():
                yield Note(
                    "capacities", "weights and counts change on the fleet that serves: no new fleet is made"
                )
            case _:
                pass


def _duration(proposal: Proposal, *, creates: bool) -> Iterator[Note]:
    took = minutes(proposal, creates=creates)
    if creates:
        yield Note("duration", f"a new endpoint takes about {took} minutes, longer for large models")
        return
    rollout = proposal.rollout
    baking = rollout.kind is not Kind.ALL_AT_ONCE or rollout.final_bake_seconds > 0
    if rollout.kind is Kind.ROLLING:
        yield Note("duration", f"about {took} minutes; one batch more than the fleet is billed meanwhile")
    elif baking and proposal.mode is not Mode.SERVERLESS:
        yield Note("both-fleets", f"both fleets are billed for about {took} minutes")
    else:
        yield Note("duration", f"about {took} minutes, longer for large models")
    if not baking and proposal.mode is not Mode.SERVERLESS:
        says = "all traffic moves at once; only start-up checks of the new fleet protect it, no alarm does"
        yield Note("unguarded", says)


def _kept(proposal: Proposal, *, retain: bool) -> Iterator[Note]:
    for variant in proposal.fleets():
        status = proposal.status(variant.name)
        if variant.name in proposal.autoscaled and retain and status is not None:
            says = f"an autoscaler owns the count of '{variant.name}': kept at {status.desired_count}"
            yield Note("count-kept", says)


def _way_back(proposal: Proposal, *, creates: bool) -> Iterator[Note]:
    before = proposal.before
    if creates:
        yield Note("first", "there is no earlier revision to go back to while the endpoint is made")
    elif before is not None and mode_of(before) is Mode.SERVERLESS and proposal.mode is not Mode.SERVERLESS:
        yield Note("no-way-back", f"there is no way back to '{before.name}': it is serverless")


def _quota(proposal: Proposal) -> Iterator[Note]:
    needed = quota_needed(proposal)
    if needed:
        both = " while it moves" if proposal.before is not None else ""
        parts = ", ".join(f"{count} of {instance_type}" for instance_type, count in needed.items())
        yield Note("quota", f"quota needed{both}: {parts}")
    for variant in fleets(proposal.config):
        if variant.pools:
            says = f"'{variant.name}' is counted as {type_of(variant)}, which is tried first of its pools"
            yield Note("pools", says)


def _cost(proposal: Proposal, prices: Prices) -> Iterator[Note]:
    after = hourly(proposal.config, counts_after(proposal), prices)
    costs = [after]
    if proposal.before is None:
        yield Note("cost", f"{_said(after)} an hour")
    else:
        before = hourly(proposal.before, counts_before(proposal), prices)
        costs.append(before)
        yield Note("cost", f"{_said(before)} an hour before, {_said(after)} after")
    unknown = sorted({name for cost in costs for name in cost.unknown})
    if unknown:
        yield Note("cost-unknown", f"not counted, as the table has no price: {', '.join(unknown)}")
    if after.by_use:
        yield Note("cost-by-use", f"not counted, as it is paid by use: {_listed(after.by_use)}")


def _said(cost: Cost) -> str:
    return f"{cost.amount:.2f} {cost.currency}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
