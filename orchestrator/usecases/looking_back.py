"""Collect what helps to explain a deployment that did not arrive. None of it may hide what became of it."""

from orchestrator.core import journal
from orchestrator.core.errors import CloudError
from orchestrator.core.steps import RemoveScaling, SuspendScaling
from orchestrator.usecases.arrive import Arrival, Journey
from orchestrator.usecases.change import Change
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.explain import Aftermath
from orchestrator.usecases.restarting import LEAD_SECONDS

ALARM = "ALARM"


def aftermath(journey: Journey, arrival: Arrival, change: Change, edge: Edge) -> Aftermath:
    """Return what the containers wrote, which alarms fired and what is left over."""
    return Aftermath(
        log=_log(change.endpoint, edge.clock.now() - arrival.elapsed_seconds - LEAD_SECONDS, edge),
        alarms=_alarms(change, edge),
        remarks=arrival.remarks,
        misses=arrival.misses,
        unused=0 if journey.questions is None else _unused(change),
        is_scaling_held=any(isinstance(step, (SuspendScaling, RemoveScaling)) for step in change.plan),
    )


def _log(endpoint: str, since: float, edge: Edge) -> tuple[str, ...]:
    try:
        return edge.logs.since(endpoint, since)
    except CloudError as error:
        return (f"it could not be read: {error}",)


def _alarms(change: Change, edge: Edge) -> tuple[str, ...]:
    names = change.alarms
    if not names:
        return ()
    try:
        return tuple(alarm.name for alarm in edge.alarms.find(names) if alarm.state == ALARM)
    except CloudError:
        return ()


def _unused(change: Change) -> int:
    """Return how many of the revision's resources nothing uses if it does not serve."""
    revision = change.revision
    if revision is None or change.verb == journal.ROLLBACK:
        return 0  # they are a way back, and kept
    others = [config for config in change.observed.configs if config.name != revision.name]
    shared = any(revision.model.name in config.models for config in others)
    return 1 if shared else 2
