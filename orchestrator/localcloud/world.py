"""What the local cloud knows of one account in one region, as plain values.

Nothing here knows HTTP, processes or the clock: `records` and `endpoints` say how one world follows from
another, and `Worlds` holds the present one of each account and region.
"""

from collections.abc import Callable, Mapping
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
    """A variant of a deployment, with what its fleet is started from.

    Attributes:
        container: The model's container definition.
        instance_type: Of its instances, or of the pool that is tried first; empty if it is serverless.
        count: Of its instances; 0 if it is serverless.
        start_seconds: How long its container may take until it answers its first ping.
        serverless: Its ``ServerlessConfig``, or ``None`` if it runs on instances.
    """

    name: str
    container: Content
    instance_type: str
    count: int
    weight: float
    start_seconds: float
    serverless: Content | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """What is being done to one variant of a deployment.

    Attributes:
        status: A ``VariantStatus`` of the API.
        message: In SageMaker's form, such as ``Launching 2 instance(s).``
        count: How many of the new instances are there.
        portion: Of the variant's traffic that the new instances get, from 0 to 1.
        since: In seconds since 1970.
    """

    status: str
    message: str
    count: int
    portion: float
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """An endpoint config on its way to an endpoint, or serving on it.

    Attributes:
        policy: The ``DeploymentConfig`` it was asked for with, or ``None``.
        since: When it was asked for, in seconds since 1970.
        content: The endpoint config, word for word.
        shadows: Variants that get copies of requests and answer nobody.
        stages: What is being done, by variant, while it is on its way.
    """

    config: str
    variants: tuple[Variant, ...]
    policy: Content | None
    since: float
    content: Content = field(default_factory=dict)
    shadows: tuple[Variant, ...] = ()
    stages: Mapping[str, Stage] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint.

    Attributes:
        created: Seconds since 1970.
        modified: Seconds since 1970; later after every transition.
        serving: What answers, or ``None`` before the first deployment has arrived.
        pending: What is under way, or ``None``.
        config: The endpoint config that is shown: the serving one, or that of the first deployment.
        failure_reason: As it is shown; empty in most failures of an update.
        asked: The serving variants as they are to become by a change of weights or counts.
        mixed: Whether a rollback has failed, so that old and new fleets answer.
    """

    name: str
    status: EndpointStatus
    config: str
    created: float
    modified: float
    serving: Deployment | None = None
    pending: Deployment | None = None
    failure_reason: str = ""
    asked: tuple[Variant, ...] = ()
    mixed: bool = False


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


Seen = Callable[[World, World], None]
"""Takes the world before a change and the one after it."""


class Worlds:
    """The present world of each account and region."""

    def __init__(self) -> None:
        self._worlds: dict[Scope, World] = {}
        self._seeing: list[Seen] = []

    def subscribe(self, seen: Seen) -> None:
        """Let ``seen`` have each change from now on, as it happens; it must not wait."""
        self._seeing.append(seen)

    def at(self, scope: Scope) -> World:
        """Return the world of ``scope``, which is empty until something is made in it."""
        return self._worlds.get(scope, World(scope))

    def put(self, world: World) -> None:
        """Let ``world`` be the present one of its scope."""
        before = self.at(world.scope)
        self._worlds[world.scope] = world
        for seen in self._seeing:
            seen(before, world)

    def all(self) -> tuple[World, ...]:
        """Return every world in which anything was ever made."""
        return tuple(self._worlds.values())
