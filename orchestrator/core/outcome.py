"""The success predicate: has the deployment arrived, and does the new revision answer?

``InService`` does not mean updated: after an automatic rollback the endpoint is in service too, on the
endpoint config it came from, and SageMaker may give no reason. `judge` is the only function that can
return `Deployed`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core.capacities import is_asked
from orchestrator.core.clouds import Capacity
from orchestrator.core.resources import Endpoint, EndpointStatus

STALE_READ_SECONDS = 60.0
"""How long DescribeEndpoint may show the world before our call without meaning that nothing came of it."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a deployment was sent to do.

    Attributes:
        config: The endpoint config that was asked for.
        fingerprint: What the new revision's answers carry; empty where the endpoint cannot show one, as
            behind asynchronous inference, or where nobody knows which model it is.
        previous: The endpoint config that served before, or ``None`` for a new endpoint.
        modified_before: `Endpoint.last_modified` before the call.
        capacities: What variants were asked to have, where that was asked for.
    """

    endpoint: str
    config: str
    fingerprint: str
    previous: str | None = None
    modified_before: float = 0.0
    capacities: tuple[Capacity, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """The endpoint as DescribeEndpoint shows it, some time after the call.

    Attributes:
        endpoint: ``None`` if there is none.
        elapsed_seconds: Since the call.
        moved: Whether the change was seen under way since the call, now or earlier.
    """

    endpoint: Endpoint | None
    elapsed_seconds: float
    moved: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one golden case, asked of the endpoint.

    Attributes:
        fingerprint: The one that the answer carried, or ``None``.
        problem: What was wrong with the answer; empty if nothing was.
        is_error: Whether the case wants an error. SageMaker's ModelError has no place for a fingerprint, so
            such an answer may be anybody's, and counts for nothing by itself.
    """

    case: str
    fingerprint: str | None
    problem: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Moving:
    """The change has not ended; look again."""

    status: EndpointStatus | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """Everything holds that DescribeEndpoint can say; the golden cases have to be asked."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """The new revision serves, and has answered that many golden cases.

    Attributes:
        recognised: Whether these answers carried its fingerprint, so that it is known to be itself.
    """

    answered: int
    recognised: bool


@dataclass(frozen=True, slots=True)
class RolledBack:
    """SageMaker went back to what served before: the endpoint config, or its variants' capacities."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """The endpoint serves a third endpoint config: somebody else deployed."""

    config: str


@dataclass(frozen=True, slots=True)
class Mixed:
    """SageMaker's way back failed: the old and the new endpoint config serve side by side."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unhealthy:
    """The endpoint serves nothing."""

    status: EndpointStatus | None
    reason: str


@dataclass(frozen=True, slots=True)
class NotVerified:
    """The endpoint arrived and does not answer as it should."""

    case: str
    problem: str


Verdict = Moving | Arrived | Deployed | RolledBack | Superseded | Mixed | Unhealthy | NotVerified


def judge(expectation: Expectation, sighting: Sighting, answers: Sequence[Answer] | None = None) -> Verdict:
    """Return what has come of a deployment.

    Args:
        expectation: What it was sent to do.
        sighting: What DescribeEndpoint shows.
        answers: What came of the golden cases, once they were asked: an empty sequence if there are
            none, ``None`` if they have not been asked yet.
    """
    endpoint = sighting.endpoint
    if endpoint is None:
        # A new endpoint may be invisible for a while: reads are eventually consistent.
        stale = sighting.elapsed_seconds < STALE_READ_SECONDS and not sighting.moved
        return Moving(None) if stale else Unhealthy(None, "the endpoint is gone")
    if not endpoint.settled:
        return Moving(endpoint.status)
    if endpoint.status is not EndpointStatus.IN_SERVICE:
        return _not_in_service(expectation, sighting, endpoint)
    if endpoint.config != expectation.config:
        return _elsewhere(expectation, sighting, endpoint)
    if not _is_asked(expectation, endpoint):
        stale = _is_stale(expectation, sighting, endpoint)
        return Moving(endpoint.status) if stale else RolledBack(endpoint.failure_reason)
    if _is_unchanged(expectation, endpoint) or not all(variant.arrived for variant in endpoint.variants):
        return Moving(endpoint.status)
    if answers is None:
        return Arrived()
    for answer in answers:
        if problem := _problem(expectation, answer):
            return NotVerified(answer.case, problem)
    answered = sum(not answer.is_error for answer in answers)
    return Deployed(answered, recognised=answered > 0 and expectation.fingerprint != "")


def _not_in_service(expectation: Expectation, sighting: Sighting, endpoint: Endpoint) -> Verdict:
    if _is_stale(expectation, sighting, endpoint):
        return Moving(endpoint.status)
    if endpoint.status is EndpointStatus.UPDATE_ROLLBACK_FAILED:
        return Mixed(endpoint.failure_reason)
    return Unhealthy(endpoint.status, endpoint.failure_reason)


def _elsewhere(expectation: Expectation, sighting: Sighting, endpoint: Endpoint) -> Verdict:
    if _is_stale(expectation, sighting, endpoint):
        return Moving(endpoint.status)
    if endpoint.config != expectation.previous:
        return Superseded(endpoint.config)
    return RolledBack(endpoint.failure_reason)


def _is_stale(expectation: Expectation, sighting: Sighting, endpoint: Endpoint) -> bool:
    """Tell whether this may be the world before our call: it looks the same, and not long has passed."""
    return (
        not sighting.moved
        and _is_unchanged(expectation, endpoint)
        and sighting.elapsed_seconds < STALE_READ_SECONDS
    )


def _is_unchanged(expectation: Expectation, endpoint: Endpoint) -> bool:
    return expectation.previous is not None and endpoint.last_modified <= expectation.modified_before


def _is_asked(expectation: Expectation, endpoint: Endpoint) -> bool:
    """Tell whether the variants are asked to have the capacities that were asked for."""
    wanted = {capacity.variant: capacity for capacity in expectation.capacities}
    return all(is_asked(fleet, wanted[fleet.name]) for fleet in endpoint.variants if fleet.name in wanted)


def _problem(expectation: Expectation, answer: Answer) -> str:
    if answer.problem or answer.is_error or not expectation.fingerprint:
        return answer.problem
    if answer.fingerprint != expectation.fingerprint:
        given = "no fingerprint" if answer.fingerprint is None else f"the fingerprint {answer.fingerprint}"
        return f"answered with {given}, not with {expectation.fingerprint}"
    return ""
