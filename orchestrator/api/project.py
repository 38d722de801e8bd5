"""The verbs of the command line as a Python API; the command line is written on it.

Nothing is printed and nobody is asked: values come back, and errors of `orchestrator.core.errors` come out.
Every verb that changes something exists twice: `prepare_...` (for a deployment `ready`) decides and changes
nothing, `carry_out` does it; the verb itself does both in one go.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.api.selection import Manner, Selection
from orchestrator.api.used import Used
from orchestrator.core import journal
from orchestrator.core.errors import RefusedError
from orchestrator.core.health import Finding
from orchestrator.core.journal import Deployment
from orchestrator.core.ports import Progress, Transfer
from orchestrator.core.savedplan import SavedPlan
from orchestrator.usecases import (
    adopt,
    alarming,
    audit,
    destroy,
    doctor,
    drift,
    readying,
    resume,
    rollback,
    saving,
    status,
    sweep,
)
from orchestrator.usecases.change import Applied, Change
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, terms_of
from orchestrator.usecases.prepare import Intent
from orchestrator.usecases.readying import Planned, Ready
from orchestrator.usecases.silence import SilentProgress, SilentTransfer
from orchestrator.usecases.upload import Uploaded, upload

_REMEMBERED = 64
"""How many decided changes can still be carried out: whoever plans every minute fills no memory."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a verb that changes something.

    Attributes:
        prepared: What was decided.
        applied: What was done; ``None`` if there was nothing to do.
    """

    prepared: Prepared
    applied: Applied | None = None


class Project(Used):
    """One endpoint of a spec, in one environment, and all that can be done with it.

    Several threads may use one: what is decided in one of them is carried out as if nobody else had looked.
    """

    def __init__(
        self, selection: Selection, manner: Manner | None = None, *, other: str | None = None
    ) -> None:
        """Read the spec; nothing is connected to yet."""
        super().__init__(selection, manner, other=other)
        self._decided: deque[tuple[Change, Edge]] = deque(maxlen=_REMEMBERED)

    @contextlib.contextmanager
    def ready(
        self,
        intent: Intent | None = None,
        transfer: Transfer | None = None,
        *,
        saved: SavedPlan | None = None,
    ) -> Iterator[Ready]:
        """Build the project, try it and plan its deployment; it can be sent while this is open.

        Args:
            intent: For the journal.
            transfer: Watches files being read.
            saved: A plan to be made ready again exactly as it was.

        Raises:
            ArtifactError: If the project makes no archive whose model loads.
            RefusedError: If it fails a golden case, or a rule refuses it.
            ConflictError: If the endpoint is not ours, somebody else's change of it is under way, or the
                world is not as it was when the plan was saved.
        """
        shop, watcher = self.workshop(intent), transfer or SilentTransfer()
        making = readying.ready(shop, watcher) if saved is None else readying.ready_from(saved, shop, watcher)
        with making as found:
            self.remember(found.prepared, shop.edge)
            yield found

    def remember(self, prepared: Prepared, edge: Edge) -> Prepared:
        """Remember with which view of the world a change was decided: it is carried out with that."""
        self._decided.append((prepared.change, edge))
        return prepared

    def carry_out(self, prepared: Prepared, progress: Progress | None = None) -> Applied:
        """Do what was decided, under the endpoint's lock, recorded step by step.

        Raises:
            RefusedError: If another project has decided it, or this one has decided much since.
            ConflictError: If somebody has changed the endpoint, or its record, since it was decided.
            RolledBackError: If the previous revision serves again.
            OrchestratorError: Any other way in which it did not arrive; the exit codes tell them apart.
        """
        edge = next((edge for change, edge in tuple(self._decided) if change is prepared.change), None)
        if edge is None:
            raise RefusedError(
                f"the {prepared.change.verb} of '{prepared.change.endpoint}' was not decided by this project",
                details=[("state", "nothing has changed")],
                hint="prepare it again, and carry that out",
            )
        if prepared.change.verb == journal.ADOPT:
            adopt.adopt(prepared, edge)
            return Applied()
        return deploy(prepared, edge, progress or SilentProgress())

    def _decide(self, how: Callable[[Edge], Prepared]) -> Prepared:
        edge = self.view()
        return self.remember(how(edge), edge)

    # The verbs that change something.

    def plan(self, accept: Sequence[str] = (), transfer: Transfer | None = None) -> Planned:
        """Return what a deployment would change; nothing is changed.

        Raises:
            OrchestratorError: As `ready` does.
        """
        with self.ready(self.intent(accept=accept), transfer) as found:
            return found.planned

    def save(self, planned: Planned) -> SavedPlan:
        """Return the plan as something that can be kept, and made ready again exactly."""
        return saving.save(planned.prepared, self._spec, self.edge)

    def deploy(
        self,
        intent: Intent | None = None,
        progress: Progress | None = None,
        transfer: Transfer | None = None,
        *,
        saved: SavedPlan | None = None,
    ) -> Outcome:
        """Create or update the endpoint, and wait until it has truly arrived.

        Raises:
            OrchestratorError: As `ready` and `carry_out` do.
        """
        watcher = transfer or SilentTransfer()
        with self.ready(intent or self.intent(), watcher, saved=saved) as found:
            if found.prepared.nothing_to_do:
                return Outcome(found.prepared)
            found.send(watcher)
            return Outcome(found.prepared, self.carry_out(found.prepared, progress))

    def prepare_resume(self, reason: str = "") -> Prepared | None:
        """Plan the rest of the last attempt if it has no end; ``None`` if there is nothing to resume."""
        edge, keep = self.view(), self._spec.target.keep_revisions
        prepared = resume.prepare_resume(self.name, edge, keep_revisions=keep, reason=reason)
        return None if prepared is None else self.remember(prepared, edge)

    def resume(self, reason: str = "", progress: Progress | None = None) -> Outcome | None:
        """Finish the last attempt if it has no end; ``None`` if there is nothing to resume."""
        prepared = self.prepare_resume(reason)
        return None if prepared is None else self._all_of(prepared, progress)

    def prepare_rollback(self, revision: str | None = None, intent: Intent | None = None) -> Prepared:
        """Plan the way back to ``revision``, or to what was deployed before the one that serves now."""
        asked, edge = intent or self.intent(), self.view()
        terms = terms_of(self._spec.target, accepted=asked.accepted, wait=asked.wait)
        told = {"reason": asked.reason, "commit": asked.commit}
        return self.remember(rollback.prepare_rollback(self.name, revision, edge, terms=terms, **told), edge)

    def rollback(
        self, revision: str | None = None, intent: Intent | None = None, progress: Progress | None = None
    ) -> Outcome:
        """Go back to ``revision``, or to what was deployed before the one that serves now."""
        return self._all_of(self.prepare_rollback(revision, intent), progress)

    def prepare_adopt(self, reason: str = "") -> Prepared:
        """Plan to take over an endpoint that was made by other means; nothing of it moves."""
        return self._decide(lambda edge: adopt.prepare_adopt(self.name, edge, reason=reason))

    def adopt(self, reason: str = "") -> Outcome:
        """Take over an endpoint that was made by other means; nothing of it moves."""
        return self._all_of(self.prepare_adopt(reason), None)

    def prepare_destroy(self, reason: str = "") -> Prepared:
        """Plan to delete the endpoint and all that was made for it but the journal and the artifacts."""
        return self._decide(lambda edge: destroy.prepare_destroy(self.name, edge, reason=reason))

    def destroy(self, reason: str = "", progress: Progress | None = None) -> Outcome:
        """Delete the endpoint and all that was made for it but the journal and the artifacts."""
        return self._all_of(self.prepare_destroy(reason), progress)

    def prepare_sweep(self, keep: int | None = None, within_days: float = 0, reason: str = "") -> sweep.Sweep:
        """Plan to delete what nothing serves, keeps or references; the spec says how many to keep."""
        count = self._spec.target.keep_revisions if keep is None else keep
        edge = self.view()
        found = sweep.prepare_sweep(self.name, count, edge, within_days=within_days, reason=reason)
        self.remember(found.prepared, edge)
        return found

    def sweep(
        self,
        keep: int | None = None,
        within_days: float = 0,
        reason: str = "",
        progress: Progress | None = None,
    ) -> Outcome:
        """Delete what nothing serves, keeps or references."""
        return self._all_of(self.prepare_sweep(keep, within_days, reason).prepared, progress)

    def upload(self, transfer: Transfer | None = None) -> Uploaded:
        """Build the project, try it, and send its archive, unless it is there.

        Raises:
            OrchestratorError: As `ready` does.
        """
        shop, watcher = self.workshop(), transfer or SilentTransfer()
        return upload(shop.spec, shop.packaging, shop.cases, shop.edge.store, watcher)

    def _all_of(self, prepared: Prepared, progress: Progress | None) -> Outcome:
        # Taking over an endpoint has no steps, and is something to do all the same.
        idle = prepared.nothing_to_do and prepared.change.verb != journal.ADOPT
        return Outcome(prepared, None if idle else self.carry_out(prepared, progress))

    # The verbs that look.

    def status(self) -> status.Status:
        """Return what serves now, since when, and how it came there.

        Raises:
            NotFoundError: If there is no such endpoint.
        """
        return status.status(self.name, self.view())

    def history(self) -> tuple[Deployment, ...]:
        """Return every attempt to change the endpoint, oldest first; the journal's chain is verified."""
        return status.history(self.view())

    def drift(self) -> drift.Drift:
        """Return in what the endpoint differs from what was deployed."""
        return drift.drift(self.name, self.view())

    def audit(self) -> audit.Audited:
        """Verify the whole journal.

        Raises:
            ConflictError: If it was edited, cut, reordered or cut short.
        """
        return audit.verify(self.name, self.view())

    def doctor(self) -> tuple[Finding, ...]:
        """Return what is wrong, or soon will be, with what the endpoint is made of; the worst first."""
        return doctor.doctor(self.name, self.view())

    def alarms(self) -> alarming.Watching:
        """Return the alarms that watch what serves now, and what is wrong with those that the spec names."""
        return alarming.alarms_of(self.name, self._spec.target, self.view())
