"""Take over an endpoint that was made by other means, exactly as it is."""

from orchestrator.core import journal
from orchestrator.core.errors import ConflictError, NotFoundError, RefusedError
from orchestrator.core.resources import Endpoint, EndpointStatus, Model, State
from orchestrator.core.revision import ENDPOINT_TAG, Revision
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import hold
from orchestrator.usecases.plan import Prepared
from orchestrator.usecases.recording import Recorder


def prepare_adopt(endpoint: str, edge: Edge, *, reason: str = "", again: bool = False) -> Prepared:
    """Look at an endpoint that is to be taken over; nothing is changed.

    What it serves becomes a revision whose artifact is unknown. Its endpoint config and models keep the names
    that they have, which are not of our form: they are never swept, and the revision can be gone back to as
    long as they exist. Its autoscaling is ours from then on.

    Args:
        endpoint: Its name.
        edge: The environment.
        reason: Why, for the journal.
        again: Whether this goes on with an attempt that was cut short, and may have marked it already.

    Raises:
        NotFoundError: If the endpoint, its endpoint config or one of its models does not exist.
        ConflictError: If it is ours already, or is moving.
        RefusedError: If it is not in service, or serves what no deployment of ours could.
    """
    seen = edge.cloud.endpoint(endpoint)
    if seen is None:
        raise NotFoundError(
            f"there is no endpoint '{endpoint}'", hint="orchestrator deploy          create it"
        )
    _check(seen, again=again)
    revision, observed = _take_stock(seen, edge)
    change = Change(
        endpoint=endpoint,
        verb=journal.ADOPT,
        plan=(),
        observed=observed,
        revision=revision,
        reason=reason,
    )
    return Prepared(change, recorded=False)


def adopt(prepared: Prepared, edge: Edge) -> None:
    """Record an endpoint as ours, and mark it.

    Raises:
        ConflictError: If somebody else holds it, or has changed it since it was looked at.
        CloudError: If AWS refuses; the journal says so too.
    """
    change = prepared.change
    with hold(change.endpoint, f"{change.verb} {change.endpoint}", edge) as held:
        recorder = Recorder(change, edge, held)
        with recorder.deployment():
            seen = edge.cloud.endpoint(change.endpoint)
            if change.revision is None or seen is None or seen.target != change.revision.name:
                raise ConflictError(
                    f"endpoint '{change.endpoint}' was changed since it was looked at",
                    details=[("state", "gone" if seen is None else f"{seen.status}, on '{seen.target}'")],
                    hint=f"orchestrator adopt {change.endpoint}          look again",
                )
            held.keep(now=True)
            edge.cloud.tag_endpoint(change.endpoint, ((ENDPOINT_TAG, change.endpoint),))


def _check(seen: Endpoint, *, again: bool) -> None:
    state = ("state", f"{seen.status} on '{seen.config}'; nothing has changed")
    if seen.owned and not again:
        raise ConflictError(
            f"endpoint '{seen.name}' is the orchestrator's already",
            details=[state],
            hint=f"orchestrator status {seen.name}\norchestrator resume          if this was cut short",
        )
    if not seen.settled:
        raise ConflictError(
            f"endpoint '{seen.name}' is {seen.status}, moving to '{seen.target}'",
            details=[("state", "somebody else's change is under way; nothing has changed")],
            hint=f"orchestrator adopt {seen.name}          again, when it has settled",
        )
    if seen.status is not EndpointStatus.IN_SERVICE:
        raise RefusedError(
            f"endpoint '{seen.name}' is {seen.status}: there is nothing that serves to take over",
            details=[("AWS", seen.failure_reason or "gave no reason"), state],
            hint="delete it, and deploy under its name",
        )


def _take_stock(seen: Endpoint, edge: Edge) -> tuple[Revision, State]:
    """Return what the endpoint serves as a revision, and all that was looked at."""
    config = edge.inventory.config(seen.config)
    if config is None:
        raise _missing(seen, f"endpoint config '{seen.config}'")
    for variant in config.variants:
        if not variant.model:
            raise _unsupported(seen, f"variant '{variant.name}' names no model")
    models = {name: _model(seen, name, edge) for name in sorted(config.models)}
    observed = edge.autoscaling.observe(seen.name, [variant.name for variant in config.variants])
    scalings = tuple(sorted(observed, key=lambda scaling: scaling.key))
    revision = Revision(seen.name, "", models[config.variants[0].model], config, scalings=scalings)
    return revision, State(frozenset(models.values()), frozenset({config}), seen, observed)


def _model(seen: Endpoint, name: str, edge: Edge) -> Model:
    found = edge.inventory.model(name)
    if found is None:
        raise _missing(seen, f"model '{name}'")
    if not found.image:
        raise _unsupported(seen, f"model '{name}' is a pipeline of containers or comes from a model package")
    return found


def _missing(seen: Endpoint, what: str) -> NotFoundError:
    return NotFoundError(
        f"endpoint '{seen.name}' serves {what}, which does not exist any more",
        details=[("rule", "without it there is no way back, and AWS cannot replace instances")],
        hint="make it again under that name, or deploy under another one",
    )


def _unsupported(seen: Endpoint, what: str) -> RefusedError:
    return RefusedError(
        f"endpoint '{seen.name}' cannot be taken over: {what}",
        details=[
            ("rule", "each variant serves one model that is one container"),
            ("state", "nothing has changed"),
        ],
        hint="deploy under another name",
    )
