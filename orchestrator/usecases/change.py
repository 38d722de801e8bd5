"""One change of an endpoint, decided and not yet begun, and what came of it."""

from dataclasses import dataclass, replace

from orchestrator.core.alarms import Alarm, generate
from orchestrator.core.golden import Case
from orchestrator.core.resources import Endpoint, State
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.scaling import Scaling
from orchestrator.core.steps import Plan, UpdateEndpoint
from orchestrator.core.target import AlarmSpec, JudgeSpec


@dataclass(frozen=True, slots=True)
class Terms:
    """How to get to a revision.

    Attributes:
        rollout: With the alarms that the spec names.
        alarms: What alarms to generate besides; ``None`` for none.
        judge: How to compare the fleets while both serve; ``None`` does not.
        accepted: The rules whose findings somebody has agreed to.
        wait: Whether to watch until the change has arrived; without, nobody vouches for the outcome.
    """

    rollout: Rollout = AT_ONCE
    alarms: AlarmSpec | None = None
    judge: JudgeSpec | None = None
    accepted: tuple[str, ...] = ()
    wait: bool = True

    def made_for(self, revision: Revision) -> tuple[Alarm, ...]:
        """Return the alarms that are generated for ``revision``."""
        judged = self.judge is not None
        return generate(revision.config, revision.endpoint, self.alarms, judge=judged)


AS_USUAL = Terms()


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an endpoint, decided and not yet begun.

    Attributes:
        verb: One of the journal's.
        revision: What is to serve in the end; ``None`` where nothing is.
        observed: The state the plan was made from.
        cases: What the new revision must answer.
        commit: The project's, for the journal.
        number: Of the open attempt in the journal that this goes on with.
        owed: Autoscaling that an attempt which was cut short has taken away or suspended.
    """

    endpoint: str
    verb: str
    plan: Plan
    observed: State
    revision: Revision | None = None
    cases: tuple[Case, ...] = ()
    reason: str = ""
    commit: str = ""
    terms: Terms = AS_USUAL
    number: int | None = None
    owed: tuple[Scaling, ...] = ()

    @property
    def before(self) -> Endpoint | None:
        """The endpoint as it was when the plan was made."""
        return self.observed.endpoint

    @property
    def alarms(self) -> tuple[str, ...]:
        """The names of the alarms that roll it back."""
        sent = [step.rollout.alarms for step in self.plan if isinstance(step, UpdateEndpoint)]
        return sent[0] if sent else self.terms.rollout.alarms


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a change, or of one of its steps.

    Attributes:
        answered: How many golden cases the new revision has answered.
        recognised: Whether its answers carried its fingerprint.
        under_way: Whether the change goes on without us, as was asked: nobody knows the outcome yet.
        remarks: What is worth knowing, such as the canary judge's opinion.
    """

    answered: int = 0
    recognised: bool = False
    under_way: bool = False
    remarks: tuple[str, ...] = ()

    def then(self, later: "Applied") -> "Applied":
        """Return what came of both."""
        return replace(
            later,
            answered=self.answered + later.answered,
            recognised=self.recognised or later.recognised,
            remarks=(*self.remarks, *later.remarks),
        )
