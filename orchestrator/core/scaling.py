"""Application autoscaling of an endpoint's variants, as plain values.

Values are in the words of the Application Auto Scaling API, namespace ``sagemaker``.
"""

import enum
from dataclasses import dataclass


class Dimension(enum.StrEnum):
    """What of a variant is scaled."""

    INSTANCES = "sagemaker:variant:DesiredInstanceCount"
    PROVISIONED_CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"


@dataclass(frozen=True, slots=True)
class TargetTracking:
    """Keep a metric near a value.

    Attributes:
        metric: A predefined metric, such as ``SageMakerVariantInvocationsPerInstance`` (a minute).
        target: The value to keep.
        scale_in_cooldown_seconds: ``None`` leaves it to the service, like the next.
        scale_in: Whether capacity may be taken away as well.
    """

    name: str
    metric: str
    target: float
    scale_in_cooldown_seconds: int | None = None
    scale_out_cooldown_seconds: int | None = None
    scale_in: bool = True


@dataclass(frozen=True, slots=True)
class StepAdjustment:
    """Change capacity by ``change`` while the metric is between two distances from the alarm's threshold."""

    change: int
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True, slots=True)
class StepPolicy:
    """Change capacity in steps when an alarm fires.

    Attributes:
        metric: Of the namespace ``AWS/SageMaker``, by endpoint (and variant, unless ``per_endpoint``).
        statistic: ``Average``, ``Sum``, ``Minimum`` or ``Maximum``.
        comparison: In CloudWatch's words, such as ``GreaterThanOrEqualToThreshold``.
        cooldown_seconds: ``None`` leaves it to the service.
    """

    name: str
    metric: str
    threshold: float
    adjustments: tuple[StepAdjustment, ...]
    statistic: str = "Average"
    comparison: str = "GreaterThanOrEqualToThreshold"
    period_seconds: int = 60
    evaluation_periods: int = 2
    cooldown_seconds: int | None = None
    per_endpoint: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """Set the bounds at certain times.

    Attributes:
        expression: ``at(...)``, ``rate(...)`` or ``cron(...)``.
        timezone: An IANA name, or ``None`` for UTC.
    """

    name: str
    expression: str
    minimum: int | None = None
    maximum: int | None = None
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class Scaling:
    """The autoscaling of one variant.

    Attributes:
        scale_in_suspended: Whether capacity is not taken away for the time being: during an update.
    """

    variant: str
    minimum: int
    maximum: int
    dimension: Dimension = Dimension.INSTANCES
    tracking: tuple[TargetTracking, ...] = ()
    steps: tuple[StepPolicy, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    scale_in_suspended: bool = False

    @property
    def key(self) -> tuple[str, Dimension]:
        """What tells it from any other of the endpoint: a variant is scaled once in each dimension."""
        return self.variant, self.dimension
