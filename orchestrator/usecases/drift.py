"""Compare the world with what the journal says was deployed last, field by field.

Endpoint configs and models are immutable: where one differs, somebody has deleted it and made another one
under its name.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.core import alarms, journal
from orchestrator.core.alarms import Alarm
from orchestrator.core.difference import Difference, compare, compare_scalings
from orchestrator.core.errors import NotFoundError, NotVerifiedError
from orchestrator.core.journal import Deployment
from orchestrator.core.names import is_content_name
from orchestrator.core.resources import Endpoint, EndpointStatus, Pairs, Variant, VariantStatus
from orchestrator.core.revision import ENDPOINT_TAG, Revision, tags_of
from orchestrator.core.scaling import Dimension, Scaling
from orchestrator.usecases import artifact
from orchestrator.usecases.edge import Edge

_THERE, _GONE = "there", "gone"


@dataclass(frozen=True, slots=True)
class Drifted:
    """One managed field that is not as it was left.

    Attributes:
        subject: Of which resource, such as ``endpoint config digits-9f3c1a2b7d10``.
    """

    subject: str
    difference: Difference

    def __str__(self) -> str:
        return f"{self.subject}: {self.difference}"


@dataclass(frozen=True, slots=True)
class Drift:
    """What the comparison found.

    Attributes:
        deployment: The one that the world was compared with.
        found: All managed fields that differ; ``before`` is what the journal says, ``after`` what is.
        unmanaged: What is there beside it and is not ours, in words.
        unfinished: An attempt that is under way or was cut short: autoscaling and alarms, which it may have
            changed already, were not compared.
    """

    endpoint: str
    deployment: Deployment
    found: tuple[Drifted, ...]
    unmanaged: tuple[str, ...] = ()
    unfinished: Deployment | None = None


@dataclass(frozen=True, slots=True)
class _Case:
    """The revision that ought to serve, and the endpoint as it is."""

    revision: Revision
    deployment: Deployment
    endpoint: Endpoint
    observed: frozenset[Scaling]
    unfinished: Deployment | None


def drift(endpoint: str, edge: Edge) -> Drift:
    """Return every managed field of ``endpoint`` that is not as the journal says it was deployed.

    Raises:
        NotFoundError: If the journal knows of no deployment.
        ConflictError: If the journal is damaged.
    """
    history = journal.deployments(edge.journal.entries())
    seen = edge.cloud.endpoint(endpoint)
    deployment, unfinished = expected(history, seen), journal.open_attempt(history)
    if deployment is None:
        raise NotFoundError(
            f"the journal of endpoint '{endpoint}' knows of no deployment to compare with",
            hint=f"orchestrator adopt {endpoint}          take over what is there",
        )
    revision = deployment.revision
    if revision is None or seen is None:
        wanted = _GONE if revision is None else _THERE
        found = tuple(_existence(f"endpoint {endpoint}", wanted, _GONE if seen is None else _THERE))
        others = () if revision is None else tuple(_resources(revision, edge))
        return Drift(endpoint, deployment, (*found, *others), unfinished=unfinished)
    observed = edge.autoscaling.observe(endpoint, [variant.name for variant in seen.variants])
    case = _Case(revision, deployment, seen, observed, unfinished)
    return Drift(
        endpoint, deployment, tuple(_find(case, edge)), tuple(_unmanaged(case, edge)), unfinished=unfinished
    )


def expected(history: Sequence[Deployment], seen: Endpoint | None) -> Deployment | None:
    """Return the attempt that says what ought to serve, or ``None`` if there is none.

    That is the last one that changed what serves; or, if it has no end and the endpoint is where it was
    going, the one that is open.
    """
    unfinished = journal.open_attempt(history)
    going = None if unfinished is None or unfinished.revision is None else unfinished.revision.name
    if going is not None and seen is not None and seen.config == going:
        return unfinished
    ends = {journal.DEPLOYED, journal.OUTCOMES[journal.DESTROY], NotVerifiedError.code}
    changes = [attempt for attempt in history if attempt.outcome in ends and attempt.verb != journal.SWEEP]
    return changes[-1] if changes else None


def _find(case: _Case, edge: Edge) -> Iterator[Drifted]:
    yield from _endpoint(case)
    yield from _resources(case.revision, edge)
    if case.unfinished is None:
        ours = case.revision.scalings
        yield from _all("autoscaling", compare_scalings(ours, case.observed, ours))
        yield from _alarms(case.deployment, case.revision, edge)


def _endpoint(case: _Case) -> Iterator[Drifted]:
    endpoint, revision = case.endpoint, case.revision
    subject = f"endpoint {endpoint.name}"
    pending = endpoint.pending if endpoint.pending not in _destinations(case) else None
    moving_as_meant = endpoint.pending is not None and pending is None
    pairs = [
        ("config", revision.name, endpoint.config),
        ("pending", None, pending),
        ("status", EndpointStatus.IN_SERVICE.value, _settled(endpoint.status)),
        *_tags(case),
    ]
    for path, before, after in pairs:
        if before != after and not (path == "config" and moving_as_meant):
            yield Drifted(subject, Difference(path, before, after))
    if endpoint.config == revision.name and _says_what_is_wanted(case):
        yield from _all(subject, _fleets(case))


def _says_what_is_wanted(case: _Case) -> bool:
    """Return whether the endpoint's desired weights and counts are what somebody wants it to stay with.

    ``UpdateEndpointWeightsAndCapacities`` makes it ``Updating``, and from then on the desired values are the
    request's (SageMaker API reference, ProductionVariantSummary). Those of an attempt of ours that is not
    over may be a step on the way.
    """
    endpoint = case.endpoint
    is_resized = endpoint.status is EndpointStatus.UPDATING and endpoint.pending is None
    return endpoint.settled or (is_resized and case.unfinished is None)


def _destinations(case: _Case) -> frozenset[str]:
    """Return the endpoint configs that it may be moving to without anybody having interfered."""
    attempts = (case.deployment, case.unfinished)
    return frozenset(attempt.revision.name for attempt in attempts if attempt and attempt.revision)


def _settled(status: EndpointStatus) -> str:
    """Return a status that says something of its own; while an endpoint moves, ``pending`` says what to."""
    is_said = status.settled or status is EndpointStatus.DELETING
    return status.value if is_said else EndpointStatus.IN_SERVICE.value


def _tags(case: _Case) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield each tag that we put on the endpoint; what else it carries is not ours."""
    # What was adopted has tags of its own, which no deployment and no rollback hands on to the endpoint.
    ours = is_content_name(case.revision.name, case.endpoint.name)
    own: Pairs = case.revision.config.tags if ours else ()
    found = dict(case.endpoint.tags)
    for key, value in tags_of(case.endpoint.name, own):
        there = found.get(key)
        if key == ENDPOINT_TAG and there is None and case.endpoint.owned:
            there = value
        yield f"tags[{key}]", value, there


