"""The targets, policies and scheduled actions of namespace ``sagemaker``, which moto keeps.

moto is asked in process: they are looked at every second. What it gets wrong of them is mended here.
"""

import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import Alarm, cloudwatch_backends

from orchestrator.core.scaling import Dimension
from orchestrator.localcloud.autoscaling.tracking import IN_PERIODS, LOW_PART, OUT_PERIODS, Metric, metric_of
from orchestrator.localcloud.cloudwatch import patches, series
from orchestrator.localcloud.cloudwatch.shelf import State
from orchestrator.localcloud.cloudwatch.statistics import merged, statistic
from orchestrator.localcloud.world import Content, Scope

if TYPE_CHECKING:
    from moto.applicationautoscaling.models import (
        ApplicationAutoscalingBackend,
        FakeApplicationAutoscalingPolicy,
        FakeScalableTarget,
    )

# Imported when it is first needed: it brings moto's ECS and EC2 with it, which take more than a second.
_MENDING = threading.Lock()
_MODELS, _RESPONSES = "moto.applicationautoscaling.models", "moto.applicationautoscaling.responses"
NAMESPACE = "sagemaker"
INSTANCES, PROVISIONED = Dimension.INSTANCES.value, Dimension.PROVISIONED_CONCURRENCY.value
COPIES = "sagemaker:inference-component:DesiredCopyCount"

Put = Callable[..., "FakeApplicationAutoscalingPolicy"]
"""moto's own way to put a policy."""


