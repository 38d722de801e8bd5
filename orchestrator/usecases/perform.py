"""Carry out one step of a plan, and return what came of it."""

from dataclasses import dataclass, replace
from typing import assert_never

from orchestrator.core import diagnosis
from orchestrator.core.clouds import Update
from orchestrator.core.errors import CapacityError, ConflictError, QuotaError
from orchestrator.core.outcome import Arrived, Deployed, Expectation, RolledBack
from orchestrator.core.ports import Progress
from orchestrator.core.resources import Endpoint
from orchestrator.core.revision import Revision
from orchestrator.core.steps import (
    AwaitEndpoint,
    CreateEndpoint,
    CreateEndpointConfig,
    CreateModel,
    DeleteAlarms,
    DeleteEndpoint,
    DeleteEndpointConfig,
    DeleteModel,
    PutAlarm,
    PutScaling,
    RemoveScaling,
    Route,
    SetCapacities,
    Step,
    SuspendScaling,
    UpdateEndpoint,
)
from orchestrator.usecases.arrive import Arrival, Journey, arrive, remove
from orchestrator.usecases.asking import Questions
from orchestrator.usecases.change import Applied, Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.explain import Aftermath, explain
from orchestrator.usecases.holding import Hold
from orchestrator.usecases.looking_back import aftermath


@dataclass(frozen=True, slots=True)
class Task:
    """A change that is being carried out: where, who watches, and what proves that the endpoint is ours."""

    change: Change
    edge: Edge
    progress: Progress
    hold: Hold


def perform(step: Step, task: Task) -> Applied:
    """Carry out one step.

    Raises:
        OrchestratorError: If it fails, or does not arrive.
    """
    edge = task.edge
    match step:
        case CreateModel(model):
            edge.cloud.create_model(model)
        case CreateEndpointConfig(config):
            edge.cloud.create_endpoint_config(config)
        case CreateEndpoint() | UpdateEndpoint() | AwaitEndpoint():
            return _route(step, task)
        case SetCapacities():
            _resize(step, task)
        case DeleteEndpoint(endpoint):
            remove(task.change.observed.endpoint or Endpoint(endpoint, ""), edge, task.progress, task.hold)
        case DeleteEndpointConfig(name):
            edge.cloud.delete_endpoint_config(name)
        case DeleteModel(name):
            edge.cloud.delete_model(name)
        case _:
            _watch_or_scale(step, edge)
    return Applied()


def _watch_or_scale(
    step: PutAlarm | DeleteAlarms | SuspendScaling | PutScaling | RemoveScaling, edge: Edge
) -> None:
    match step:
        case PutAlarm(alarm):
            edge.alarms.put(alarm)
        case DeleteAlarms(names):
            edge.alarms.delete(names)
        case SuspendScaling(endpoint, scaling):
            edge.autoscaling.suspend(endpoint, scaling)
        case PutScaling(endpoint, scaling):
            edge.autoscaling.put(endpoint, scaling)
        case RemoveScaling(endpoint, variant, dimension):
            edge.autoscaling.remove(endpoint, variant, dimension)
        case _:
            assert_never(step)


def verify(task: Task) -> Applied:
    """Ask what serves already whether it is what it should be.

    Raises:
        OrchestratorError: If it is not.
    """
    name = task.change.endpoint
    return _settled(_journey(Expectation(name, _revision(task).name, _fingerprint(task)), task), task)


def _route(step: Route, task: Task) -> Applied:
    """Have another endpoint config serve, and wait until it does."""
    before = task.edge.cloud.endpoint(step.endpoint, tags=False)
    expectation = _expectation(step, before, task)
    try:
        _send(step, before, task)
    except (CapacityError, QuotaError) as error:
        error.add_detail(
            "state", "nothing serves" if before is None else f"'{before.config}' serves, as before"
        )
        raise
    if not task.change.terms.wait:
        return Applied(under_way=True)
    journey = _journey(expectation, task)
    arrival = _follow(journey, task)
    if isinstance(step, UpdateEndpoint) and _was_internal(arrival):
        # "Request to service failed" is AWS's own failure. The AWS controllers for Kubernetes send the same
        # endpoint config again after it, and after no other.
        task.hold.keep(now=True)
        again = task.edge.cloud.endpoint(step.endpoint, tags=False)
        journey = replace(journey, expectation=_expectation(step, again, task))
        _send(step, again, task)
        arrival = _follow(journey, task)
    return _concluded(journey, arrival, task)


