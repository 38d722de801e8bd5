"""See in a few looks, always the same number of them, that nothing has to change."""

from dataclasses import replace

from orchestrator.core import planner
from orchestrator.core.planner import Desired
from orchestrator.core.resources import State
from orchestrator.usecases.edge import Edge


def glance(desired: Desired, edge: Edge) -> State | None:
    """Return what is observed if nothing has to change; ``None`` if that takes a closer look.

    Models and endpoint configs cannot change under their names: that they are there still is what counts.
    The journal's head says that nothing was begun since the desired revision was deployed: that the endpoint
    is ours follows from it, and its tags are not asked for.
    """
    head = edge.journal.head()
    if head is None or head.revision != desired.config.name:
        return None
    found = edge.cloud.endpoint(desired.endpoint, tags=False)
    if found is None or not found.settled or not _exists(desired, edge):
        return None
    endpoint = replace(found, owned=True)
    scalings = edge.autoscaling.observe(desired.endpoint, [v.name for v in desired.config.variants])
    known = {scaling.key for scaling in desired.scalings}
    if any(scaling.key not in known for scaling in scalings):
        return None  # ours of earlier or somebody else's: the whole journal tells
    alarms = frozenset(alarm.name for alarm in desired.alarms)
    seen = State(desired.models, frozenset({desired.config}), endpoint, scalings, alarms)
    return None if planner.plan(desired, seen) else seen


def _exists(desired: Desired, edge: Edge) -> bool:
    if edge.inventory.config(desired.config.name, tags=False) is None:
        return False
    return all(edge.inventory.model(model.name, tags=False) is not None for model in desired.models)
