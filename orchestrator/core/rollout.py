"""How traffic moves to another endpoint config: SageMaker's deployment guardrails, as plain values."""

import enum
import math
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """The four ways."""

    ALL_AT_ONCE = "all-at-once"
    CANARY = "canary"
    LINEAR = "linear"
    ROLLING = "rolling"


class Unit(enum.StrEnum):
    """What the size of a step counts, in SageMaker's words."""

    PERCENT = "CAPACITY_PERCENT"
    INSTANCES = "INSTANCE_COUNT"


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a canary, of a linear step or of a rolling batch."""

    value: int
    unit: Unit = Unit.PERCENT


@dataclass(frozen=True, slots=True)
class Rollout:
    """How traffic moves, what is watched meanwhile, and for how long.

    Attributes:
        size: Of a canary, step or batch; ``None`` with all at once.
        bake_seconds: Between two steps.
        final_bake_seconds: On full traffic, before the old fleet is ended; not with ``rolling``.
        alarms: Names of CloudWatch alarms that roll the deployment back.
        timeout_seconds: After which SageMaker gives up and rolls back; ``None`` leaves it to SageMaker.
        rollback_size: Of the batches of a rolling rollback; ``None`` goes back at once.
    """

    kind: Kind = Kind.ALL_AT_ONCE
    size: Size | None = None
    bake_seconds: int = 0
    final_bake_seconds: int = 0
    alarms: tuple[str, ...] = ()
    timeout_seconds: int | None = None
    rollback_size: Size | None = None

    def waits_seconds(self, instances: int) -> int:
        """Return how long the rollout bakes altogether, on a fleet of so many ``instances``."""
        return self.steps(instances) * self.bake_seconds + self.final_bake_seconds

    def steps(self, instances: int) -> int:
        """Return how many times it bakes before all traffic has moved; one canary, or one a step or batch.

        >>> Rollout(Kind.LINEAR, Size(30)).steps(10), Rollout(Kind.ROLLING, Size(1, Unit.INSTANCES)).steps(3)
        (4, 3)
        """
        if self.kind is Kind.ALL_AT_ONCE or self.size is None:
            return 0
        if self.kind is Kind.CANARY:
            return 1
        whole = 100 if self.size.unit is Unit.PERCENT else max(instances, 1)
        return math.ceil(whole / self.size.value)


AT_ONCE = Rollout()
"""All traffic in one step, without baking: what SageMaker does unless it is told otherwise."""
