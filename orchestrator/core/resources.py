"""The SageMaker resources the orchestrator manages, as plain values."""

import enum
from dataclasses import dataclass

from orchestrator.core.scaling import Scaling

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Vpc:
    """The network that a model's containers are in."""

    security_groups: tuple[str, ...]
    subnets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A container image, the artifact it serves and the role it runs as.

    Attributes:
        network_isolation: Whether nothing goes from or to the container but invocations.
        artifact: An ``s3://`` address of a ``tar.gz``; or, ending in ``/``, of uncompressed files.
        environment: The container's environment variables, sorted by name.
        tags: Sorted by key.
    """

    name: str
    image: str
    artifact: str
    role: str
    environment: Pairs = ()
    tags: Pairs = ()
    vpc: Vpc | None = None
    network_isolation: bool = False

    @property
    def is_uncompressed(self) -> bool:
        """Whether the artifact is a prefix of uncompressed files."""
        return self.artifact.endswith("/")


@dataclass(frozen=True, slots=True)
class Serverless:
    """Capacity without instances.

    Attributes:
        provisioned_concurrency: How many containers are kept warm, or ``None`` for none.
    """

    memory_mb: int
    max_concurrency: int
    provisioned_concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class InstancePool:
    """One of the instance types that a variant may run on; priority 1 is tried first."""

    instance_type: str
    priority: int


@dataclass(frozen=True, slots=True)
class Variant:
    """A production or shadow variant: one model on a fleet, with its share of the traffic.

    Attributes:
        model: A model's name; in a spec, empty for the project's own.
        instance_type: Empty with ``pools`` and with ``serverless``.
        instance_count: The initial one; 0 with ``serverless``.
        pools: In the order of their priority, in place of one instance type.
        volume_gb: Of each instance's disk, in GB; ``None`` leaves it to SageMaker, like all that follow.
        download_timeout_seconds: For the model data to arrive on an instance.
        startup_timeout_seconds: For the container to answer its first ping.
        provision_timeout_seconds: For instances to be found when AWS is short of them.
        ami: An inference AMI version, which decides about the accelerator's driver.
        routing: A routing strategy, in SageMaker's own words.
    """

    name: str
    model: str
    instance_type: str = ""
    instance_count: int = 0
    weight: float = 1.0
    pools: tuple[InstancePool, ...] = ()
    serverless: Serverless | None = None
    volume_gb: int | None = None
    download_timeout_seconds: int | None = None
    startup_timeout_seconds: int | None = None
    provision_timeout_seconds: int | None = None
    ami: str | None = None
    routing: str | None = None


@dataclass(frozen=True, slots=True)
class Capture:
    """Data capture: which share of requests and answers SageMaker writes to S3.

    Attributes:
        destination: An ``s3://`` prefix.
        percent: The share of requests, from 0 to 100.
        modes: Of ``Input`` and ``Output``; or ``InputAndOutput``.
        csv_types: Content types written as text of CSV.
        json_types: Content types written as text of JSON; what is in neither is written as base64.
    """

    destination: str
    percent: int
    modes: tuple[str, ...] = ("Input", "Output")
    kms_key: str | None = None
    csv_types: tuple[str, ...] = ()
    json_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AsyncInference:
    """Asynchronous inference: answers go to S3.

    Attributes:
        output: An ``s3://`` prefix for answers.
        failure: An ``s3://`` prefix for errors.
        success_topic: The ARN of an SNS topic.
        error_topic: The ARN of an SNS topic.
        max_concurrent: How many requests an instance gets at a time.
    """

    output: str
    failure: str | None = None
    kms_key: str | None = None
    success_topic: str | None = None
    error_topic: str | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """An immutable set of production variants, and what they are served with.

    Attributes:
        shadows: Shadow variants, which get copies of requests and answer nobody.
        kms_key: What the instances' disks are encrypted with.
    """

    name: str
    variants: tuple[Variant, ...]
    tags: Pairs = ()
    shadows: tuple[Variant, ...] = ()
    capture: Capture | None = None
    async_inference: AsyncInference | None = None
    kms_key: str | None = None

    @property
    def models(self) -> frozenset[str]:
        """The names of all models that it refers to."""
        return frozenset(variant.model for variant in (*self.variants, *self.shadows) if variant.model)


class EndpointStatus(enum.StrEnum):
    """An endpoint's status, in SageMaker's own words."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    DELETING = "Deleting"
    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"

    @property
    def settled(self) -> bool:
        """Whether the status changes only when somebody asks for it."""
        return self not in _MOVING


_MOVING = frozenset(
    {
        EndpointStatus.CREATING,
        EndpointStatus.UPDATING,
        EndpointStatus.SYSTEM_UPDATING,
        EndpointStatus.ROLLING_BACK,
        EndpointStatus.DELETING,
    }
)


@dataclass(frozen=True, slots=True)
class VariantStatus:
    """How far one variant's fleet and traffic weight are from what was asked for."""

    name: str
    current_count: int
    desired_count: int
    current_weight: float = 1.0
    desired_weight: float = 1.0

    @property
    def arrived(self) -> bool:
        """Whether the fleet has the size and the weight that were asked for."""
        return self.current_count == self.desired_count and self.current_weight == self.desired_weight


@dataclass(frozen=True, slots=True)
class Stage:
    """What SageMaker says that it is doing to a variant while an endpoint moves.

    Attributes:
        status: ``Creating``, ``Updating``, ``ActivatingTraffic``, ``Baking`` or ``Deleting``.
        message: SageMaker's words, such as how many instances it launches; may be empty.
        since: In seconds since 1970; 0 if SageMaker does not say.
    """

    variant: str
    status: str
    message: str = ""
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint and the endpoint config it serves.

    Attributes:
        pending: The endpoint config it is moving to, or ``None``.
        last_modified: SageMaker's own time stamp, in seconds since 1970.
        failure_reason: SageMaker's words; may be empty even after a failed update.
        owned: Whether the orchestrator made it, by its tag.
        stages: What is being done to the variants, while it moves.
        tags: Sorted by key.
    """

    name: str
    config: str
    status: EndpointStatus = EndpointStatus.IN_SERVICE
    pending: str | None = None
    last_modified: float = 0.0
    failure_reason: str = ""
    variants: tuple[VariantStatus, ...] = ()
    owned: bool = True
    stages: tuple[Stage, ...] = ()
    tags: Pairs = ()

    @property
    def settled(self) -> bool:
        """Whether it changes only when somebody asks for it: a pending deployment shows before the status."""
        return self.status.settled and self.pending is None

    @property
    def target(self) -> str:
        """The endpoint config it serves, or is moving to."""
        return self.pending or self.config


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of one endpoint: itself, and what was made for it.

    Attributes:
        scalings: The autoscaling of its variants, ours or not.
        alarms: The names of the alarms that were generated for its endpoint configs.
    """

    models: frozenset[Model] = frozenset()
    configs: frozenset[EndpointConfig] = frozenset()
    endpoint: Endpoint | None = None
    scalings: frozenset[Scaling] = frozenset()
    alarms: frozenset[str] = frozenset()
