"""From settings, once it is known which layer wins, to where and how an endpoint is deployed."""

from collections.abc import Mapping
from typing import Any

from orchestrator.adapters.spec import autoscaling, checks
from orchestrator.adapters.spec.endpoint import InstancesTable
from orchestrator.adapters.spec.layers import Chosen, Path, tree
from orchestrator.adapters.spec.tables import Document
from orchestrator.core import containers
from orchestrator.core.resources import AsyncInference, Capture, InstancePool, Serverless, Variant, Vpc
from orchestrator.core.rollout import Kind, Rollout, Size, Unit
from orchestrator.core.target import AlarmSpec, EndpointSpec, JudgeSpec, Mode, Target


def target_of(document: Document, environment: str, chosen: Mapping[Path, Chosen]) -> Target:
    """Return the target that the settings say.

    Raises:
        SpecError: If they contradict each other, or name a container profile that there is not.
    """
    profile = document.container.profile or containers.DEFAULT_PROFILE
    containers.find(profile)
    checks.check(document, chosen)
    settings = tree(chosen)
    endpoint, rollout = _endpoint(settings["endpoint"]), settings["rollout"]
    return Target(
        environment=environment,
        region=settings.get("region"),
        bucket=settings.get("bucket"),
        role=settings.get("role_arn"),
        endpoint=endpoint,
        keep_revisions=settings["keep_revisions"],
        profile=profile,
        image=document.container.image,
        tags=tuple(sorted(settings.get("tags", {}).items())),
        assume_role=settings.get("assume_role_arn"),
        kms_key=settings.get("kms_key"),
        bucket_owner=settings.get("bucket_owner"),
        rollout=_rollout(rollout),
        scalings=autoscaling.scalings(settings.get("autoscaling") or {}, endpoint, chosen),
        alarms=AlarmSpec(**rollout["generate_alarms"]) if rollout.get("generate_alarms") else None,
        judge=JudgeSpec(**rollout["judge"]) if rollout.get("judge") else None,
        prices=settings.get("prices"),
    )


def _endpoint(table: dict[str, Any]) -> EndpointSpec:
    capture, async_, shadow = table.get("capture"), table.get("async"), table.get("shadow")
    return EndpointSpec(
        mode=Mode(table["mode"]),
        variants=_variants(table),
        shadow=None if shadow is None else _variant(shadow["name"], shadow, table),
        environment=tuple(sorted(table.get("environment", {}).items())),
        vpc=None if table.get("vpc") is None else _vpc(table["vpc"]),
        network_isolation=table["network_isolation"],
        capture=None if capture is None else _capture(capture),
        async_inference=None if async_ is None else AsyncInference(**async_),
        kms_key=table.get("kms_key"),
    )


def _variants(table: dict[str, Any]) -> tuple[Variant, ...]:
    """Return the production variants by name: their order in the file is no part of what a revision is."""
    named = sorted((checks.variant_tables(table) or {table["variant"]: {}}).items())
    return tuple(_variant(name, own, table) for name, own in named)


def _variant(name: str, own: dict[str, Any], endpoint: dict[str, Any]) -> Variant:
    model, weight = own.get("model", ""), own.get("weight", 1.0)
    if endpoint["mode"] == Mode.SERVERLESS:
        serverless = Serverless(**endpoint["serverless"])
        return Variant(name, model, weight=weight, serverless=serverless)
    inherited = set(InstancesTable.model_fields)
    if "instance_type" in own or "pools" in own:
        inherited -= {"instance_type", "pools"}
    instances = {key: endpoint[key] for key in sorted(inherited) if key in endpoint}
    instances |= {key: own[key] for key in InstancesTable.model_fields if key in own}
    types = instances.pop("pools", ())
    pools = tuple(InstancePool(type_, priority) for priority, type_ in enumerate(types, start=1))
    return Variant(name, model, weight=weight, pools=pools, **instances)


def _vpc(table: dict[str, Any]) -> Vpc:
    # Sorted, like all that is a set to SageMaker: the order in the file is no part of a revision's identity.
    return Vpc(tuple(sorted(table["security_groups"])), tuple(sorted(table["subnets"])))


def _capture(table: dict[str, Any]) -> Capture:
    sets = {key: tuple(sorted(table[key])) for key in ("modes", "csv_types", "json_types")}
    return Capture(**{**table, **sets})


def _rollout(table: dict[str, Any]) -> Rollout:
    return Rollout(
        kind=Kind(table["type"]),
        size=_size(table, "size"),
        bake_seconds=table.get("bake_seconds", 0),
        final_bake_seconds=table.get("final_bake_seconds", 0),
        alarms=tuple(table.get("alarms") or ()),
        timeout_seconds=table.get("timeout_seconds"),
        rollback_size=_size(table, "rollback"),
    )


def _size(table: dict[str, Any], noun: str) -> Size | None:
    if (percent := table.get(f"{noun}_percent")) is not None:
        return Size(percent)
    count = table.get(f"{noun}_instances")
    return None if count is None else Size(count, Unit.INSTANCES)