def _send(step: Route, before: Endpoint | None, task: Task) -> None:
    match step:
        case CreateEndpoint(endpoint, config, tags):
            task.edge.cloud.create_endpoint(endpoint, config, tags)
        case UpdateEndpoint(endpoint, config, _, rollout, retain):
            _check_unmoved(step, before)
            if before is None or before.pending != config:  # else our own call is under way already
                task.edge.cloud.update_endpoint(Update(endpoint, config, rollout, retain))
        case AwaitEndpoint():
            pass
        case _:
            assert_never(step)


def _check_unmoved(step: UpdateEndpoint, before: Endpoint | None) -> None:
    """Refuse to move an endpoint that somebody else has moved since the plan was made."""
    if before is not None and not {before.config, before.target} <= {step.previous, step.config}:
        raise ConflictError(
            f"endpoint '{step.endpoint}' serves '{before.target}', not '{step.previous}' as it did when this "
            "was planned",
            details=[("state", "somebody else has changed it meanwhile; this step changed nothing")],
            hint=f"orchestrator history {step.endpoint}",
        )


def _expectation(step: Route, before: Endpoint | None, task: Task) -> Expectation:
    """Return what a step is to do, told from the world before it by SageMaker's own time stamp."""
    planned = task.change.before
    # A change that was under way already has no "before" that could be mistaken for the result.
    settled = [e for e in (before, planned) if e is not None and e.status.settled]
    is_new = isinstance(step, AwaitEndpoint) or before is None or not before.status.settled
    return Expectation(
        endpoint=step.endpoint,
        config=step.config,
        fingerprint=_fingerprint(task),
        previous=None if isinstance(step, CreateEndpoint) else step.previous,
        modified_before=0.0 if is_new else max(endpoint.last_modified for endpoint in settled),
    )


def _journey(expectation: Expectation, task: Task) -> Journey:
    revision, terms = _revision(task), task.change.terms
    atol = revision.golden.atol if revision.golden else 0.0
    return Journey(
        expectation=expectation,
        instances=_largest(revision, task.change.before),
        questions=Questions.of(task.change.cases, atol, revision.config, revision.model.name),
        rollout=terms.rollout,
        judge=terms.judge,
    )


def _largest(revision: Revision, before: Endpoint | None) -> int:
    """Return how many instances the largest fleet has: an autoscaler may have made one of them larger."""
    present = () if before is None else before.variants
    counts = (*(v.instance_count for v in revision.config.variants), *(v.desired_count for v in present))
    return max(counts, default=0)


def _was_internal(arrival: Arrival) -> bool:
    verdict = arrival.verdict
    return isinstance(verdict, RolledBack) and diagnosis.cause(verdict.reason) is diagnosis.Cause.INTERNAL


def _resize(step: SetCapacities, task: Task) -> None:
    """Change weights or sizes, and wait until the variants have them; the revision stays what it is."""
    revision = _revision(task)
    before = task.edge.cloud.endpoint(step.endpoint, tags=False)
    expectation = Expectation(
        endpoint=step.endpoint,
        config=revision.name,
        fingerprint=_fingerprint(task),
        previous=revision.name,
        modified_before=before.last_modified if before is not None and before.status.settled else 0.0,
        capacities=step.capacities,
    )
    task.edge.cloud.set_capacities(step.endpoint, step.capacities)
    journey = Journey(expectation)
    arrival = _follow(journey, task)
    if not isinstance(arrival.verdict, Arrived):
        raise _error(journey, arrival, task)


def _follow(journey: Journey, task: Task) -> Arrival:
    return arrive(journey, task.edge, task.progress, task.hold)


def _settled(journey: Journey, task: Task) -> Applied:
    return _concluded(journey, _follow(journey, task), task)


def _concluded(journey: Journey, arrival: Arrival, task: Task) -> Applied:
    verdict = arrival.verdict
    if not isinstance(verdict, Deployed):
        raise _error(journey, arrival, task)
    return Applied(verdict.answered, verdict.recognised, remarks=arrival.remarks)


def _error(journey: Journey, arrival: Arrival, task: Task) -> Exception:
    found: Aftermath = aftermath(journey, arrival, task.change, task.edge)
    return explain(journey.expectation, arrival.verdict, found)


def _revision(task: Task) -> Revision:
    if task.change.revision is None:
        raise AssertionError("a plan that moves traffic has a revision")
    return task.change.revision


def _fingerprint(task: Task) -> str:
    """Return what answers must carry; empty where they cannot: S3 objects have no header for it."""
    revision = _revision(task)
    return "" if revision.config.async_inference is not None else revision.fingerprint
