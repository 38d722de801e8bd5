"""How traffic moves to a new deployment: what a ``DeploymentConfig`` may say, and what then happens when.

Pure: a policy and the variants go in, phases come out. Rules and messages: SageMaker developer guide,
deployment-guardrails and automating-sagemaker-with-eventbridge; API reference, DeploymentConfig. How AWS
rounds a percentage to instances is not known: here the new fleet gets exactly the share of the traffic that
was asked for, and the number of instances that is shown is rounded up.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.world import Content, Stage, Variant

_WHOLE, _HALF = 1.0, 0.5
_SMALLEST = {"CanarySize": 0.0, "LinearStepSize": 0.1, "MaximumBatchSize": 0.05}
_SIZE_OF = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}
_PERCENT = 100
# Sums of portions such as ten times 0.1 stay below 1 by less than this.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Phase:
    """One step of a rollout.

    Attributes:
        stages: What is done to each variant, by its name.
        seconds: How long it lasts at least, with the alarms watched.
        count: Of the new instances once it has been entered; ``None`` where all are there.
        kept: The part of the old instances that is left then, from 0 to 1.
    """

    stages: Mapping[str, Stage]
    seconds: float = 0.0
    count: int | None = None
    kept: float = 1.0


def check_policy(policy: Content) -> None:
    """Check a ``DeploymentConfig`` by itself.

    Raises:
        ApiError: If it names two policies, or a size that is not its type's.
    """
    blue_green, rolling = policy.get("BlueGreenUpdatePolicy"), policy.get("RollingUpdatePolicy")
    if blue_green and rolling:
        raise invalid("Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy can be specified.")
    if blue_green:
        routing = blue_green["TrafficRoutingConfiguration"]
        wanted = _SIZE_OF.get(routing["Type"])
        for size in _SIZE_OF.values():
            if (size in routing) != (size == wanted):
                must = "must" if size == wanted else "must not"
                raise invalid(f"{size} {must} be specified for traffic routing of type {routing['Type']}.")


def check_fit(policy: Content, variants: Sequence[Variant]) -> None:
    """Check that a ``DeploymentConfig`` can be carried out on ``variants``.

    Raises:
        ApiError: If a step is too large or too small for a variant's instances, the variants exclude it, or
            it waits longer than it may take.
    """
    rolling = policy.get("RollingUpdatePolicy")
    if rolling and len(variants) > 1:
        raise invalid("RollingUpdatePolicy is not supported for endpoints with multiple variants.")
    if found := _size(policy):
        for variant in variants:
            _check_size(*found, variant)
    limit = timeout_seconds(policy)
    waits = sum(phase.seconds for phase in timeline(policy, variants))
    if waits >= limit:
        raise invalid(
            f"MaximumExecutionTimeoutInSeconds ({limit:g}) must be greater than the sum of the wait times "
            f"({waits:g})."
        )


def _size(policy: Content) -> tuple[str, Content] | None:
    """Return the name and the value of what says how large a step is."""
    if rolling := policy.get("RollingUpdatePolicy"):
        return "MaximumBatchSize", rolling["MaximumBatchSize"]
    routing = policy.get("BlueGreenUpdatePolicy", {}).get("TrafficRoutingConfiguration", {})
    name = _SIZE_OF.get(routing.get("Type", ""))
    return (name, routing[name]) if name else None


def _check_size(name: str, size: Content, variant: Variant) -> None:
    if variant.serverless is not None:
        raise invalid(f'{name} is not supported for serverless variant "{variant.name}".')
    # One instance of one is all of the capacity: developer guide, deployment-guardrails-blue-green-canary.
    portion = max(_portion(size, variant.count), 1 / max(variant.count, 1))
    if portion > _HALF + _ROUNDING:
        raise invalid(
            f'{name} must be less than or equal to 50% of the capacity of variant "{variant.name}" '
            f"({variant.count} instance(s))."
        )
    if _portion(size, variant.count) < _SMALLEST[name] - _ROUNDING:
        raise invalid(
            f"{name} must be greater than or equal to {_SMALLEST[name] * _PERCENT:g}% of the capacity of "
            f'variant "{variant.name}" ({variant.count} instance(s)).'
        )


def _portion(size: Content, count: int) -> float:
    if size["Type"] == "CAPACITY_PERCENT":
        return float(size["Value"]) / _PERCENT
    return float(size["Value"]) / max(count, 1)


def timeout_seconds(policy: Content | None) -> float:
    """Return after how long a rollout is given up; infinite where nothing is said.

    >>> timeout_seconds({"RollingUpdatePolicy": {"MaximumExecutionTimeoutInSeconds": 900}})
    900.0
    """
    either = (policy or {}).get("RollingUpdatePolicy") or (policy or {}).get("BlueGreenUpdatePolicy", {})
    return float(either.get("MaximumExecutionTimeoutInSeconds", math.inf))


def alarms_of(policy: Content | None) -> tuple[str, ...]:
    """Return the names of the alarms that roll a deployment back."""
    rollback = (policy or {}).get("AutoRollbackConfiguration", {})
    return tuple(alarm["AlarmName"] for alarm in rollback.get("Alarms") or ())


def beside(policy: Content | None, variant: Variant) -> int:
    """Return how many new instances of a variant there are at most beside the old ones."""
    rolling = (policy or {}).get("RollingUpdatePolicy")
    if not rolling or not variant.count:
        return variant.count
    return _instances(_portion(rolling["MaximumBatchSize"], variant.count), variant.count)


def launching(variants: Sequence[Variant]) -> Phase:
    """Return the only phase of a creation."""
    return Phase({variant.name: _launching(variant.count) for variant in variants})


def timeline(policy: Content | None, variants: Sequence[Variant]) -> Iterator[Phase]:
    """Yield the phases of an update, the first of which launches what the others give traffic to."""
    rolling = (policy or {}).get("RollingUpdatePolicy")
    if rolling:
        yield from _rolling(rolling, variants[0])
        return
    blue_green = (policy or {}).get("BlueGreenUpdatePolicy", {})
    routing = blue_green.get("TrafficRoutingConfiguration", {})
    wait, final = routing.get("WaitIntervalInSeconds", 0), blue_green.get("TerminationWaitInSeconds", 0)
    yield launching(variants)
    for what, portions in _steps(routing, variants):
        # Between incremental steps: API reference, TrafficRoutingConfig. The last one of a linear rollout
        # bakes like the others.
        bakes = what != "full" or routing.get("Type") == "LINEAR"
        yield from _moved(variants, portions, what, wait if bakes else 0)
    if final:
        full = dict.fromkeys((variant.name for variant in variants), _WHOLE)
        yield _baking(variants, full, "full", ("TerminationWaitInSeconds", final))
    yield Phase(
        {
            variant.name: Stage("Deleting", _said("Deleting", variant.count), variant.count, _WHOLE)
            for variant in variants
        }
    )


def _steps(routing: Content, variants: Sequence[Variant]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield the share of each variant's traffic, step by step, with a word for the capacity."""
    kind = routing.get("Type", "ALL_AT_ONCE")
    if kind in _SIZE_OF:
        size, number = routing[_SIZE_OF[kind]], 0
        portions = {variant.name: _portion(size, variant.count) for variant in variants}
        while number == 0 or kind == "LINEAR":
            number += 1
            reached = {name: portion * number for name, portion in portions.items()}
            if min(reached.values()) >= _WHOLE - _ROUNDING:
                break
            yield kind.lower(), {name: min(portion, _WHOLE) for name, portion in reached.items()}
    yield "full", dict.fromkeys((variant.name for variant in variants), _WHOLE)


