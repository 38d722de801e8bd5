"""What is going on at an endpoint, in words for people."""

from orchestrator.localcloud.world import Deployment, Endpoint, Stage

_PERCENT = 100


def said(endpoint: Endpoint) -> list[str]:
    """Return what is under way, a sentence for each variant; nothing if nothing is."""
    pending = endpoint.pending
    if pending is None:
        return []
    begins = f"{_policy(pending)} to endpoint config {pending.config}"
    if not pending.stages:
        return [f"{begins}: about to begin"]
    return [f"{begins}; variant {name}: {_stage(stage)}" for name, stage in pending.stages.items()]


def _policy(pending: Deployment) -> str:
    """Return how traffic moves, as `DeploymentConfig` says it."""
    policy = pending.policy or {}
    if "RollingUpdatePolicy" in policy:
        return "rolling"
    routing = policy.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    return {"CANARY": "canary", "LINEAR": "linear"}.get(routing.get("Type", ""), "all at once")


def _stage(stage: Stage) -> str:
    message = f" ({stage.message})" if stage.message else ""
    instances = f"{stage.count} instance{'' if stage.count == 1 else 's'}"
    return f"{stage.status}{message}, {stage.portion * _PERCENT:.4g} % of the traffic on {instances}"
