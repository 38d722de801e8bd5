"""Go on with the attempt that was killed, interrupted or left: the same verb, planned again.

Crash recovery is planning again. What a lost call has made already is observed like anything else, so the
plan holds only what is missing; the record goes on under the same number, and history shows one attempt.
"""

from dataclasses import replace

from orchestrator.core import golden, journal, planner
from orchestrator.core.errors import NotVerifiedError
from orchestrator.core.golden import Case
from orchestrator.core.journal import Deployment
from orchestrator.core.revision import Revision
from orchestrator.core.steps import DeleteEndpointConfig, describe
from orchestrator.usecases.adopt import prepare_adopt
from orchestrator.usecases.change import Change, Terms
from orchestrator.usecases.destroy import prepare_destroy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.neighbours import foreign_uses, spared
from orchestrator.usecases.observing import observe
from orchestrator.usecases.plan import Prepared, Wish, prepare
from orchestrator.usecases.rollback import prepare_return, prepare_rollback


def prepare_resume(endpoint: str, edge: Edge, *, keep_revisions: int, reason: str = "") -> Prepared | None:
    """Plan the rest of the attempt that has no decided end.

    Rollout, alarms, judge and golden cases are those of the record, not of today's spec.

    Args:
        endpoint: Its name.
        edge: The environment.
        keep_revisions: How many revisions stay as ways back.
        reason: Why, for the journal; empty for the reason of the attempt itself.

    Returns:
        The rest, which may hold no step but the record's end; ``None`` if there is nothing to go on with.

    Raises:
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
        NotFoundError: If what the attempt needs is gone.
    """
    history = journal.deployments(edge.journal.entries())
    attempt = journal.open_attempt(history)
    if attempt is None:
        return _way_back(endpoint, history, edge)
    prepared = _again(endpoint, attempt, edge, keep_revisions)
    change = replace(prepared.change, number=attempt.number, reason=reason or attempt.reason)
    return replace(prepared, change=change, recorded=False)


def _again(endpoint: str, attempt: Deployment, edge: Edge, keep_revisions: int) -> Prepared:
    match attempt.verb, attempt.revision:
        case journal.DESTROY, _:
            return prepare_destroy(endpoint, edge)
        case journal.SWEEP, _:
            return Prepared(_rest_of_sweep(endpoint, attempt, edge))
        case journal.ADOPT, _:
            return prepare_adopt(endpoint, edge, again=True)
        case journal.ROLLBACK, Revision() as revision:
            wish = Wish(revision, attempt.verb, (), 0, number=attempt.number)
            return prepare_return(replace(wish, commit=attempt.commit, terms=_terms(attempt)), edge)
        case journal.DEPLOY, Revision() as revision:
            cases = _cases(revision, edge)
            wish = Wish(revision, attempt.verb, cases, keep_revisions, number=attempt.number)
            return prepare(replace(wish, commit=attempt.commit, terms=_terms(attempt)), edge)
        case verb, _:
            raise AssertionError(f"nobody records '{verb}' like this")


def _rest_of_sweep(endpoint: str, attempt: Deployment, edge: Edge) -> Change:
    """Plan the removal of what is left of the endpoint configs that the sweep was to remove, and of no other.

    What it kept was asked for when it began, and may not be what the spec keeps.
    """
    observed = observe(endpoint, edge)
    kept = {
        config.name
        for config in observed.configs
        if describe(DeleteEndpointConfig(config.name)) not in attempt.plan
    }
    used = set() if observed.endpoint is None else {observed.endpoint.config, observed.endpoint.target}
    plan = planner.sweep(endpoint, frozenset({*kept, *used}), observed)
    if plan:
        needed = foreign_uses(endpoint, edge)
        plan = spared(planner.sweep(endpoint, frozenset({*kept, *used, *needed}), observed), needed)
    return Change(endpoint, journal.SWEEP, plan, observed)


def _way_back(endpoint: str, history: tuple[Deployment, ...], edge: Edge) -> Prepared | None:
    """Plan the way back from a revision that answered wrongly, if we were killed before it began.

    A deployment that ends so is followed by our own rollback, an attempt of its own; see `deploy`.
    """
    last = history[-1] if history else None
    if last is None or last.verb != journal.DEPLOY or last.outcome != NotVerifiedError.code:
        return None
    if not any(earlier.name != _name(last) for earlier in journal.revisions(history)):
        return None
    found = edge.cloud.endpoint(endpoint)
    if found is None or found.target != _name(last):
        return None
    return prepare_rollback(endpoint, None, edge, reason=f"taken back: {last.detail}")


def _name(attempt: Deployment) -> str:
    return "" if attempt.revision is None else attempt.revision.name


def _terms(attempt: Deployment) -> Terms:
    return Terms(
        rollout=attempt.rollout, alarms=attempt.alarm_spec, judge=attempt.judge, accepted=attempt.accepted
    )


def _cases(revision: Revision, edge: Edge) -> tuple[Case, ...]:
    return () if revision.golden is None else golden.from_bytes(edge.store.read(revision.golden.key))
