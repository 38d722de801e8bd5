"""Where and how an endpoint is deployed, as the spec says it, every default applied."""

import enum
from dataclasses import dataclass

from orchestrator.core.resources import AsyncInference, Capture, Pairs, Variant, Vpc
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.scaling import Scaling

LOCAL = "local"
"""The environment that always exists: the embedded local cloud."""


class Mode(enum.StrEnum):
    """How an endpoint is invoked, and what it runs on."""

    REALTIME = "realtime"
    SERVERLESS = "serverless"
    ASYNC = "async"


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """What an endpoint consists of, but for the model that a build makes.

    Attributes:
        variants: Those whose model is empty serve the project's own.
        shadow: Gets copies of the requests.
        environment: The container's variables, besides those that the tool sets; sorted by name.
        kms_key: What the instances' disks are encrypted with.
    """

    mode: Mode = Mode.REALTIME
    variants: tuple[Variant, ...] = ()
    shadow: Variant | None = None
    environment: Pairs = ()
    vpc: Vpc | None = None
    network_isolation: bool = False
    capture: Capture | None = None
    async_inference: AsyncInference | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """The alarms that the tool makes for every new endpoint config; they watch its fleet alone.

    Attributes:
        error_percent: Of requests that end with 5XX, above which the alarm fires; ``None`` for no such alarm.
        latency_ms: The mean of ModelLatency in milliseconds above which the alarm fires; ``None`` for none.
        period_seconds: A multiple of 60.
        evaluation_periods: How many in a row.
    """

    error_percent: float | None = None
    latency_ms: float | None = None
    period_seconds: int = 60
    evaluation_periods: int = 1


@dataclass(frozen=True, slots=True)
class JudgeSpec:
    """How the new fleet is compared with the old one while both serve.

    Attributes:
        min_requests: Of each fleet, below which nothing can be said about errors.
        min_samples: Of latency of each fleet, below which nothing can be said about it. CloudWatch has one a
            minute, which is the mean of that minute's requests.
        allowed_increase: Of mean latency, as a factor.
        inconclusive: ``roll-back``, or ``accept`` with a warning.
    """

    min_requests: int = 500
    min_samples: int = 10
    allowed_increase: float = 1.0
    inconclusive: str = "roll-back"


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how one endpoint is deployed to; ``bucket`` and ``role`` may still be missing.

    Attributes:
        image: A full image URI, or ``None`` for the container profile's own.
        alarms: What alarms to make; ``None`` for none.
        judge: How to compare the fleets; ``None`` does not.
        kms_key: What S3 encrypts artifacts with; ``None`` leaves it to the bucket.
        bucket_owner: The account that has to own the bucket; every call to S3 names it.
        prices: A table of what instances cost, relative to the spec; ``None`` for plans without money.
    """

    environment: str
    region: str | None
    bucket: str | None
    role: str | None
    endpoint: EndpointSpec
    keep_revisions: int
    profile: str
    image: str | None = None
    tags: Pairs = ()
    assume_role: str | None = None
    kms_key: str | None = None
    bucket_owner: str | None = None
    rollout: Rollout = AT_ONCE
    scalings: tuple[Scaling, ...] = ()
    alarms: AlarmSpec | None = None
    judge: JudgeSpec | None = None
    prices: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether this is the embedded local cloud."""
        return self.environment == LOCAL