@dataclass(frozen=True, slots=True)
class Key:
    """What is scaled: a resource and what of it."""

    resource: str
    dimension: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A scaling policy.

    Attributes:
        kind: ``TargetTrackingScaling`` or ``StepScaling``.
        configuration: As it was put.
        alarms: The names of what AWS makes for target tracking: high, then low.
    """

    name: str
    arn: str
    kind: str
    configuration: Content
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Action:
    """A scheduled action.

    Attributes:
        since: When it was put, in seconds since 1970.
        change: ``MinCapacity``, ``MaxCapacity`` or both.
        window: Its ``StartTime`` and ``EndTime``, in seconds since 1970, or ``None``.
    """

    name: str
    schedule: str
    zone: str
    since: float
    change: Content
    window: tuple[float | None, float | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Target:
    """A scalable target with all that belongs to it.

    Attributes:
        suspended: The members of its ``SuspendedState``.
    """

    key: Key
    least: int
    most: int
    suspended: Content = field(default_factory=dict)
    policies: tuple[Policy, ...] = ()
    actions: tuple[Action, ...] = ()


def scopes() -> list[Scope]:
    """Return where there are targets."""
    # It may not have been imported, or be half imported by another thread.
    backends = getattr(sys.modules.get(_MODELS), "applicationautoscaling_backends", {})
    return [
        Scope(account, region)
        for account, regions in list(backends.items())
        for region, backend in list(regions.items())
        if any(backend.targets.values())
    ]


def targets(scope: Scope) -> list[Target]:
    """Return the targets of one account and region."""
    backend = _backend(scope)
    found = [each for by_id in list(backend.targets.values()) for each in list(by_id.values())]
    return [_target(backend, each) for each in found if each.service_namespace == NAMESPACE]


def find(scope: Scope, key: Key) -> Target | None:
    """Return one target, if there is one."""
    backend = _backend(scope)
    kept = backend.targets.get(key.dimension, {}).get(key.resource)
    return _target(backend, kept) if kept and kept.service_namespace == NAMESPACE else None


def bound(scope: Scope, key: Key, change: Content) -> None:
    """Give a target other bounds."""
    target = _backend(scope).targets[key.dimension][key.resource]
    target.update(change.get("MinCapacity"), change.get("MaxCapacity"), None)  # type: ignore[arg-type]  # moto takes none


def clear(scope: Scope, key: Key) -> None:
    """Delete the policies and the scheduled actions of a target."""
    backend = _backend(scope)
    for policy in [each for each in backend.policies.values() if _is_of(each, key)]:
        backend.delete_scaling_policy(policy.policy_name, NAMESPACE, key.resource, key.dimension)
    for action in [each for each in backend.scheduled_actions if _is_of(each, key)]:
        backend.delete_scheduled_action(NAMESPACE, action.scheduled_action_name, key.resource, key.dimension)


def _backend(scope: Scope) -> "ApplicationAutoscalingBackend":
    found: ApplicationAutoscalingBackend = import_module(_MODELS).applicationautoscaling_backends[
        scope.account
    ][scope.region]
    return found


def _is_of(each: Any, key: Key) -> bool:  # noqa: ANN401 - a policy or an action of moto's, which have no common type
    place = (each.service_namespace, each.resource_id, each.scalable_dimension)
    return place == (NAMESPACE, key.resource, key.dimension)


def _target(backend: "ApplicationAutoscalingBackend", kept: "FakeScalableTarget") -> Target:
    key = Key(kept.resource_id, kept.scalable_dimension)
    suspended: Any = kept.suspended_state or {}
    return Target(
        key,
        int(kept.min_capacity or 0),
        int(kept.max_capacity or 0),
        suspended,
        tuple(_policies(backend, key)),
        tuple(_actions(backend, key)),
    )


def _policies(backend: "ApplicationAutoscalingBackend", key: Key) -> Iterator[Policy]:
    for kept in list(backend.policies.values()):
        if _is_of(kept, key):
            alarms = tuple(alarm.name for alarm in kept.alarms)
            yield Policy(kept.policy_name, kept.policy_arn, str(kept.policy_type), kept._policy_body, alarms)  # noqa: SLF001 - moto has no other name for it


def _actions(backend: "ApplicationAutoscalingBackend", key: Key) -> Iterator[Action]:
    for kept in list(backend.scheduled_actions):
        if _is_of(kept, key):
            change: Any = kept.scalable_target_action or {}
            window = _moment(kept.start_time), _moment(kept.end_time)
            zone = kept.timezone or "UTC"
            yield Action(kept.scheduled_action_name, kept.schedule, zone, kept.creation_time, change, window)


def _moment(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _replacing(put: Put) -> Put:
    """Return how a policy is put: again with the ARN it had, and for target tracking with its alarms."""

    def replacing(
        backend: "ApplicationAutoscalingBackend",
        **named: Any,  # noqa: ANN401 - as moto calls it
    ) -> "FakeApplicationAutoscalingPolicy":
        before = set(backend.policies.values())
        policy: FakeApplicationAutoscalingPolicy = put(backend, **named)
        if policy.service_namespace != NAMESPACE:
            return policy
        for old in before - set(backend.policies.values()):
            old.delete_alarms(backend.account_id, backend.region_name)
            policy.policy_arn, policy.creation_time = old.policy_arn, old.creation_time
        if policy.policy_type == "TargetTrackingScaling":
            policy.alarms = list(_alarms(policy))
        return policy

    return replacing


def _alarms(policy: "FakeApplicationAutoscalingPolicy") -> Iterator[Alarm]:
    """Yield the alarms that AWS makes for target tracking; it names them so."""
    configuration: Content = policy.target_tracking_scaling_policy_configuration or {}
    metric, target = metric_of(configuration, policy.resource_id), float(configuration["TargetValue"])
    if metric is None:
        return
    sides = [("High", "GreaterThanThreshold", OUT_PERIODS, target)]
    if not configuration.get("DisableScaleIn"):
        sides.append(("Low", "LessThanThreshold", IN_PERIODS, LOW_PART * target))
    for side, comparison, periods, threshold in sides:
        yield cloudwatch_backends[policy.account_id][policy.region_name].put_metric_alarm(
            name=f"TargetTracking-{policy.resource_id}-Alarm{side}-{uuid.uuid4()}",
            namespace=metric.namespace,
            metric_name=metric.name,
            comparison_operator=comparison,
            evaluation_periods=periods,
            period=metric.period_seconds,
            threshold=threshold,
            statistic=metric.statistic,
            description=f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.policy_arn}.",
            dimensions=[{"Name": name, "Value": value} for name, value in metric.dimensions.items()],
            alarm_actions=[policy.policy_arn],
        )


def measured(scope: Scope, metric: Metric, start: float, end: float) -> float | None:
    """Return a metric's statistic from ``start`` on and before ``end``; ``None`` if nothing was measured."""
    what = series.metric(metric.namespace, metric.name, metric.dimensions)
    sample = merged(part for _, part in patches.shelf_at(scope).series.between(what, start, end))
    return None if sample is None else statistic(metric.statistic, sample)


def mend() -> None:
    """Let moto know all scalable dimensions of SageMaker, and what becomes of policies.

    A second time changes nothing.
    """
    with _MENDING:
        models: Any = import_module(_MODELS)
        known = {each.value: each.value for each in models.ScalableDimensionValueSet}
        if COPIES in known:
            return
        patches.install()
        further = {each: each for each in (PROVISIONED, COPIES)}
        dimensions = Enum("ScalableDimensionValueSet", known | further)  # type: ignore[misc]  # moto's
        # The module of the answers has a name of its own for it.
        responses: Any = import_module(_RESPONSES)
        models.ScalableDimensionValueSet = responses.ScalableDimensionValueSet = dimensions
        backend = models.ApplicationAutoscalingBackend
        backend.put_scaling_policy = _replacing(backend.put_scaling_policy)


def show(scope: Scope, name: str, value: str, now: float) -> None:
    """Let an alarm of target tracking have a state, unless it has it."""
    shelf = patches.shelf_at(scope)
    alarm = shelf.alarms.get(name)
    if alarm is not None and alarm.state.value != value:
        shelf.change(alarm, State(value, "Looked at by target tracking of the local cloud.", {}, now))
