"""Carry out a prepared change, and go back by ourselves if the new revision answers wrongly."""

from collections.abc import Sequence

from orchestrator.core import journal
from orchestrator.core.errors import (
    CloudError,
    ConflictError,
    NotFoundError,
    NotVerifiedError,
    RefusedError,
    RolledBackError,
)
from orchestrator.core.golden import Case, to_bytes
from orchestrator.core.packaging import Archives
from orchestrator.core.ports import Progress, Transfer
from orchestrator.core.revision import Revision
from orchestrator.core.spec import Spec
from orchestrator.usecases.apply import apply
from orchestrator.usecases.change import Applied
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import Hold, hold
from orchestrator.usecases.plan import Prepared
from orchestrator.usecases.prepare import Release
from orchestrator.usecases.publish import Published, publish
from orchestrator.usecases.rollback import prepare_rollback


def send(release: Release, spec: Spec, archives: Archives, edge: Edge, transfer: Transfer) -> Published:
    """Send the release's artifact and its golden cases to S3, unless they are there."""
    send_cases(release.revision, release.prepared.change.cases, edge)
    return publish(spec, release.build, archives, edge.store, transfer)


def send_cases(revision: Revision, cases: Sequence[Case], edge: Edge) -> None:
    """Send the golden cases of a revision to S3, if it has any, unless they are there."""
    if revision.golden is not None:
        edge.store.put_once(revision.golden.key, to_bytes(tuple(cases)))


def deploy(prepared: Prepared, edge: Edge, progress: Progress) -> Applied:
    """Carry out ``prepared``, whatever its verb, holding the endpoint all the while.

    A revision that arrives and then answers wrongly is taken back: a plan for the one that was deployed
    before it, recorded like any rollback.

    Raises:
        RolledBackError: If SageMaker or we went back to the previous revision, which is serving.
        ConflictError: If somebody else holds the endpoint, or has changed it since this was planned.
        OrchestratorError: Any other way in which the deployment did not arrive.
    """
    change = prepared.change
    revision = "" if change.revision is None else f" {change.revision.name}"
    with hold(change.endpoint, f"{change.verb}{revision}", edge) as held:
        try:
            return apply(change, edge, progress, held)
        except NotVerifiedError as error:
            back = _way_back(prepared, error, edge)
            if back is None:
                raise
            _go_back(back, error, edge, progress, held)
            raise _taken_back(error, change.endpoint) from error


def _way_back(prepared: Prepared, error: NotVerifiedError, edge: Edge) -> Prepared | None:
    """Plan the way back from a revision that answers wrongly, if there is one."""
    if prepared.change.verb == journal.ROLLBACK or prepared.change.before is None:
        return None
    try:
        return prepare_rollback(prepared.change.endpoint, None, edge, reason=f"taken back: {error}")
    except NotFoundError:
        return None  # the journal knows none; the endpoint stays where it is, and the error says so
    except (RefusedError, ConflictError, CloudError) as second:
        # Above all else, somebody has to hear that what serves answers wrongly; `resume` tries this again.
        error.add_detail("way back", f"it could not be planned: {second}")
        return None


def _go_back(back: Prepared, error: NotVerifiedError, edge: Edge, progress: Progress, held: Hold) -> None:
    """Carry out the way back.

    Raises:
        NotVerifiedError: ``error``, if SageMaker rolled the way back back: what answers wrongly still serves.
        OrchestratorError: If it ended in any other way.
    """
    try:
        apply(back.change, edge, progress, held)
    except RolledBackError as second:
        error.add_detail("way back", str(second))
        raise error from second


def _taken_back(error: NotVerifiedError, endpoint: str) -> RolledBackError:
    details = [detail for detail in error.details if detail[0] != "state"]
    return RolledBackError(
        str(error),
        details=[*details, ("state", "taken back: the previous revision serves all traffic")],
        hint=f"orchestrator history {endpoint}          what happened",
    )
