"""What the use cases ask of AWS, but for storage and running containers, which are in `ports`.

The fakes in ``tests/support`` and the adapters pass the same contract tests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.alarms import Alarm, Query
from orchestrator.core.resources import Endpoint, EndpointConfig, Model, Pairs, State
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.scaling import Dimension, Scaling
from orchestrator.core.shapes import Violation


@dataclass(frozen=True, slots=True)
class Update:
    """A call of UpdateEndpoint.

    Attributes:
        retain: Whether counts stay as they are, since an autoscaler owns them; weights come from the new
            endpoint config in any case.
    """

    endpoint: str
    config: str
    rollout: Rollout = AT_ONCE
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Capacity:
    """The weight and the size that a variant is to have; a count of ``None`` stays as it is."""

    variant: str
    weight: float
    count: int | None = None


class Cloud(Protocol):
    """SageMaker's endpoints, models and endpoint configs.

    Creating what exists with the same content and deleting what is gone succeed, and an update whose answer
    was lost can be sent again: every method is safe to repeat. All raise `CloudError` or one of its kind.
    """

    def endpoint(self, name: str, *, tags: bool = True) -> Endpoint | None:
        """Return the endpoint as it is now, or ``None``.

        Without its ``tags``, in one call; then nothing says whose it is.
        """
        ...

    def create_model(self, model: Model) -> None: ...
    def create_endpoint_config(self, config: EndpointConfig) -> None: ...
    def create_endpoint(self, name: str, config: str, tags: Pairs) -> None: ...
    def update_endpoint(self, update: Update) -> None: ...
    def set_capacities(self, name: str, capacities: Sequence[Capacity]) -> None: ...
    def tag_endpoint(self, name: str, tags: Pairs) -> None: ...
    def delete_endpoint(self, name: str) -> None: ...
    def delete_endpoint_config(self, name: str) -> None: ...
    def delete_model(self, name: str) -> None: ...


class Inventory(Protocol):
    """Looking things up in SageMaker."""

    def observe(self, endpoint: str) -> State:
        """Return the endpoint, and every model and endpoint config that was made for it.

        Autoscaling and alarms are not SageMaker's: of them the state knows nothing yet.
        """
        ...

    def model(self, name: str, *, tags: bool = True) -> Model | None:
        """Return a model, whoever made it, or ``None``; without ``tags``, which cost a call, it has none."""
        ...

    def config(self, name: str, *, tags: bool = True) -> EndpointConfig | None:
        """Return an endpoint config, whoever made it, or ``None``; ``tags`` as with `model`."""
        ...

    def endpoint_names(self, like: str) -> tuple[str, ...]:
        """Return the names of all endpoints that contain ``like`` in whatever case."""
        ...


class Account(Protocol):
    """Who we are, and what the account can do."""

    def identity(self) -> str:
        """Return who we are: the ARN of the caller."""
        ...

    def role_problem(self, arn: str) -> str:
        """Return why SageMaker cannot assume the role; empty if it can, as far as we may look.

        Raises:
            DeniedError: If we may not look.
        """
        ...

    def image_problem(self, image: str) -> str:
        """Return why the image cannot be pulled, such as that its digest is gone; empty if it can.

        Raises:
            DeniedError: If we may not look, as with the images that AWS publishes from its own accounts.
        """
        ...

    def instance_quota(self, instance_type: str) -> int | None:
        """Return how many instances of a type endpoints may use; ``None`` if AWS does not say."""
        ...


class Autoscaling(Protocol):
    """Application autoscaling of an endpoint's variants. Every method is safe to repeat."""

    def observe(self, endpoint: str, variants: Sequence[str]) -> frozenset[Scaling]:
        """Return what scales these variants, with policies and schedules, whoever made it."""
        ...

    def put(self, endpoint: str, scaling: Scaling) -> None:
        """Make a variant's autoscaling what ``scaling`` says: what it has besides is removed."""
        ...

    def suspend(self, endpoint: str, scaling: Scaling) -> None:
        """Let nothing be taken away from the variant until the next `put`."""
        ...

    def remove(self, endpoint: str, variant: str, dimension: Dimension) -> None:
        """Take a variant's autoscaling away, with its policies, schedules and alarms of ours."""
        ...


class Alarms(Protocol):
    """CloudWatch's alarms and metrics."""

    def find(self, names: Sequence[str]) -> tuple[Alarm, ...]:
        """Return those of the alarms that exist, in the order of ``names``."""
        ...

    def begin_with(self, prefix: str) -> frozenset[str]:
        """Return the names of all alarms that begin with ``prefix``."""
        ...

    def put(self, alarm: Alarm) -> None: ...
    def delete(self, names: Sequence[str]) -> None: ...
    def trip(self, name: str, reason: str) -> None:
        """Set an alarm's state to ALARM, until CloudWatch evaluates it again."""
        ...

    def values(self, query: Query) -> tuple[float, ...]:
        """Return a metric's values, oldest first; empty if there are none."""
        ...


class Limits(Protocol):
    """What AWS's own model of its API allows, asked without a call."""

    def violations(
        self, revision: Revision, rollout: Rollout, scalings: Sequence[Scaling]
    ) -> tuple[Violation, ...]:
        """Return every value that a deployment would send and AWS would not take; keys are the spec's."""
        ...
