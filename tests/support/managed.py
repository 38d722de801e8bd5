"""Everything that we manage, field by field, and a world in which it was deployed.

Written without the engine: what a deployment leaves is put there directly, so that what looks at it can be
tested by itself.
"""

import dataclasses
from dataclasses import replace

from orchestrator.core import alarms, journal, records
from orchestrator.core.names import artifact_key
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    Endpoint,
    EndpointConfig,
    InstancePool,
    Model,
    Serverless,
    Variant,
    VariantStatus,
    Vpc,
)
from orchestrator.core.revision import Revision, Source, make, tags_of, to_record
from orchestrator.core.rollout import AT_ONCE, Rollout
from orchestrator.core.scaling import (
    Dimension,
    Scaling,
    Schedule,
    StepAdjustment,
    StepPolicy,
    TargetTracking,
)
from orchestrator.core.target import AlarmSpec, EndpointSpec, JudgeSpec
from tests.support.fakes import FakeEdge

MODEL = Model("m", "image:1", "s3://b/a", "role", (("A", "1"),), (("team", "ml"),), Vpc(("sg-1",), ("s-1",)))
VARIANT = Variant(
    "primary",
    "m",
    pools=(InstancePool("ml.m5.large", 1), InstancePool("ml.m6i.large", 2)),
    serverless=Serverless(2048, 5),
)
CONFIG = EndpointConfig(
    "c",
    (VARIANT, replace(VARIANT, name="other")),
    (("team", "ml"),),
    (replace(VARIANT, name="shadow"),),
    Capture("s3://b/capture", 10),
    AsyncInference("s3://b/out"),
)
SCALING = Scaling(
    "primary",
    1,
    4,
    tracking=(TargetTracking("keep", "SageMakerVariantInvocationsPerInstance", 600),),
    steps=(
        StepPolicy("wake", "HasBacklogWithoutCapacity", 1.0, (StepAdjustment(1, 0.0), StepAdjustment(2))),
    ),
    schedules=(Schedule("night", "cron(0 22 * * ? *)", 1),),
)
WHOLES = (MODEL, CONFIG, SCALING)

