"""What serves and how it came there, in words and for scripts."""

from collections.abc import Iterator, Sequence

from orchestrator.cli.options import Options, again
from orchestrator.cli.render import counted, table
from orchestrator.core.journal import Deployment
from orchestrator.usecases.status import Status


def status(found: Status, options: Options) -> str:
    """Return what serves and how it came there."""
    return table(list(_rows(found, options)))


def _rows(found: Status, options: Options) -> Iterator[tuple[str, str]]:
    endpoint = found.endpoint
    yield from (("endpoint", endpoint.name), ("status", str(endpoint.status)), ("revision", endpoint.config))
    if endpoint.pending:
        yield ("moving to", endpoint.pending)
    if endpoint.failure_reason:
        yield ("AWS", endpoint.failure_reason)
    for share in found.shares:
        traffic = "share unknown" if share.share is None else f"{share.share * 100:.3g} % of traffic"
        instances = "" if share.instances is None else f", {counted(share.instances, 'instance')}"
        yield ("serves", f"{share.config} ({share.variant}): {traffic}{instances}")
    for scaling in found.scalings:
        yield ("scaling", f"{scaling.variant}: {scaling.minimum} to {scaling.maximum}")
    yield from _origin(found.deployment)
    if found.unfinished is not None:
        yield ("note", open_attempt(found.unfinished, endpoint.name, options))
    if found.holder is not None:
        claim, age = found.holder.claim, found.holder.age_seconds
        who = f"by {claim.owner}, doing {claim.doing}"
        if found.holder.expired:
            yield (
                "was held",
                f"{who}, last heard of {age:.0f} s ago: whoever comes takes over",
            )
        else:
            yield ("held", f"{who}, renewed {age:.0f} s ago")


def open_attempt(attempt: Deployment, endpoint: str, options: Options) -> str:
    """Return that an attempt has no end, and what gives it one."""
    left = f"{attempt.verb} #{attempt.number} of {attempt.started_at} has no end in the journal"
    return f"{left}: {again(f'orchestrator resume --endpoint {endpoint}', options)}"


def _origin(brought: Deployment | None) -> Iterator[tuple[str, str]]:
    if brought is None:
        yield ("journal", "does not know how this revision came here")
        return
    yield from (
        ("since", brought.finished_at),
        ("by", brought.by),
        ("with", f"{brought.verb} #{brought.number}: {brought.outcome}"),
    )
    if brought.reason:
        yield ("reason", brought.reason)
    if brought.commit:
        yield ("commit", brought.commit)
    if brought.revision and brought.revision.model.artifact:
        yield ("artifact", brought.revision.model.artifact)


def status_document(found: Status) -> dict[str, object]:
    """Return the same for scripts."""
    endpoint, holder = found.endpoint, found.holder
    return {
        "endpoint": endpoint.name,
        "status": str(endpoint.status),
        "revision": endpoint.config,
        "pending": endpoint.pending,
        "failure_reason": endpoint.failure_reason or None,
        "serving": [
            {"revision": one.config, "variant": one.variant, "share": one.share, "instances": one.instances}
            for one in found.shares
        ],
        "scaling": [
            {"variant": one.variant, "minimum": one.minimum, "maximum": one.maximum} for one in found.scalings
        ],
        "deployment": None if found.deployment is None else deployment_document(found.deployment),
        "unfinished": None if found.unfinished is None else deployment_document(found.unfinished),
        "held_by": None if holder is None or holder.expired else holder.claim.owner,
    }


def history(attempts: Sequence[Deployment]) -> str:
    """Return every attempt, one a line, the latest last."""
    head = ("#", "started", "verb", "revision", "outcome", "by", "commit", "reason or detail")
    rows = [
        (
            str(attempt.number),
            attempt.started_at[:19].replace("T", " "),
            attempt.verb,
            attempt.revision.name if attempt.revision else "-",
            attempt.outcome or "no end",
            attempt.by.rpartition(":")[2],
            attempt.commit[:12] or "-",
            "; ".join(filter(None, [attempt.reason, attempt.detail, _resumed(attempt)])),
        )
        for attempt in attempts
    ]
    return table([head, *rows])


def _resumed(attempt: Deployment) -> str:
    return f"resumed {counted(attempt.resumptions, 'time')}" if attempt.resumptions else ""


def deployment_document(attempt: Deployment) -> dict[str, object]:
    """Return one attempt for scripts."""
    return {
        "number": attempt.number,
        "verb": attempt.verb,
        "revision": attempt.revision.name if attempt.revision else None,
        "artifact": attempt.revision.model.artifact if attempt.revision else None,
        "started_at": attempt.started_at,
        "finished_at": attempt.finished_at or None,
        "outcome": attempt.outcome or None,
        "detail": attempt.detail or None,
        "by": attempt.by,
        "reason": attempt.reason or None,
        "commit": attempt.commit or None,
        "resumptions": attempt.resumptions,
    }
