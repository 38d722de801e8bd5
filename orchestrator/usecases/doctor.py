"""Look at all that a live endpoint lives on, and say what is wrong."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.core import health, journal
from orchestrator.core.errors import ConflictError, DeniedError
from orchestrator.core.health import Finding, Severity
from orchestrator.core.journal import Deployment
from orchestrator.core.repairs import Deed, Repair
from orchestrator.core.resources import Endpoint, EndpointConfig, Model
from orchestrator.core.rules.alarmlint import Watched
from orchestrator.usecases import artifact
from orchestrator.usecases.drift import expected
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import holder


@dataclass(frozen=True, slots=True)
class Sight:
    """What is expected of an endpoint, and what somebody else says of it.

    Attributes:
        required: Whether there has to be one, also where nothing was ever deployed.
        told: The container profiles of whose patches and images nothing is said here.
    """

    required: bool = True
    told: Collection[str] = ()


def doctor(endpoint: str, edge: Edge) -> tuple[Finding, ...]:
    """Return what is wrong with a live endpoint, the worst first; nothing if it is well.

    What the credentials do not permit to look at is a finding of its own, and no reason to stop.

    Raises:
        CloudError: If AWS cannot be reached.
    """
    return health.by_severity((*left_lock(endpoint, edge), *examine(endpoint, edge, Sight())))


def left_lock(endpoint: str, edge: Edge) -> Iterator[Finding]:
    """Yield that somebody has left the endpoint's lock behind."""
    claim = holder(edge)
    if claim is not None and claim.expired:
        what = (
            f"{claim.claim.owner} left it behind {claim.age_seconds:.0f} s ago: whoever comes next takes over"
        )
        repair = Repair(Deed.RELEASE_LOCK, endpoint, f"remove the lock of {endpoint} that was left behind")
        yield Finding(Severity.NOTE, f"lock of {endpoint}", what, "orchestrator doctor --fix", repair=repair)


def examine(endpoint: str, edge: Edge, sight: Sight) -> Iterator[Finding]:
    """Yield what is wrong with a live endpoint and its record.

    Raises:
        CloudError: If AWS cannot be reached.
    """
    history: tuple[Deployment, ...] = ()
    try:
        history = journal.deployments(edge.journal.entries())
    except ConflictError as error:
        fix = error.hint or "orchestrator audit verify"
        yield Finding(Severity.ERROR, f"journal of {endpoint}", str(error), fix)
    attempt = journal.open_attempt(history)
    if attempt is not None:
        claim = holder(edge)
        yield health.of_attempt(attempt, held=claim is not None and not claim.expired)
    seen = edge.cloud.endpoint(endpoint)
    deployment = expected(history, seen)
    revision = None if deployment is None else deployment.revision
    if seen is None:
        if revision is not None or (deployment is None and (sight.required or attempt is not None)):
            yield Finding(Severity.ERROR, f"endpoint {endpoint}", "there is none", "orchestrator deploy")
        return
    yield from health.of_endpoint(seen, None if revision is None else revision.name)
    yield from _resources(seen, edge, sight)
    if revision is not None and artifact.is_there(revision, edge.store) is False:
        fix = "orchestrator upload          or restore it from the bucket's versions"
        yield health.of_missing(f"artifact {revision.model.artifact}", fix)
    observed = edge.autoscaling.observe(endpoint, [variant.name for variant in seen.variants])
    yield from health.of_scalings(seen, sorted(observed, key=lambda one: one.variant), attempt)
    if deployment is not None:
        yield from _alarms(seen, deployment, edge)
    yield from _way_back(seen, history, edge)


def _resources(seen: Endpoint, edge: Edge, sight: Sight) -> Iterator[Finding]:
    config = edge.inventory.config(seen.config)
    if config is None:
        yield health.of_missing(
            f"endpoint config {seen.config}", "orchestrator deploy          makes it again"
        )
        return
    models = {name: edge.inventory.model(name) for name in sorted(config.models)}
    for name, model in models.items():
        if model is None:
            yield health.of_missing(f"model {name}", "orchestrator deploy          makes it again")
    yield from _origins([model for model in models.values() if model is not None], edge, sight)


def _origins(models: Sequence[Model], edge: Edge, sight: Sight) -> Iterator[Finding]:
    """Yield what is wrong with images and roles, each asked for once."""
    today = datetime.fromtimestamp(edge.clock.now(), UTC).date().isoformat()
    for image, model in {model.image: model for model in models}.items():
        profile = health.profile_of_image(image)
        if profile is not None and profile.name in sight.told:
            continue
        problem, unseen = _ask(edge.account.image_problem, image, f"image {image}")
        yield from (*unseen, *health.of_image(model, problem, today))
    for role in dict.fromkeys(model.role for model in models):
        problem, unseen = _ask(edge.account.role_problem, role, f"role {role}")
        yield from (*unseen, *health.of_role(role, problem))


def _ask(question: Callable[[str], str], name: str, subject: str) -> tuple[str, tuple[Finding, ...]]:
    try:
        return question(name), ()
    except DeniedError as error:
        return "", (Finding(Severity.NOTE, subject, f"it was not looked at: {error}"),)


def _alarms(seen: Endpoint, deployment: Deployment, edge: Edge) -> Iterator[Finding]:
    revision = deployment.revision
    names = tuple(dict.fromkeys((*deployment.rollout.alarms, *deployment.alarms)))
    if revision is None or not names:
        return
    found = edge.alarms.find(names)
    yield from health.of_alarms(names, found, _watched(seen, revision.config))


def _way_back(seen: Endpoint, history: Sequence[Deployment], edge: Edge) -> Iterator[Finding]:
    """Yield that the revision which a rollback would go to cannot come back."""
    earlier = next(
        (one for one in journal.revisions(history) if one.name not in {seen.config, seen.target}), None
    )
    if earlier is not None and artifact.is_there(earlier, edge.store) is False:
        yield health.of_lost_way_back(seen, earlier.name)


def _watched(seen: Endpoint, config: EndpointConfig) -> Watched:
    return Watched(
        endpoint=seen.name,
        config="",
        variants=tuple(variant.name for variant in config.variants),
        asynchronous=config.async_inference is not None,
    )
