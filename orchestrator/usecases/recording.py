"""Write a change into the journal, entry by entry, whatever becomes of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from orchestrator.core import journal
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.revision import to_record
from orchestrator.core.steps import Step, describe
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge

INTERRUPTED = "interrupted"


class Recorder:
    """Writes one change into the journal, entry by entry."""

    def __init__(self, change: Change, edge: Edge) -> None:
        self._change = change
        self._edge = edge
        self._by = edge.cloud.identity()
        self._number = 0

    @contextmanager
    def deployment(self) -> Iterator[None]:
        """Record the beginning and the end of the whole change."""
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
            facts = {"deployment": self._number, "outcome": _outcome(error), "detail": _detail(error)}
            self._append_failure(error, journal.FINISHED, facts)
            raise
        outcome = journal.OUTCOMES[change.verb]
        self._append(journal.FINISHED, {"deployment": self._number, "outcome": outcome, "detail": ""})

    @contextmanager
    def step(self, step: Step, number: int) -> Iterator[None]:
        """Record the beginning and the end of one step, and name it in an error that comes out of it."""
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


def _detail(error: BaseException) -> str:
    """Return what went wrong in one line: the error, and what the model's own words on it were."""
    found = error.details if isinstance(error, OrchestratorError) else ()
    causes = [fact for label, fact in found if label in {"log", "golden"}]
    return ": ".join([*causes, str(error)])


def _outcome(error: BaseException) -> str:
    match error:
        case OrchestratorError():
            return error.code
        case KeyboardInterrupt() | SystemExit():
            return INTERRUPTED
        case _:
            return "bug"
