"""One change of an endpoint, decided and not yet begun."""

from dataclasses import dataclass

from orchestrator.core.golden import Case
from orchestrator.core.resources import Endpoint, State
from orchestrator.core.revision import Revision
from orchestrator.core.steps import Plan


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an endpoint, decided and not yet begun.

    Attributes:
        verb: ``deploy``, ``rollback``, ``sweep`` or ``destroy``: for the journal.
        revision: What is to serve in the end; ``None`` where nothing is.
        observed: The state the plan was made from.
        cases: What the new revision must answer.
    """

    endpoint: str
    verb: str
    plan: Plan
    observed: State
    revision: Revision | None = None
    cases: tuple[Case, ...] = ()
    reason: str = ""

    @property
    def before(self) -> Endpoint | None:
        """The endpoint as it was when the plan was made."""
        return self.observed.endpoint
