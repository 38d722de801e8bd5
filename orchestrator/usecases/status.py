"""Say what serves now, since when, and who deployed it."""

from dataclasses import dataclass

from orchestrator.core import journal
from orchestrator.core.errors import NotFoundError, NotVerifiedError
from orchestrator.core.resources import Endpoint
from orchestrator.usecases.edge import Edge


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of an endpoint: AWS's word on it, and the journal's on how it came there.

    Attributes:
        deployment: The one that brought what serves now, or ``None`` if the journal knows of none.
        unfinished: A later attempt that has no end: running, or killed.
    """

    endpoint: Endpoint
    deployment: journal.Deployment | None
    unfinished: journal.Deployment | None


def history(edge: Edge) -> tuple[journal.Deployment, ...]:
    """Return every attempt to change the endpoint, oldest first."""
    return journal.deployments(edge.journal.entries())


def status(endpoint: str, edge: Edge) -> Status:
    """Return what serves now and how it came there.

    Raises:
        NotFoundError: If there is no such endpoint.
    """
    seen = edge.cloud.endpoint(endpoint)
    if seen is None:
        raise NotFoundError(
            f"there is no endpoint '{endpoint}'",
            hint=f"orchestrator deploy               create it\norchestrator history {endpoint}   what was",
        )
    attempts = history(edge)
    brought = [
        attempt
        for attempt in attempts
        if attempt.outcome in {journal.DEPLOYED, NotVerifiedError.code}
        and attempt.revision is not None
        and attempt.revision.name == seen.config
    ]
    last = attempts[-1] if attempts else None
    return Status(
        endpoint=seen,
        deployment=brought[-1] if brought else None,
        unfinished=last if last is not None and not last.outcome else None,
    )
