"""Remove an endpoint and all that was made for it."""

from collections.abc import Iterator

from orchestrator.core import journal, planner
from orchestrator.core.notes import Note, meaning
from orchestrator.core.resources import State
from orchestrator.core.steps import Plan
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.neighbours import foreign_uses, spared
from orchestrator.usecases.observing import observe
from orchestrator.usecases.plan import Prepared


def prepare_destroy(endpoint: str, edge: Edge, *, reason: str = "") -> Prepared:
    """Plan the removal of the endpoint and of all that was made for it.

    Autoscaling goes first, then the endpoint, then endpoint configs, models and generated alarms. The journal
    and the artifacts stay: they are the record, and the way back. So does what another endpoint serves, and
    what an adopted endpoint brought with it: the notes say so.

    Raises:
        ConflictError: If the endpoint is moving, or is not ours.
    """
    observed = observe(endpoint, edge)
    whole = planner.dismantle(endpoint, observed)
    needed = foreign_uses(endpoint, edge) if whole else {}
    plan = spared(whole, needed)
    change = Change(endpoint=endpoint, verb=journal.DESTROY, plan=plan, observed=observed, reason=reason)
    notes = (*meaning(plan, None), *_notes(observed, whole, plan, needed))
    return Prepared(change, notes=notes)


def _notes(observed: State, whole: Plan, plan: Plan, needed: dict[str, str]) -> Iterator[Note]:
    for step in whole:
        if step not in plan and (name := getattr(step, "name", "")):
            yield Note("kept", f"'{name}' stays: {needed[name]}")
    endpoint = observed.endpoint
    if endpoint is not None and endpoint.config not in {config.name for config in observed.configs}:
        yield Note("kept", f"endpoint config '{endpoint.config}' stays: it was not made by the orchestrator")