def _fleets(case: _Case) -> Iterator[Difference]:
    variants = {variant.name: variant for variant in case.revision.config.variants}
    scaled = {
        s.variant for s in (*case.observed, *case.revision.scalings) if s.dimension is Dimension.INSTANCES
    }
    for status in case.endpoint.variants:
        if variant := variants.get(status.name):
            is_counted = variant.serverless is None and status.name not in scaled
            yield from compare(
                variant, _as_seen(variant, status, is_counted=is_counted), f"variants[{variant.name}]"
            )


def _as_seen(variant: Variant, status: VariantStatus, *, is_counted: bool) -> Variant:
    count = status.desired_count if is_counted else variant.instance_count
    return replace(variant, weight=status.desired_weight, instance_count=count)


def _resources(revision: Revision, edge: Edge) -> Iterator[Drifted]:
    """Yield what differs in the endpoint config, in the models, and whether the artifact is there."""
    yield from _resource(
        f"endpoint config {revision.name}", revision.config, edge.inventory.config(revision.name)
    )
    yield from _resource(
        f"model {revision.model.name}", revision.model, edge.inventory.model(revision.model.name)
    )
    for name in sorted(revision.config.models - {revision.model.name}):
        there = _GONE if edge.inventory.model(name) is None else _THERE
        yield from _existence(f"model {name}", _THERE, there)
    if artifact.is_there(revision, edge.store) is False:
        yield from _existence(f"artifact {revision.model.artifact}", _THERE, _GONE)


def _resource(subject: str, recorded: object, found: object) -> Iterator[Drifted]:
    if found is None:
        yield from _existence(subject, _THERE, _GONE)
        return
    differences = compare(recorded, found)
    # What an organisation, or a person, has tagged besides is not ours.
    yield from _all(
        subject, (d for d in differences if not (d.path.startswith("tags[") and d.before is None))
    )


def _alarms(deployment: Deployment, revision: Revision, edge: Edge) -> Iterator[Drifted]:
    judged = deployment.judge is not None
    made = alarms.generate(revision.config, revision.endpoint, deployment.alarm_spec, judge=judged)
    wanted = [alarm for alarm in made if alarm.name in deployment.alarms]
    found = {alarm.name: alarm for alarm in edge.alarms.find([alarm.name for alarm in wanted])}
    for alarm in wanted:
        yield from _resource(f"alarm {alarm.name}", _lasting(alarm), _lasting(found.get(alarm.name)))


def _lasting(alarm: Alarm | None) -> Alarm | None:
    """Return the alarm without its state, which comes and goes."""
    return None if alarm is None else replace(alarm, state="")


def _existence(subject: str, before: str, after: str) -> Iterator[Drifted]:
    if before != after:
        yield Drifted(subject, Difference("existence", before, after))


def _all(subject: str, differences: Iterable[Difference]) -> Iterator[Drifted]:
    return (Drifted(subject, difference) for difference in differences)


def _unmanaged(case: _Case, edge: Edge) -> Iterator[str]:
    ours = {scaling.key for scaling in case.revision.scalings}
    for scaling in sorted(case.observed, key=lambda scaling: scaling.variant):
        if scaling.key not in ours:
            yield f"variant '{scaling.variant}' is scaled by somebody else: its count is not compared"
    if artifact.is_there(case.revision, edge.store) is None:
        yield f"artifact '{case.revision.model.artifact}' lies in another bucket: it was not looked for"
