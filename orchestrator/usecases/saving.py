"""Save a plan, and carry out later exactly that or nothing."""

from datetime import UTC, datetime

from orchestrator.core import savedplan
from orchestrator.core.premises import account_of
from orchestrator.core.records import to_record
from orchestrator.core.savedplan import SavedPlan
from orchestrator.core.spec import S3_PREFIX, Spec
from orchestrator.core.steps import describe
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared
from orchestrator.usecases.publish import proof_key


def save(prepared: Prepared, spec: Spec, edge: Edge) -> SavedPlan:
    """Return ``prepared``, a deployment, as it may be written to a file."""
    change = prepared.change
    if change.revision is None:
        raise AssertionError("a deployment has a revision")
    by = edge.account.identity()
    return SavedPlan(
        endpoint=change.endpoint,
        environment=spec.target.environment,
        account=account_of(by),
        region=spec.target.region or "",
        artifact=change.revision.artifact,
        revision=change.revision.name,
        steps=tuple(describe(step) for step in change.plan),
        observed=savedplan.observed_digest(change.observed),
        terms=_terms(change),
        made_at=datetime.fromtimestamp(edge.clock.now(), UTC).isoformat(timespec="seconds"),
        by=by,
    )


def check(saved: SavedPlan, prepared: Prepared, spec: Spec, edge: Edge) -> None:
    """Compare a saved plan with one that was just made for the same artifact.

    Raises:
        ConflictError: If it is for another place or revision, or the world or the spec has changed since.
    """
    savedplan.check(saved, save(prepared, spec, edge))


def artifact_is_there(saved: SavedPlan, spec: Spec, edge: Edge) -> bool:
    """Tell whether the artifact of a saved plan is in the bucket, so that nothing has to be built."""
    uncompressed = spec.package.layout == S3_PREFIX
    return edge.store.exists(proof_key(saved.endpoint, saved.artifact, uncompressed=uncompressed))


def _terms(change: Change) -> str:
    revision = change.revision
    golden = None if revision is None or revision.golden is None else to_record(revision.golden)
    scalings = [] if revision is None else [to_record(scaling) for scaling in revision.scalings]
    terms = change.terms
    return savedplan.digest(
        {
            "golden": golden,
            "scalings": scalings,
            "rollout": to_record(terms.rollout),
            "alarms": None if terms.alarms is None else to_record(terms.alarms),
            "judge": None if terms.judge is None else to_record(terms.judge),
        }
    )
