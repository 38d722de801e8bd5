"""What the local cloud knows of one account in one region, as plain values.

Nothing here knows HTTP, processes or the clock: `rules` says how one world follows from another,
and `worlds` holds the present one of each account and region.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from orchestrator.core.resources import EndpointStatus
from orchestrator.localcloud.stackworld import Stack

Kept = TypeVar("Kept")
Content = Mapping[str, Any]
"""A JSON object that `validation.check` has let through: its members have the types of the service model."""

MODEL, CONFIG, ENDPOINT = "model", "endpoint-config", "endpoint"
GROUP, PACKAGE, COMPONENT = "model-package-group", "model-package", "inference-component"
TRANSFORM = "transform-job"
"""The kinds of our resources, as they are written in an ARN."""

_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


@dataclass(frozen=True, slots=True)
class Scope:
    """The account and the region that a request is made in."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        """The partition of the region.

        >>> Scope("123456789012", "us-gov-west-1").partition
        'aws-us-gov'
        """
        return _PARTITIONS.get(self.region.rpartition("-")[0].rpartition("-")[0], "aws")

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of one of our resources.

        >>> Scope("123456789012", "eu-west-1").arn("endpoint", "digits")
        'arn:aws:sagemaker:eu-west-1:123456789012:endpoint/digits'
        """
        return f"arn:{self.partition}:sagemaker:{self.region}:{self.account}:{kind}/{name}"


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint of an account and region, whether there is one or not."""

    scope: Scope
    endpoint: str


@dataclass(frozen=True, slots=True)
class Record:
    """What was asked for, without its tags: a model, an endpoint config, a model package or a group of them.

    Attributes:
        name: A model package with a version is ``GROUP/VERSION``.
        content: Word for word.
        created: Seconds since 1970.
        modified: Seconds since 1970; 0 if it never was.
    """

    name: str
    content: Content
    created: float
    modified: float = 0.0


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of a deployment, with what its fleet is started from.

    Attributes:
        container: The model's container definition; empty if it names no model and is there for inference
            components.
        instance_type: Of its instances, or of the pool that is tried first; empty if it is serverless.
        count: Of its instances; 0 if it is serverless.
        start_seconds: How long its container may take until it answers its first ping.
        serverless: Its ``ServerlessConfig``, or ``None`` if it runs on instances.
        component: The inference component on it that this is; empty if it is the variant itself.
        routing: How requests find an instance, a ``RoutingStrategy`` of the API; empty if it is not said.
    """

    name: str
    container: Content
    instance_type: str
    count: int
    weight: float
    start_seconds: float
    serverless: Content | None = None
    component: str = ""
    routing: str = ""


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
class Component:
    """An inference component: a model on a variant of an endpoint that names none itself.

    Attributes:
        host: The variant it is on.
        status: ``InferenceComponentStatus`` of the API.
        asked: ``Specification``, ``RuntimeConfig`` and ``DeploymentConfig`` as they are to become.
        created: Seconds since 1970.
        modified: Seconds since 1970.
        serving: What answers, with the copies that there are, or ``None``.
        shown: ``Specification`` and the rest as they are, once something serves.
        failure_reason: As it is shown.
    """

    name: str
    endpoint: str
    host: str
    status: str
    asked: Content
    created: float
    modified: float
    serving: Variant | None = None
    shown: Content = field(default_factory=dict)
    failure_reason: str = ""


@dataclass(frozen=True, slots=True)
class TransformJob:
    """A transform job.

    Attributes:
        content: What was asked for, word for word and without its tags.
        container: The model's container definition when the job was made.
        status: ``TransformJobStatus`` of the API.
        created: Seconds since 1970, as are the other moments.
        reason: Why it failed, as it is shown.
    """

    name: str
    content: Content
    container: Content
    status: str
    created: float
    modified: float
    reason: str = ""
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """An increase of a quota that was asked for, and granted.

    Attributes:
        value: What the quota has been since.
        created: Seconds since 1970.
    """

    id: str
    instance_type: str
    value: int
    created: float


@dataclass(frozen=True, slots=True)
class World:
    """All that there is in one account and region, by name; tags by ARN.

    Attributes:
        packages: By ``GROUP/VERSION``, or by the name of a model package without a version.
        versions: The last version of each group, deleted or not: no version is ever given twice.
        policies: The resource policies of groups.
        stacks: CloudFormation's, by their ids.
        quotas: How many instances endpoints may have, by their type, where somebody has set it.
        quota_requests: By their ids.
    """

    scope: Scope
    models: Mapping[str, Record] = field(default_factory=dict)
    configs: Mapping[str, Record] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    groups: Mapping[str, Record] = field(default_factory=dict)
    packages: Mapping[str, Record] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)
    components: Mapping[str, Component] = field(default_factory=dict)
    transforms: Mapping[str, TransformJob] = field(default_factory=dict)
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    quotas: Mapping[str, int] = field(default_factory=dict)
    quota_requests: Mapping[str, QuotaRequest] = field(default_factory=dict)

    def with_endpoint(self, endpoint: Endpoint) -> "World":
        """Return the world with ``endpoint`` in it, in place of the one of that name."""
        return replace(self, endpoints={**self.endpoints, endpoint.name: endpoint})


def without(items: Mapping[str, Kept], name: str) -> dict[str, Kept]:
    """Return ``items`` but for the one called ``name``."""
    return {key: item for key, item in items.items() if key != name}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an operation leads to: the world after it, and the answer to the caller."""

    world: World
    answer: Content = field(default_factory=dict)
