"""The tables of `orchestrator.toml` about how traffic moves and how capacity follows it."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orchestrator.adapters.spec.fields import REMOVABLE, PositiveInt, ResourceName, Table, Text
from orchestrator.core.scaling import StepPolicy
from orchestrator.core.target import AlarmSpec, JudgeSpec

_ALARMS, _JUDGE = AlarmSpec(), JudgeSpec()
_STEPS = StepPolicy("", "", 0.0, ())


def _whole_minutes(seconds: int) -> int:
    if seconds % 60:
        raise ValueError("it should be a multiple of 60: SageMaker's metrics have a value a minute")
    return seconds


Minutes = Annotated[int, Field(ge=60), AfterValidator(_whole_minutes)]


class JudgeTable(Table):
    """``rollout.judge``: how the new fleet is compared with the old one while both serve."""

    min_requests: PositiveInt = Field(
        default=_JUDGE.min_requests, description="Of each fleet, to say something about errors."
    )
    min_samples: PositiveInt = Field(
        default=_JUDGE.min_samples, description="Of latency of each fleet, to say something about it."
    )
    allowed_increase: Annotated[float, Field(ge=1)] = Field(
        default=_JUDGE.allowed_increase, description="Of mean latency, as a factor."
    )
    inconclusive: Literal["roll-back", "accept"] = Field(
        default="roll-back", description="What to do when there were too few requests to tell."
    )


class AlarmsTable(Table):
    """``rollout.generate_alarms``: alarms that the tool makes on the new fleet alone."""

    error_percent: Annotated[float, Field(gt=0, lt=100)] | None = Field(
        default=None, description="Of requests that end with 5XX."
    )
    latency_ms: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="The mean of the model's latency."
    )
    period_seconds: Minutes = _ALARMS.period_seconds
    evaluation_periods: PositiveInt = _ALARMS.evaluation_periods


class RolloutTable(Table):
    """``[defaults.rollout]``: how traffic moves."""

    type: Literal["all-at-once", "canary", "linear", "rolling"] | None = None
    size_percent: PositiveInt | None = Field(default=None, description="Of a canary, a step or a batch.")
    size_instances: PositiveInt | None = Field(default=None, description="The same, as a count.")
    bake_seconds: int | None = Field(default=None, description="Between two steps.")
    final_bake_seconds: int | None = Field(
        default=None, description="On full traffic, before the old fleet is ended."
    )
    alarms: list[Text] | None = Field(default=None, description="Names of alarms that roll back.")
    timeout_seconds: int | None = Field(default=None, description="After which SageMaker rolls back.")
    rollback_percent: PositiveInt | None = Field(default=None, description="Of a rolling rollback's batches.")
    rollback_instances: PositiveInt | None = Field(default=None, description="The same, as a count.")
    judge: Annotated[JudgeTable | None, REMOVABLE] = None
    generate_alarms: Annotated[AlarmsTable | None, REMOVABLE] = None

    @model_validator(mode="after")
    def _one_of_each_pair(self) -> Self:
        for noun in ("size", "rollback"):
            given = {f"{noun}_percent", f"{noun}_instances"} & self.model_fields_set
            if len(given) > 1:
                raise ValueError(f"give either {noun}_percent or {noun}_instances, not both")
        return self


class TrackingTable(Table):
    """One of ``autoscaling.tracking``: keep a metric near a value."""

    name: Text
    metric: Text = Field(description="A predefined metric of Application Auto Scaling.")
    target: Annotated[float, Field(gt=0)]
    scale_in_cooldown_seconds: int | None = None
    scale_out_cooldown_seconds: int | None = None
    scale_in: bool = True


class AdjustmentTable(Table):
    """One of the ``adjustments`` of a step policy; its bounds count from the threshold."""

    change: int
    lower: float | None = None
    upper: float | None = None


class StepsTable(Table):
    """One of ``autoscaling.steps``: change capacity in steps when an alarm fires."""

    name: Text
    metric: Text = Field(description="A metric of AWS/SageMaker.")
    threshold: float
    adjustments: Annotated[list[AdjustmentTable], Field(min_length=1)]
    statistic: Literal["Average", "Sum", "Minimum", "Maximum"] = "Average"
    comparison: Text = Field(default=_STEPS.comparison, description="In CloudWatch's words.")
    period_seconds: PositiveInt = _STEPS.period_seconds
    evaluation_periods: PositiveInt = _STEPS.evaluation_periods
    cooldown_seconds: int | None = None
    per_endpoint: bool = Field(default=_STEPS.per_endpoint, description="Whether the metric has no variant.")


class ScheduleTable(Table):
    """One of ``autoscaling.schedules``: set the bounds at certain times."""

    name: Text
    expression: Annotated[str, Field(pattern=r"^(at|rate|cron)\(.+\)$")]
    min: Annotated[int, Field(ge=0)] | None = None
    max: Annotated[int, Field(ge=0)] | None = None
    timezone: Text | None = Field(default=None, description="An IANA name; UTC by default.")

    @model_validator(mode="after")
    def _sets_something(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("a schedule sets min, max or both")
        return self


class BoundsTable(Table):
    """``autoscaling.variants.NAME``: what holds for one variant instead."""

    min: Annotated[int, Field(ge=0)] | None = None
    max: PositiveInt | None = None
    target_invocations_per_instance: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="A minute; only realtime."
    )
    target_utilization: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Of provisioned concurrency; only serverless."
    )
    tracking: list[TrackingTable] | None = None
    steps: list[StepsTable] | None = None
    schedules: list[ScheduleTable] | None = None


class AutoscalingTable(BoundsTable):
    """``[defaults.autoscaling]``: the bounds and rules of every variant."""

    variants: dict[ResourceName, Annotated[BoundsTable | None, REMOVABLE]] = Field(default={})
