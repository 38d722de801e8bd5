"""Carry out a plan, one step at a time, and record every step before and after it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from orchestrator.core import journal
from orchestrator.core.errors import CloudError, OrchestratorError
from orchestrator.core.golden import Case
from orchestrator.core.outcome import Deployed, Expectation
from orchestrator.core.ports import Progress
from orchestrator.core.resources import Endpoint
from orchestrator.core.revision import Revision, to_record
from orchestrator.core.steps import (
    AwaitEndpoint,
    CreateEndpoint,
    CreateEndpointConfig,
    CreateModel,
    DeleteEndpoint,
    DeleteEndpointConfig,
    DeleteModel,
    Plan,
    Step,
    UpdateEndpoint,
    describe,
)
from orchestrator.usecases.arrive import arrive, await_gone
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.explain import explain

INTERRUPTED = "interrupted"

LOG_LEAD_SECONDS = 5.0
"""How much earlier than our first look at the endpoint its containers may have written."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an endpoint, decided and not yet begun.

    Attributes:
        verb: ``deploy``, ``rollback``, ``sweep`` or ``destroy``: for the journal.
        revision: What is to serve in the end; ``None`` where nothing is.
        before: The endpoint as it was when the plan was made.
        cases: What the new revision must answer.
    """

    endpoint: str
    verb: str
    plan: Plan
    revision: Revision | None = None
    before: Endpoint | None = None
    cases: tuple[Case, ...] = ()
    reason: str = ""


def apply(change: Change, edge: Edge, progress: Progress) -> None:
    """Carry out ``change``; it may be cut short anywhere and planned again.

    A plan without steps still asks the golden cases: it is how a deployment that was killed after its
    last step gets its record.

    Raises:
        OrchestratorError: If a step fails or the deployment does not arrive; the journal says so too.
    """
    recorder = _Recorder(change, edge)
    with recorder.deployment():
        for number, step in enumerate(change.plan, start=1):
            progress.started(step, number, len(change.plan))
            with recorder.step(step, number):
                _perform(step, change, edge, progress)
            progress.finished(step)
        if change.revision is not None and not any(map(_moves_traffic, change.plan)):
            _verify(change, change.revision, edge, progress, previous=None, modified_before=0.0)


def _perform(step: Step, change: Change, edge: Edge, progress: Progress) -> None:
    cloud = edge.cloud
    match step:
        case CreateModel(model):
            cloud.create_model(model)
        case CreateEndpointConfig(config):
            cloud.create_endpoint_config(config)
        case CreateEndpoint(endpoint, config, tags):
            cloud.create_endpoint(endpoint, config, tags)
            _arrive(change, edge, progress, previous=None)
        case UpdateEndpoint(endpoint, config, previous):
            cloud.update_endpoint(endpoint, config)
            _arrive(change, edge, progress, previous=previous)
        case AwaitEndpoint(_, _, previous):
            _arrive(change, edge, progress, previous=previous)
        case DeleteEndpoint(endpoint):
            cloud.delete_endpoint(endpoint)
            await_gone(endpoint, edge, progress)
        case DeleteEndpointConfig(name):
            cloud.delete_endpoint_config(name)
        case DeleteModel(name):
            cloud.delete_model(name)
        case _:
            assert_never(step)


def _moves_traffic(step: Step) -> bool:
    return isinstance(step, (CreateEndpoint, UpdateEndpoint, AwaitEndpoint))


def _arrive(change: Change, edge: Edge, progress: Progress, *, previous: str | None) -> None:
    if change.revision is None:
        raise AssertionError("a plan that moves traffic has a revision")
    before = change.before
    # A change that was under way already has no "before" that could be mistaken for the result.
    moved = before is None or not before.status.settled
    modified_before = 0.0 if before is None or moved else before.last_modified
    _verify(change, change.revision, edge, progress, previous=previous, modified_before=modified_before)


def _verify(
    change: Change,
    revision: Revision,
    edge: Edge,
    progress: Progress,
    *,
    previous: str | None,
    modified_before: float,
) -> None:
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
        raise explain(expectation, verdict, log, unused=_unused(change.plan))


def _log(endpoint: str, since: float, edge: Edge) -> tuple[str, ...]:
    """Return what the containers wrote; that it cannot be read must not hide what became of the deployment."""
    try:
        return edge.logs.since(endpoint, since)
    except CloudError as error:
        return (f"it could not be read: {error}",)


def _unused(plan: Plan) -> int:
    return sum(isinstance(step, (CreateModel, CreateEndpointConfig)) for step in plan)


class _Recorder:
    """Writes one change into the journal, entry by entry."""

    def __init__(self, change: Change, edge: Edge) -> None:
        self._change = change
        self._edge = edge
        self._by = edge.cloud.identity()
        self._number = 0

    @contextmanager
    def deployment(self) -> Iterator[None]:
        change = self._change
        started = self._append(
            journal.STARTED,
            {
                "verb": change.verb,
                "revision": None if change.revision is None else to_record(change.revision),
                "previous": None if change.before is None else change.before.config,
                "plan": [describe(step) for step in change.plan],
                "reason": change.reason,
            },
        )
        self._number = started.number
        try:
            yield
        except BaseException as error:
            facts = {"deployment": self._number, "outcome": _outcome(error), "detail": str(error)}
            self._append_failure(error, journal.FINISHED, facts)
            raise
        outcome = journal.OUTCOMES[change.verb]
        self._append(journal.FINISHED, {"deployment": self._number, "outcome": outcome, "detail": ""})

    @contextmanager
    def step(self, step: Step, number: int) -> Iterator[None]:
        facts = {"deployment": self._number, "step": describe(step)}
        self._append(journal.STEP_STARTED, facts)
        try:
            yield
        except BaseException as error:
            if isinstance(error, OrchestratorError):
                total = len(self._change.plan)
                error.add_detail("step", f"{number} of {total}, {describe(step)}", first=True)
            described = {**facts, "error": str(error) or type(error).__name__}
            self._append_failure(error, journal.STEP_FAILED, described)
            raise
        self._append(journal.STEP_FINISHED, facts)

    def _append_failure(self, error: BaseException, kind: str, facts: Mapping[str, object]) -> None:
        """Record a failure without letting a journal that cannot be written hide it."""
        try:
            self._append(kind, facts)
        except OrchestratorError as second:
            if isinstance(error, OrchestratorError):
                error.add_detail("journal", f"this could not be recorded: {second}")

    def _append(self, kind: str, facts: Mapping[str, object]) -> journal.Entry:
        at = datetime.fromtimestamp(self._edge.clock.now(), UTC).isoformat(timespec="milliseconds")
        return self._edge.journal.append(kind, facts, by=self._by, at=at)


def _outcome(error: BaseException) -> str:
    match error:
        case OrchestratorError():
            return error.code
        case KeyboardInterrupt() | SystemExit():
            return INTERRUPTED
        case _:
            return "bug"
