"""The SageMaker resources the orchestrator manages, as plain values."""

import enum
from dataclasses import dataclass

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Model:
    """A container image, the artifact it serves and the role it runs as.

    Attributes:
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

    @property
    def is_uncompressed(self) -> bool:
        """Whether the artifact is a prefix of uncompressed files."""
        return self.artifact.endswith("/")


@dataclass(frozen=True, slots=True)
class Variant:
    """A production variant: one model on a fleet of instances, with its share of the traffic."""

    name: str
    model: str
    instance_type: str
    instance_count: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """An immutable set of production variants."""

    name: str
    variants: tuple[Variant, ...]
    tags: Pairs = ()


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
class Endpoint:
    """An endpoint and the endpoint config it serves.

    Attributes:
        pending: The endpoint config it is moving to, or ``None``.
        last_modified: SageMaker's own time stamp, in seconds since 1970.
        failure_reason: SageMaker's words; may be empty even after a failed update.
        owned: Whether the orchestrator made it, by its tag.
    """

    name: str
    config: str
    status: EndpointStatus = EndpointStatus.IN_SERVICE
    pending: str | None = None
    last_modified: float = 0.0
    failure_reason: str = ""
    variants: tuple[VariantStatus, ...] = ()
    owned: bool = True

    @property
    def target(self) -> str:
        """The endpoint config it serves, or is moving to."""
        return self.pending or self.config


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of one endpoint: itself, and the models and endpoint configs made for it."""

    models: frozenset[Model] = frozenset()
    configs: frozenset[EndpointConfig] = frozenset()
    endpoint: Endpoint | None = None
