"""Say which alarms watch an endpoint, and which of them cannot do what a rollout relies on them for."""

from dataclasses import dataclass

from orchestrator.core.alarms import Alarm, generate
from orchestrator.core.errors import NotFoundError
from orchestrator.core.proposal import Finding
from orchestrator.core.resources import EndpointConfig
from orchestrator.core.rules import alarmlint
from orchestrator.core.target import Target
from orchestrator.usecases.edge import Edge


@dataclass(frozen=True, slots=True)
class Watching:
    """The alarms of an endpoint.

    Attributes:
        named: Those that the spec names and that exist.
        generated: Those that the tool makes for the endpoint config that serves, as they are in CloudWatch;
            one that is not there is as it would be made, in the state ``absent``.
        findings: What is wrong with those that the spec names.
    """

    named: tuple[Alarm, ...]
    generated: tuple[tuple[Alarm, str], ...]
    findings: tuple[Finding, ...]


ABSENT = "absent"


def alarms_of(endpoint: str, target: Target, edge: Edge) -> Watching:
    """Return the alarms that watch what serves now.

    Raises:
        NotFoundError: If there is no such endpoint.
    """
    seen = edge.cloud.endpoint(endpoint)
    config = None if seen is None else edge.inventory.config(seen.config)
    if config is None:
        raise NotFoundError(f"there is no endpoint '{endpoint}'", hint="orchestrator deploy")
    wanted = generate(config, endpoint, target.alarms, judge=target.judge is not None)
    there = {alarm.name: alarm for alarm in edge.alarms.find([alarm.name for alarm in wanted])}
    named = edge.alarms.find(target.rollout.alarms)
    watched = _watched(endpoint, config, target)
    linted = (finding for alarm in named for finding in alarmlint.lint(alarm, watched))
    return Watching(
        named,
        tuple((alarm, there[alarm.name].state if alarm.name in there else ABSENT) for alarm in wanted),
        (*alarmlint.absent(target.rollout.alarms, named), *linted),
    )


def _watched(endpoint: str, config: EndpointConfig, target: Target) -> alarmlint.Watched:
    return alarmlint.Watched(
        endpoint=endpoint,
        config=config.name,
        variants=tuple(variant.name for variant in config.variants),
        rollout=target.rollout,
        asynchronous=config.async_inference is not None,
    )
