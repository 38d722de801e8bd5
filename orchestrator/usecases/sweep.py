"""Remove what nothing serves, keeps or references of what was made for an endpoint, and say why.

Models, endpoint configs and generated alarms only: artifacts and the journal stay, since they are the record,
and what an earlier revision is made again from.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orchestrator.core import journal, planner
from orchestrator.core.errors import SpecError
from orchestrator.core.journal import Deployment
from orchestrator.core.resources import State
from orchestrator.core.steps import DeleteAlarms, DeleteEndpointConfig, DeleteModel, Plan
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.neighbours import foreign_uses, spared
from orchestrator.usecases.observing import observe
from orchestrator.usecases.plan import Prepared

_ALL_DAYS = 36_500.0
"""More than any journal is old; `timedelta` and `datetime` end somewhere behind it."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why one resource goes or stays.

    Attributes:
        name: What and which, such as ``endpoint config digits-9f3c1a2b7d10``.
    """

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep does, and why; carried out like any change."""

    prepared: Prepared
    goes: tuple[Reason, ...]
    stays: tuple[Reason, ...]


def prepare_sweep(
    endpoint: str, keep_revisions: int, edge: Edge, *, within_days: float = 0, reason: str = ""
) -> Sweep:
    """Plan the removal of what nothing serves, keeps or references.

    Args:
        endpoint: Its name.
        keep_revisions: How many revisions stay as ways back from the one that serves.
        edge: The environment.
        within_days: What an attempt within so many days asked for stays as well.
        reason: Why, for the journal.

    Raises:
        SpecError: If fewer than none are to stay.
        ConflictError: If the endpoint is moving, or is not ours; or its journal is damaged.
    """
    if keep_revisions < 0 or not within_days >= 0:
        raise SpecError(
            f"a sweep cannot keep {keep_revisions} revisions, and what the last {within_days:g} days brought",
            hint="keep none, or as many as you like",
        )
    observed = observe(endpoint, edge)
    history = journal.deployments(edge.journal.entries())
    window = timedelta(days=min(within_days, _ALL_DAYS))
    since = datetime.fromtimestamp(edge.clock.now(), UTC) - window
    recent = dict(_recent(history, since)) if within_days else {}
    keep = {**recent, **dict(_kept(observed, history, keep_revisions))}
    # Every endpoint of the account is looked at, but only if there is anything to lose.
    needed = foreign_uses(endpoint, edge) if planner.sweep(endpoint, frozenset(keep), observed) else {}
    keep = {**needed, **keep}
    plan = spared(planner.sweep(endpoint, frozenset(keep), observed), needed)
    change = Change(endpoint=endpoint, verb=journal.SWEEP, plan=plan, observed=observed, reason=reason)
    goes = tuple(_goes(plan))
    return Sweep(Prepared(change), goes, tuple(_stays(observed, keep, {one.name for one in goes})))


def _recent(history: Sequence[Deployment], since: datetime) -> Iterator[tuple[str, str]]:
    for attempt in history:
        if attempt.revision is not None and datetime.fromisoformat(attempt.started_at) > since:
            yield attempt.revision.name, f"attempt {attempt.number} of {attempt.started_at} asked for it"


def _kept(observed: State, history: Sequence[Deployment], keep_revisions: int) -> Iterator[tuple[str, str]]:
    """Yield the endpoint configs that stay, and why; the last reason is the strongest."""
    endpoint = observed.endpoint
    serving = None if endpoint is None else endpoint.config
    for name in journal.kept(history, keep_revisions, besides=serving):
        yield name, f"a way back: one of the last {keep_revisions} that were deployed"
    unfinished = journal.open_attempt(history)
    if unfinished is not None and unfinished.revision is not None:
        yield unfinished.revision.name, f"attempt {unfinished.number} has no end yet"
    if endpoint is not None:
        yield endpoint.target, "the endpoint is moving to it"
        yield endpoint.config, "the endpoint serves it"


def _goes(plan: Plan) -> Iterator[Reason]:
    for step in plan:
        match step:
            case DeleteEndpointConfig(name):
                yield Reason(
                    f"endpoint config {name}", "nothing serves it, and it is no way back that is kept"
                )
            case DeleteModel(name):
                yield Reason(f"model {name}", "no endpoint config that stays refers to it")
            case DeleteAlarms(names):
                yield from (
                    Reason(f"alarm {name}", "it watches an endpoint config that goes") for name in names
                )
            case _:
                pass


def _stays(observed: State, keep: Mapping[str, str], goes: set[str]) -> Iterator[Reason]:
    by_model = {
        model: f"endpoint config '{config.name}' refers to it"
        for config in sorted(observed.configs, key=lambda config: config.name)
        if config.name in keep
        for model in config.models
    }
    for name in sorted(config.name for config in observed.configs):
        if f"endpoint config {name}" not in goes:
            yield Reason(f"endpoint config {name}", keep[name])
    for name in sorted(model.name for model in observed.models):
        if f"model {name}" not in goes:
            yield Reason(f"model {name}", by_model.get(name) or keep[name])
    for name in sorted(observed.alarms):
        if f"alarm {name}" not in goes:
            yield Reason(f"alarm {name}", "it watches an endpoint config that stays")
