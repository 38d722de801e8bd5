"""What the local cloud knows of one account in one region, as plain values.

Nothing here knows HTTP, processes or the clock: `records` and `endpoints` say how one world follows from
another, and `Worlds` holds the present one of each account and region.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.core.resources import EndpointStatus

Content = Mapping[str, Any]
"""A JSON object that `validation.check` has let through: its members have the types of the service model."""

MODEL, CONFIG, ENDPOINT = "model", "endpoint-config", "endpoint"
"""The kinds of our resources, as they are written in an ARN."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and the region that a request is made in."""

    account: str
    region: str

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of one of our resources.

        >>> Scope("123456789012", "eu-west-1").arn("endpoint", "digits")
        'arn:aws:sagemaker:eu-west-1:123456789012:endpoint/digits'
        """
        partition = "aws-cn" if self.region.startswith("cn-") else "aws"
        return f"arn:{partition}:sagemaker:{self.region}:{self.account}:{kind}/{name}"


@dataclass(frozen=True, slots=True)
class Record:
    """A model or an endpoint config: what was asked for, word for word and without its tags.

    Attributes:
        created: Seconds since 1970.
    """

    name: str
    content: Content
    created: float


@dataclass(frozen=True, slots=True)
class Variant:
    """A production variant of a deployment, with what its fleet is started from.

    Attributes:
        container: The model's container definition.
        start_seconds: How long its container may take until it answers its first ping.
    """

    name: str
    container: Content
    instance_type: str
    count: int
    weight: float
    start_seconds: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """An endpoint config on its way to an endpoint, or serving on it.

    Attributes:
        policy: The ``DeploymentConfig`` it was asked for with, or ``None``.
        since: When it was asked for, in seconds since 1970.
    """

    config: str
    variants: tuple[Variant, ...]
    policy: Content | None
    since: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint.

    Attributes:
        created: Seconds since 1970.
        modified: Seconds since 1970; later after every transition.
        serving: What answers, or ``None`` before the first deployment has arrived.
        pending: What is under way, or ``None``.
        config: The endpoint config that is shown: the serving one, or that of the first deployment.
        failure_reason: Set with the status ``Failed`` only.
    """

    name: str
    status: EndpointStatus
    config: str
    created: float
    modified: float
    serving: Deployment | None = None
    pending: Deployment | None = None
    failure_reason: str = ""


@dataclass(frozen=True, slots=True)
class World:
    """All models, endpoint configs and endpoints of one account and region, by name; tags by ARN."""

    scope: Scope
    models: Mapping[str, Record] = field(default_factory=dict)
    configs: Mapping[str, Record] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def with_endpoint(self, endpoint: Endpoint) -> "World":
        """Return the world with ``endpoint`` in it, in place of the one of that name."""
        return replace(self, endpoints={**self.endpoints, endpoint.name: endpoint})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation leads to: the world after it, and the answer to the caller."""

    world: World
    answer: Content = field(default_factory=dict)


class Worlds:
    """The present world of each account and region."""

    def __init__(self) -> None:
        self._worlds: dict[Scope, World] = {}

    def at(self, scope: Scope) -> World:
        """Return the world of ``scope``, which is empty until something is made in it."""
        return self._worlds.get(scope, World(scope))

    def put(self, world: World) -> None:
        """Let ``world`` be the present one of its scope."""
        self._worlds[world.scope] = world

    def all(self) -> tuple[World, ...]:
        """Return every world in which anything was ever made."""
        return tuple(self._worlds.values())
