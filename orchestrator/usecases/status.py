"""Say what serves now, since when, and who deployed it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import journal, traffic
from orchestrator.core.errors import NotFoundError, NotVerifiedError
from orchestrator.core.journal import Deployment
from orchestrator.core.resources import Endpoint, EndpointStatus
from orchestrator.core.scaling import Scaling
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import Holder, holder

_SERVING_NOTHING = frozenset(
    {
        EndpointStatus.CREATING,
        EndpointStatus.FAILED,
        EndpointStatus.OUT_OF_SERVICE,
        EndpointStatus.DELETING,
    }
)


@dataclass(frozen=True, slots=True)
class Share:
    """The part of the traffic that one fleet has.

    Attributes:
        config: The endpoint config that it was made from, which is the revision's name.
        share: From 0 to 1; ``None`` where nobody can tell.
        instances: How many run now; ``None`` where nobody can tell, or there are none to count.
    """

    config: str
    variant: str
    share: float | None
    instances: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """What is known of an endpoint: AWS's word on it, and the journal's on how it came there.

    Attributes:
        deployment: The one that brought what serves now, or ``None`` if the journal knows of none.
        unfinished: A later attempt that has no end: running, or cut short.
        shares: Of every fleet; while the endpoint moves, those of the new one come last.
        scalings: Ours or not, by variant.
        holder: Who holds the endpoint at the moment, or held it and never let go.
    """

    endpoint: Endpoint
    deployment: Deployment | None
    unfinished: Deployment | None
    shares: tuple[Share, ...] = ()
    scalings: tuple[Scaling, ...] = ()
    holder: Holder | None = None


def history(edge: Edge) -> tuple[Deployment, ...]:
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
    unfinished = journal.open_attempt(attempts)
    observed = edge.autoscaling.observe(endpoint, [variant.name for variant in seen.variants])
    brought = brought_by(attempts, seen)
    return Status(
        endpoint=seen,
        deployment=brought,
        unfinished=unfinished,
        shares=tuple(_shares(seen, unfinished, _on_instances(brought))),
        scalings=tuple(sorted(observed, key=lambda scaling: scaling.key)),
        holder=holder(edge),
    )


def brought_by(attempts: Sequence[Deployment], seen: Endpoint) -> Deployment | None:
    """Return the last of ``attempts`` that brought what serves now, or ``None``."""
    brought = [
        attempt
        for attempt in attempts
        if attempt.outcome in {journal.DEPLOYED, NotVerifiedError.code}
        and attempt.revision is not None
        and attempt.revision.name == seen.config
    ]
    return brought[-1] if brought else None


def _on_instances(brought: Deployment | None) -> frozenset[str]:
    """Return the variants that are known to be on instances: of those, none at all is a count."""
    if brought is None or brought.revision is None:
        return frozenset()
    return frozenset(v.name for v in brought.revision.config.variants if v.serverless is None)


def _shares(seen: Endpoint, unfinished: Deployment | None, on_instances: frozenset[str]) -> Iterator[Share]:
    if seen.status in _SERVING_NOTHING or seen.status is EndpointStatus.UPDATE_ROLLBACK_FAILED:
        # After a rollback that failed, instances of both revisions serve, and nobody says how many of which.
        share = 0.0 if seen.status in _SERVING_NOTHING else None
        yield from (Share(seen.target, variant.name, share, None) for variant in seen.variants)
        return
    is_moving = seen.pending not in {None, seen.config}
    moved = _moved(seen, unfinished) if is_moving else 0.0
    total = sum(variant.current_weight for variant in seen.variants)
    for variant in seen.variants:
        part = variant.current_weight / total if total else 0.0
        # While an endpoint moves, SageMaker gives the instances of both fleets, or of one: it does not say.
        is_counted = not is_moving and (variant.current_count > 0 or variant.name in on_instances)
        count = variant.current_count if is_counted else None
        yield Share(seen.config, variant.name, None if moved is None else part * (1 - moved), count)
    if is_moving:
        for name in dict.fromkeys(stage.variant for stage in seen.stages):
            alone = len(seen.variants) == 1
            yield Share(seen.target, name, moved if alone or moved == 0 else None, None)


def _moved(seen: Endpoint, unfinished: Deployment | None) -> float | None:
    """Return which part of the traffic the new fleet has; only an attempt of ours says by which rollout."""
    revision = None if unfinished is None else unfinished.revision
    if unfinished is None or revision is None or revision.name != seen.pending:
        return None
    return traffic.share(seen, unfinished.rollout)