# By the class that owns the field: how to change it, and which path says so. What is no field of its own
# (it says which resource it is, or has fields itself) has no path.
CASES: dict[tuple[type, str], tuple[object, str]] = {
    (Model, "image"): ("image:2", "image"),
    (Model, "artifact"): ("s3://b/z", "artifact"),
    (Model, "role"): ("other", "role"),
    (Model, "environment"): ((("A", "2"),), "environment[A]"),
    (Model, "tags"): ((("team", "ops"),), "tags[team]"),
    (Model, "vpc"): (None, "vpc.security_groups"),
    (Model, "network_isolation"): (True, "network_isolation"),
    (Vpc, "security_groups"): (("sg-2",), "vpc.security_groups"),
    (Vpc, "subnets"): (("s-1", "s-2"), "vpc.subnets"),
    (EndpointConfig, "variants"): ((VARIANT,), "variants[other].model"),
    (EndpointConfig, "tags"): ((), "tags[team]"),
    (EndpointConfig, "shadows"): ((), "shadows[shadow].model"),
    (EndpointConfig, "capture"): (None, "capture.destination"),
    (EndpointConfig, "async_inference"): (None, "async_inference.output"),
    (EndpointConfig, "kms_key"): ("key", "kms_key"),
    (Variant, "name"): ("renamed", "variants[renamed].model"),
    (Variant, "model"): ("n", "variants[primary].model"),
    (Variant, "instance_type"): ("ml.c5.large", "variants[primary].instance_type"),
    (Variant, "instance_count"): (4, "variants[primary].instance_count"),
    (Variant, "weight"): (0.5, "variants[primary].weight"),
    (Variant, "pools"): ((), "variants[primary].pools[ml.m5.large].priority"),
    (Variant, "serverless"): (None, "variants[primary].serverless.memory_mb"),
    (Variant, "volume_gb"): (30, "variants[primary].volume_gb"),
    (Variant, "download_timeout_seconds"): (600, "variants[primary].download_timeout_seconds"),
    (Variant, "startup_timeout_seconds"): (600, "variants[primary].startup_timeout_seconds"),
    (Variant, "provision_timeout_seconds"): (600, "variants[primary].provision_timeout_seconds"),
    (Variant, "ami"): ("al2-ami-sagemaker-inference-gpu-2", "variants[primary].ami"),
    (Variant, "routing"): ("LEAST_OUTSTANDING_REQUESTS", "variants[primary].routing"),
    (InstancePool, "instance_type"): ("ml.c5.large", "variants[primary].pools[ml.c5.large].priority"),
    (InstancePool, "priority"): (3, "variants[primary].pools[ml.m5.large].priority"),
    (Serverless, "memory_mb"): (4096, "variants[primary].serverless.memory_mb"),
    (Serverless, "max_concurrency"): (6, "variants[primary].serverless.max_concurrency"),
    (Serverless, "provisioned_concurrency"): (1, "variants[primary].serverless.provisioned_concurrency"),
    (Capture, "destination"): ("s3://b/z", "capture.destination"),
    (Capture, "percent"): (20, "capture.percent"),
    (Capture, "modes"): (("Input",), "capture.modes"),
    (Capture, "kms_key"): ("key", "capture.kms_key"),
    (Capture, "csv_types"): (("text/csv",), "capture.csv_types"),
    (Capture, "json_types"): (("application/json",), "capture.json_types"),
    (AsyncInference, "output"): ("s3://b/z", "async_inference.output"),
    (AsyncInference, "failure"): ("s3://b/z", "async_inference.failure"),
    (AsyncInference, "kms_key"): ("key", "async_inference.kms_key"),
    (AsyncInference, "success_topic"): ("arn", "async_inference.success_topic"),
    (AsyncInference, "error_topic"): ("arn", "async_inference.error_topic"),
    (AsyncInference, "max_concurrent"): (4, "async_inference.max_concurrent"),
    (Scaling, "minimum"): (2, "minimum"),
    (Scaling, "maximum"): (5, "maximum"),
    (Scaling, "dimension"): (Dimension.PROVISIONED_CONCURRENCY, "dimension"),
    (Scaling, "tracking"): ((), "tracking[keep].metric"),
    (Scaling, "steps"): ((), "steps[wake].metric"),
    (Scaling, "schedules"): ((), "schedules[night].expression"),
    (Scaling, "scale_in_suspended"): (True, "scale_in_suspended"),
    (TargetTracking, "name"): ("z", "tracking[z].metric"),
    (TargetTracking, "metric"): ("z", "tracking[keep].metric"),
    (TargetTracking, "target"): (700, "tracking[keep].target"),
    (TargetTracking, "scale_in_cooldown_seconds"): (60, "tracking[keep].scale_in_cooldown_seconds"),
    (TargetTracking, "scale_out_cooldown_seconds"): (60, "tracking[keep].scale_out_cooldown_seconds"),
    (TargetTracking, "scale_in"): (False, "tracking[keep].scale_in"),
    (StepPolicy, "name"): ("z", "steps[z].metric"),
    (StepPolicy, "metric"): ("z", "steps[wake].metric"),
    (StepPolicy, "threshold"): (2.5, "steps[wake].threshold"),
    (StepPolicy, "adjustments"): ((StepAdjustment(2),), "steps[wake].adjustments[0..].change"),
    (StepPolicy, "statistic"): ("Sum", "steps[wake].statistic"),
    (StepPolicy, "comparison"): ("GreaterThanThreshold", "steps[wake].comparison"),
    (StepPolicy, "period_seconds"): (120, "steps[wake].period_seconds"),
    (StepPolicy, "evaluation_periods"): (3, "steps[wake].evaluation_periods"),
    (StepPolicy, "cooldown_seconds"): (60, "steps[wake].cooldown_seconds"),
    (StepPolicy, "per_endpoint"): (True, "steps[wake].per_endpoint"),
    (StepAdjustment, "change"): (3, "steps[wake].adjustments[0..].change"),
    (StepAdjustment, "lower"): (5.0, "steps[wake].adjustments[5..].change"),
    (StepAdjustment, "upper"): (9.0, "steps[wake].adjustments[0..9].change"),
    (Schedule, "name"): ("z", "schedules[z].expression"),
    (Schedule, "expression"): ("rate(1 day)", "schedules[night].expression"),
    (Schedule, "minimum"): (2, "schedules[night].minimum"),
    (Schedule, "maximum"): (2, "schedules[night].maximum"),
    (Schedule, "timezone"): ("Europe/Vienna", "schedules[night].timezone"),
}