def _moved(
    variants: Sequence[Variant], portions: Mapping[str, float], what: str, wait: float
) -> Iterator[Phase]:
    yield Phase(_stages(variants, portions, "ActivatingTraffic", f"Activating traffic on {what}"))
    if wait:
        yield _baking(variants, portions, what, ("WaitIntervalInSeconds", wait))


def _baking(
    variants: Sequence[Variant], portions: Mapping[str, float], what: str, wait: tuple[str, float]
) -> Phase:
    member, seconds = wait
    words = f"Baking for {seconds:g} seconds ({member}) with traffic enabled on {what}"
    return Phase(_stages(variants, portions, "Baking", words), float(seconds))


def _stages(
    variants: Sequence[Variant], portions: Mapping[str, float], status: str, words: str
) -> Mapping[str, Stage]:
    """Return the stage of variants all of whose new instances are there, with traffic on some of them."""
    return {
        variant.name: Stage(
            status,
            _on(words, _instances(portions[variant.name], variant.count)),
            variant.count,
            portions[variant.name],
        )
        for variant in variants
    }


def _rolling(rolling: Content, variant: Variant) -> Iterator[Phase]:
    wait, there = rolling["WaitIntervalInSeconds"], 0
    batch = _instances(_portion(rolling["MaximumBatchSize"], variant.count), variant.count)
    while there < variant.count:
        size, kept = min(batch, variant.count - there), 1 - there / variant.count
        stage = Stage("Creating", _said("Launching", size), there, there / variant.count)
        there += size
        yield Phase({variant.name: stage}, count=there, kept=kept)
        portions = {variant.name: there / variant.count}
        for phase in _moved([variant], portions, "batch" if there < variant.count else "full", wait):
            stages = {name: replace(stage, count=there) for name, stage in phase.stages.items()}
            yield Phase(stages, phase.seconds, there, kept)
        stage = Stage("Deleting", _said("Deleting", size), there, portions[variant.name])
        yield Phase({variant.name: stage}, count=there, kept=1 - there / variant.count)


def retreat(policy: Content | None, variant: Variant, there: int) -> Iterator[Phase]:
    """Yield the phases in which a rolling update goes back, after ``there`` of its instances have come.

    In each, old instances come first, then their traffic, and then new instances go. All at once unless a
    batch size is said: API reference, RollingUpdatePolicy.
    """
    size = (policy or {}).get("RollingUpdatePolicy", {}).get("RollbackMaximumBatchSize")
    batch = _instances(_portion(size, variant.count), variant.count) if size else variant.count
    while there > 0:
        going = min(batch, there)
        there -= going
        portion = there / variant.count
        stage = Stage("Deleting", _said("Deleting", going), there, portion)
        yield Phase({variant.name: stage}, count=there, kept=1 - portion)


def _launching(count: int) -> Stage:
    return Stage("Creating", _said("Launching", count), 0, 0.0)


def _instances(portion: float, count: int) -> int:
    return min(count, math.ceil(portion * count - _ROUNDING))


def _said(doing: str, count: int) -> str:
    """Return SageMaker's words; serverless variants have no instances to speak of."""
    return f"{doing} {count} instance(s)." if count else ""


def _on(doing: str, count: int) -> str:
    return f"{doing} capacity of {count} instance(s)." if count else ""
