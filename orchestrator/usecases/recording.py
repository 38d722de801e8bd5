"""Write a change into the journal, entry by entry, whatever becomes of it."""

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from orchestrator.core import heads, journal
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.journal import Entry
from orchestrator.core.names import is_content_name
from orchestrator.core.records import to_record
from orchestrator.core.revision import tags_of
from orchestrator.core.revision import to_record as revision_record
from orchestrator.core.steps import Step, describe
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.holding import Hold


class Recorder:
    """Writes one change into the journal, entry by entry, as long as we hold the endpoint."""

    def __init__(self, change: Change, edge: Edge, hold: Hold) -> None:
        self._change = change
        self._edge = edge
        self._hold = hold
        self._number = 0
        self._left = False

    @contextmanager
    def deployment(self) -> Iterator[None]:
        """Record the beginning and the end of the whole change; the end is anchored at the endpoint."""
        self._number = self._begin()
        try:
            yield
            self._hold.keep()
        except BaseException as error:
            last = self._append_failure(error, journal.FINISHED, self._end(_outcome(error), _detail(error)))
            if last is not None:
                self._anchor(last, deployed=False)
            raise
        if self._left:
            self._append(journal.LEFT, {"deployment": self._number})
            return
        last = self._append(journal.FINISHED, self._end(journal.OUTCOMES[self._change.verb], ""))
        self._anchor(last, deployed=True)

    @contextmanager
    def step(self, step: Step, number: int) -> Iterator[None]:
        """Record the beginning and the end of one step, and name it in an error that comes out of it.

        Our claim on the endpoint is renewed first. Whoever was stopped for so long that somebody else has
        taken over is refused here, and has written nothing.
        """
        self._hold.keep(now=True)
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
        if not self._left:
            self._append(journal.STEP_FINISHED, facts)

    def leave_open(self) -> None:
        """Let neither the step that is under way nor the change have an end: it goes on without us."""
        self._left = True

    def _begin(self) -> int:
        change = self._change
        plan = [describe(step) for step in change.plan]
        said = {"verb": change.verb, "plan": plan, "reason": change.reason, "commit": change.commit}
        if change.number is not None:
            self._append(journal.RESUMED, {"deployment": change.number, **said})
            return change.number
        revision, terms = change.revision, change.terms
        facts = {
            **said,
            "endpoint": change.endpoint,
            "revision": None if revision is None else revision_record(revision),
            "previous": None if change.before is None else change.before.config,
            "rollout": to_record(terms.rollout),
            "alarm_spec": None if terms.alarms is None else to_record(terms.alarms),
            "judge": None if terms.judge is None else to_record(terms.judge),
            "alarms": [] if revision is None else [alarm.name for alarm in terms.made_for(revision)],
            "accepted": terms.accepted,
        }
        return self._append(journal.STARTED, facts).number

    def _end(self, outcome: str, detail: str) -> Mapping[str, object]:
        change = self._change
        return {
            "deployment": self._number,
            "verb": change.verb,
            "revision": None if change.revision is None else change.revision.name,
            "outcome": outcome,
            "detail": detail,
        }

    def _anchor(self, last: Entry, *, deployed: bool) -> None:
        """Tag the endpoint with how far its journal goes, and with what the revision wants it tagged.

        It vouches for the journal and is not part of the change, whose outcome is in the journal already: if
        it fails, the anchor lags behind, and `audit verify` says so.
        """
        change = self._change
        if change.verb == journal.DESTROY:
            return
        anchored = (heads.ANCHOR_TAG, heads.anchor_of(last))
        revision = change.revision if deployed else None
        # An adopted revision has another name, and the tags of its endpoint config are not ours to hand on.
        ours = revision is not None and is_content_name(revision.name, change.endpoint)
        tags = tags_of(change.endpoint, revision.config.tags) if revision is not None and ours else ()
        with contextlib.suppress(OrchestratorError):
            self._edge.cloud.tag_endpoint(change.endpoint, tuple(sorted((*tags, anchored))))

    def _append_failure(self, error: BaseException, kind: str, facts: Mapping[str, object]) -> Entry | None:
        """Record a failure without letting a journal that cannot be written hide it."""
        try:
            self._hold.keep()
            return self._append(kind, facts)
        except OrchestratorError as second:
            if isinstance(error, OrchestratorError) and second.args != error.args:
                error.add_detail("journal", f"this could not be recorded: {second}")
            return None

    def _append(self, kind: str, facts: Mapping[str, object]) -> Entry:
        at = datetime.fromtimestamp(self._edge.clock.now(), UTC).isoformat(timespec="milliseconds")
        return self._edge.journal.append(kind, facts, by=self._hold.owner, at=at)


def _detail(error: BaseException) -> str:
    """Return what went wrong in one line: the error, and what the model's own words on it were."""
    found = error.details if isinstance(error, OrchestratorError) else ()
    causes = [fact for label, fact in found if label in {"alarm", "log", "golden"}]
    return ": ".join([*causes, str(error)])


def _outcome(error: BaseException) -> str:
    match error:
        case OrchestratorError():
            return error.code
        case KeyboardInterrupt() | SystemExit():
            return journal.INTERRUPTED
        case _:
            return journal.BUG