def changed(value: object, owner: type, field: str, to: object) -> object:
    """Return ``value`` with the field of the first ``owner`` in it changed."""
    if isinstance(value, owner):
        return replace(value, **{field: to})  # type: ignore[type-var]  # owners are dataclasses
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            if (new := changed(item, owner, field, to)) is not item:
                return (*value[:place], new, *value[place + 1 :])
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            item = getattr(value, part.name)
            if (new := changed(item, owner, field, to)) is not item:
                return replace(value, **{part.name: new})
    return value


ROLE = "arn:aws:iam::123456789012:role/sagemaker"
AT = "2026-08-01T12:00:00.000+00:00"


def simple(
    mark: str = "a", *, endpoint: str = "digits", count: int = 1, scalings: tuple[Scaling, ...] = ()
) -> Revision:
    """Return a revision of one variant, whose artifact's digest is 64 times ``mark``."""
    fleet = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", count),))
    return made(mark, fleet, endpoint=endpoint, scalings=scalings)


def made(
    mark: str, spec: EndpointSpec, *, endpoint: str = "digits", scalings: tuple[Scaling, ...] = ()
) -> Revision:
    """Return the revision that ``spec`` asks for."""
    identity = mark * 64
    source = Source(identity, f"s3://bucket/{artifact_key(endpoint, identity)}", "image:1", ROLE)
    return make(endpoint, source, spec, tags=(("team", "ml"),), golden=None, scalings=scalings)


@dataclasses.dataclass(frozen=True)
class Past:
    """How a deployment that the journal tells of was made, and how it ended; empty is not yet."""

    verb: str = journal.DEPLOY
    outcome: str = journal.DEPLOYED
    rollout: Rollout = AT_ONCE
    alarm_spec: AlarmSpec | None = None
    judge: JudgeSpec | None = None
    at: str = AT


def put(world: FakeEdge, wanted: Revision, past: Past | None = None) -> None:
    """Make the world as a deployment of ``wanted`` leaves it, and the journal's record of that."""
    past = past or Past()
    stock(world, wanted)
    tags = tags_of(wanted.endpoint, wanted.config.tags)
    world.cloud.endpoints[wanted.endpoint] = Endpoint(
        wanted.endpoint, wanted.name, last_modified=1.0, variants=statuses(wanted.config), tags=tags
    )
    for scaling in wanted.scalings:
        world.autoscaling.scalings[wanted.endpoint, scaling.variant, scaling.dimension] = scaling
    generated = alarms.generate(wanted.config, wanted.endpoint, past.alarm_spec, judge=past.judge is not None)
    world.alarms.alarms.update({alarm.name: replace(alarm, state="OK") for alarm in generated})
    record(world, wanted, past)


def stock(world: FakeEdge, wanted: Revision) -> None:
    """Make the revision's resources, and publish its artifact; nothing serves it."""
    world.cloud.models[wanted.model.name] = wanted.model
    world.cloud.configs[wanted.name] = wanted.config
    world.store.objects[wanted.model.artifact.removeprefix(world.store.url(""))] = b"archive"


def statuses(config: EndpointConfig) -> tuple[VariantStatus, ...]:
    """Return the variants as they are once they have arrived."""
    return tuple(
        VariantStatus(one.name, one.instance_count, one.instance_count, one.weight, one.weight)
        for one in config.variants
    )


def record(world: FakeEdge, wanted: Revision | None, past: Past) -> int:
    """Write an attempt into the journal, and return its number."""
    generated = (
        ()
        if wanted is None
        else alarms.generate(wanted.config, wanted.endpoint, past.alarm_spec, judge=past.judge is not None)
    )
    facts: dict[str, object] = {
        "verb": past.verb,
        "revision": None if wanted is None else to_record(wanted),
        "previous": None,
        "plan": [],
        "reason": "",
        "rollout": records.to_record(past.rollout),
        "alarm_spec": None if past.alarm_spec is None else records.to_record(past.alarm_spec),
        "judge": None if past.judge is None else records.to_record(past.judge),
        "alarms": [alarm.name for alarm in generated],
    }
    book, by = world.journal, world.account.identity()
    book.entries()
    number = book.append(journal.STARTED, facts, by=by, at=past.at).number
    if past.outcome:
        end = {
            "deployment": number,
            "verb": past.verb,
            "revision": None if wanted is None else wanted.name,
            "outcome": past.outcome,
            "detail": "",
        }
        book.append(journal.FINISHED, end, by=by, at=past.at)
    return number
