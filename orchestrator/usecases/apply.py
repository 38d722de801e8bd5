"""Carry out a plan, one step at a time, and record every step before and after it."""

from typing import assert_never

from orchestrator.core import journal
from orchestrator.core.errors import CloudError
from orchestrator.core.outcome import Deployed, Expectation
from orchestrator.core.ports import Progress
from orchestrator.core.revision import Revision
from orchestrator.core.steps import (
    AwaitEndpoint,
    CreateEndpoint,
    CreateEndpointConfig,
    CreateModel,
    DeleteEndpoint,
    DeleteEndpointConfig,
    DeleteModel,
    Step,
    UpdateEndpoint,
)
from orchestrator.usecases.arrive import arrive, await_gone
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.explain import explain
from orchestrator.usecases.recording import Recorder

LOG_LEAD_SECONDS = 5.0
"""How much earlier than our first look at the endpoint its containers may have written."""


def apply(change: Change, edge: Edge, progress: Progress) -> int:
    """Carry out ``change``; it may be cut short anywhere and planned again.

    A plan without steps still asks the golden cases: it is how a deployment that was killed after its
    last step gets its record.

    Returns:
        How many golden cases the new revision itself has answered.

    Raises:
        OrchestratorError: If a step fails or the deployment does not arrive; the journal says so too.
    """
    recorder = Recorder(change, edge)
    answered = 0
    with recorder.deployment():
        for number, step in enumerate(change.plan, start=1):
            progress.started(step, number, len(change.plan))
            with recorder.step(step, number):
                answered += _perform(step, change, edge, progress)
            progress.finished(step)
        if change.revision is not None and not any(map(_moves_traffic, change.plan)):
            answered += _verify(change, change.revision, edge, progress, previous=None, modified_before=0.0)
    return answered


def _perform(step: Step, change: Change, edge: Edge, progress: Progress) -> int:
    """Carry out one step, and return how many golden cases were answered in it."""
    cloud = edge.cloud
    match step:
        case CreateModel(model):
            cloud.create_model(model)
        case CreateEndpointConfig(config):
            cloud.create_endpoint_config(config)
        case CreateEndpoint(endpoint, config, tags):
            cloud.create_endpoint(endpoint, config, tags)
            return _arrive(change, edge, progress, previous=None)
        case UpdateEndpoint(endpoint, config, previous):
            cloud.update_endpoint(endpoint, config)
            return _arrive(change, edge, progress, previous=previous)
        case AwaitEndpoint(_, _, previous):
            return _arrive(change, edge, progress, previous=previous)
        case DeleteEndpoint(endpoint):
            cloud.delete_endpoint(endpoint)
            await_gone(endpoint, edge, progress)
        case DeleteEndpointConfig(name):
            cloud.delete_endpoint_config(name)
        case DeleteModel(name):
            cloud.delete_model(name)
        case _:
            assert_never(step)
    return 0


def _moves_traffic(step: Step) -> bool:
    return isinstance(step, (CreateEndpoint, UpdateEndpoint, AwaitEndpoint))


def _arrive(change: Change, edge: Edge, progress: Progress, *, previous: str | None) -> int:
    if change.revision is None:
        raise AssertionError("a plan that moves traffic has a revision")
    before = change.before
    # A change that was under way already has no "before" that could be mistaken for the result.
    moved = before is None or not before.status.settled
    modified_before = 0.0 if before is None or moved else before.last_modified
    return _verify(
        change, change.revision, edge, progress, previous=previous, modified_before=modified_before
    )


def _verify(
    change: Change,
    revision: Revision,
    edge: Edge,
    progress: Progress,
    *,
    previous: str | None,
    modified_before: float,
) -> int:
    expectation = Expectation(
        endpoint=change.endpoint,
        config=revision.name,
        fingerprint=revision.fingerprint,
        previous=previous,
        modified_before=modified_before,
    )
    started = edge.clock.now() - LOG_LEAD_SECONDS
    atol = revision.golden.atol if revision.golden else 0.0
    verdict = arrive(expectation, change.cases, atol, edge, progress)
    if not isinstance(verdict, Deployed):
        log = _log(change.endpoint, started, edge)
        raise explain(expectation, verdict, log, unused=_unused(change, revision))
    return verdict.answered


def _log(endpoint: str, since: float, edge: Edge) -> tuple[str, ...]:
    """Return what the containers wrote. That it cannot be read must not hide what became of it all."""
    try:
        return edge.logs.since(endpoint, since)
    except CloudError as error:
        return (f"it could not be read: {error}",)


def _unused(change: Change, revision: Revision) -> int:
    """Return how many of the revision's resources nothing uses if it does not serve."""
    if change.verb == journal.ROLLBACK:
        return 0  # they are a way back, and kept
    others = (config for config in change.observed.configs if config.name != revision.name)
    shared = any(variant.model == revision.model.name for config in others for variant in config.variants)
    return 1 if shared else 2
