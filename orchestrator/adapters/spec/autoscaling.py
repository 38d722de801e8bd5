"""From the settings of `autoscaling` to how each variant is scaled."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.adapters.spec.errors import nearest
from orchestrator.adapters.spec.layers import Chosen, Path
from orchestrator.core.errors import SpecError
from orchestrator.core.proposal import quoted
from orchestrator.core.resources import Variant
from orchestrator.core.scaling import (
    Dimension,
    Scaling,
    Schedule,
    StepAdjustment,
    StepPolicy,
    TargetTracking,
)
from orchestrator.core.target import EndpointSpec

# What the short keys stand for: reference of Application Auto Scaling, predefined metrics.
_SHORT = {
    "target_invocations_per_instance": ("invocations-per-instance", "SageMakerVariantInvocationsPerInstance"),
    "target_utilization": (
        "provisioned-concurrency-utilization",
        "SageMakerVariantProvisionedConcurrencyUtilization",
    ),
}


def scalings(
    table: Mapping[str, Any], endpoint: EndpointSpec, chosen: Mapping[Path, Chosen]
) -> tuple[Scaling, ...]:
    """Return how the variants of ``endpoint`` are scaled; not at all, where nothing is said of one.

    Raises:
        SpecError: If a bound is missing, bounds or names contradict each other, or there is no such variant.
    """
    common = {key: value for key, value in table.items() if key != "variants"}
    own = table.get("variants", {})
    names = [variant.name for variant in endpoint.variants]
    for name in own:
        if name not in names:
            raise SpecError(
                f"{_origin(chosen, name)}: 'autoscaling.variants.{name}' is of no variant",
                details=nearest(name, names),
            )
    return tuple(
        _scaling(variant, {**common, **own.get(variant.name, {})}, _origin(chosen, variant.name))
        for variant in endpoint.variants
        if own.get(variant.name, {}) is not None and (common or variant.name in own)
    )


def _origin(chosen: Mapping[Path, Chosen], variant: str) -> str:
    """Return where most is said about the scaling of ``variant``."""
    paths = [path for path in chosen if path[0] == "autoscaling"]
    own = [path for path in paths if path[1:3] == ("variants", variant)]
    return chosen[(own or paths)[0]].origin


def _scaling(variant: Variant, table: dict[str, Any], origin: str) -> Scaling:
    for key in ("min", "max"):
        if key not in table:
            raise SpecError(f"{origin}: 'autoscaling.{key}' is missing")
    if table["min"] > table["max"]:
        raise SpecError(f"{origin}: 'autoscaling.min' is above 'autoscaling.max', {table['max']}")
    if variant.serverless is not None and variant.serverless.provisioned_concurrency is None:
        raise SpecError(
            f"{origin}: 'autoscaling' needs 'endpoint.serverless.provisioned_concurrency'",
            details=[("rule", "without it there is nothing to scale: serverless capacity follows requests")],
        )
    found = Scaling(
        variant=variant.name,
        minimum=table["min"],
        maximum=table["max"],
        dimension=Dimension.INSTANCES if variant.serverless is None else Dimension.PROVISIONED_CONCURRENCY,
        tracking=tuple(_tracking(table)),
        steps=tuple(map(_steps, table.get("steps") or ())),
        schedules=tuple(map(_schedule, table.get("schedules") or ())),
    )
    _check_names(found, origin)
    return found


def _tracking(table: dict[str, Any]) -> Iterator[TargetTracking]:
    for key, (name, metric) in _SHORT.items():
        if key in table:
            yield TargetTracking(name, metric, table[key])
    yield from (TargetTracking(**item) for item in table.get("tracking") or ())


def _steps(item: dict[str, Any]) -> StepPolicy:
    adjustments = tuple(StepAdjustment(**adjustment) for adjustment in item["adjustments"])
    return StepPolicy(**{**item, "adjustments": adjustments})


def _schedule(item: dict[str, Any]) -> Schedule:
    return Schedule(item["name"], item["expression"], item.get("min"), item.get("max"), item.get("timezone"))


def _check_names(scaling: Scaling, origin: str) -> None:
    policies = Counter([*(rule.name for rule in scaling.tracking), *(rule.name for rule in scaling.steps)])
    schedules = Counter(schedule.name for schedule in scaling.schedules)
    for kind, names in (("policies", policies), ("schedules", schedules)):
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise SpecError(
                f"{origin}: two {kind} of 'autoscaling' have the name {quoted(twice[0])}",
                details=[("rule", "the second would overwrite the first")],
            )
