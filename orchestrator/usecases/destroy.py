"""Remove an endpoint, or only what nothing uses of what was made for it."""

from orchestrator.core import journal, planner
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, keep_of


def prepare_destroy(endpoint: str, edge: Edge, *, reason: str = "") -> Prepared:
    """Plan the removal of the endpoint and of every model and endpoint config made for it.

    The journal and the artifacts stay: they are the record, and the way back.

    Raises:
        ConflictError: If the endpoint is moving, or is not ours.
    """
    observed = edge.cloud.observe(endpoint)
    change = Change(
        endpoint=endpoint,
        verb=journal.DESTROY,
        plan=planner.dismantle(endpoint, observed),
        observed=observed,
        reason=reason,
    )
    return Prepared(change)


def prepare_sweep(endpoint: str, keep_revisions: int, edge: Edge, *, reason: str = "") -> Prepared:
    """Plan the removal of what nothing serves, keeps or references.

    Raises:
        ConflictError: If the endpoint is moving, or is not ours.
    """
    observed = edge.cloud.observe(endpoint)
    history = journal.deployments(edge.journal.entries())
    serving = observed.endpoint.config if observed.endpoint else None
    keep = keep_of(history, observed, keep_revisions, besides=serving)
    plan = planner.sweep(endpoint, keep, observed)
    change = Change(endpoint=endpoint, verb=journal.SWEEP, plan=plan, observed=observed, reason=reason)
    return Prepared(change)
