"""Rollouts, what watches them, and autoscaling, just over a limit and just within."""

from dataclasses import replace

from orchestrator.core.resources import (
    Serverless,
)
from orchestrator.core.rollout import Rollout, Size, Unit
from orchestrator.core.scaling import Dimension, Scaling, Schedule
from orchestrator.core.target import JudgeSpec
from tests.support.proposals import (
    ASYNC,
    CANARY,
    LAMBDA,
    LINEAR,
    PRIMARY,
    ROLLING,
    SCALING,
    SECOND,
    TRACKING,
    WAKING,
    Broken,
    judged,
    live,
    moving,
    on,
    scaled,
    step,
)

REFUSED = [
    Broken("rollout-size", "rollout.size_percent", moving(replace(CANARY, size=None)), moving(CANARY)),
    Broken("rollout-size", "rollout.size_percent", moving(replace(LINEAR, size=None)), moving(LINEAR)),
    Broken("rollout-size", "rollout.size_percent", moving(replace(ROLLING, size=None)), moving(ROLLING)),
    Broken("rollout-size", "rollout.size_percent", moving(Rollout(size=Size(10)))),
    Broken("rollout-bake", "rollout.bake_seconds", moving(Rollout(bake_seconds=1, alarms=("a",)))),
    Broken(
        "rollout-final-bake", "rollout.final_bake_seconds", moving(replace(ROLLING, final_bake_seconds=1))
    ),
    Broken("rollback-size", "rollout.rollback_percent", moving(replace(CANARY, rollback_size=Size(50)))),
    Broken(
        "rollback-size",
        "rollout.rollback_percent",
        moving(replace(ROLLING, rollback_size=Size(101))),
        moving(replace(ROLLING, rollback_size=Size(100))),
    ),
    Broken("serverless-guardrails", "rollout.type", moving(CANARY, LAMBDA), on(LAMBDA)),
    Broken(
        "rolling-one-variant",
        "rollout.type",
        moving(ROLLING, PRIMARY, SECOND),
        moving(CANARY, PRIMARY, SECOND),
    ),
    Broken(
        "inf1-guardrails",
        "rollout.type",
        moving(CANARY, replace(PRIMARY, instance_type="ml.inf1.xlarge")),
        on(replace(PRIMARY, instance_type="ml.inf1.xlarge")),
    ),
    *(
        Broken(
            f"{rollout.kind}-needs-two",
            "endpoint.instance_count",
            moving(rollout, replace(PRIMARY, instance_count=1)),
            moving(replace(rollout, size=Size(50)), replace(PRIMARY, instance_count=2)),
        )
        for rollout in (CANARY, LINEAR, ROLLING)
    ),
    Broken(
        "canary-needs-two", "endpoint.instance_count", live(moving(CANARY), count=1), live(moving(CANARY))
    ),
    Broken(
        "canary-needs-two",
        "endpoint.variants.second.instance_count",
        moving(CANARY, PRIMARY, replace(SECOND, instance_count=1)),
    ),
    *(
        Broken(
            f"{rollout.kind}-size",
            "rollout.size_percent",
            moving(replace(rollout, size=Size(over))),
            moving(replace(rollout, size=Size(within))),
        )
        for rollout, over, within in (
            (CANARY, 51, 50),
            (LINEAR, 51, 50),
            (LINEAR, 9, 10),
            (ROLLING, 51, 50),
            (ROLLING, 4, 5),
        )
    ),
    *(
        Broken(
            f"{rollout.kind}-size",
            "rollout.size_instances",
            moving(replace(rollout, size=Size(3, Unit.INSTANCES))),
            moving(replace(rollout, size=Size(2, Unit.INSTANCES))),
        )
        for rollout in (CANARY, LINEAR, ROLLING)
    ),
    Broken(
        "canary-size",
        "rollout.size_instances",
        live(moving(replace(CANARY, size=Size(2, Unit.INSTANCES))), count=3),
    ),
    Broken(
        "rollout-timeout",
        "rollout.timeout_seconds",
        moving(replace(CANARY, timeout_seconds=900)),
        moving(replace(CANARY, timeout_seconds=901)),
    ),
    Broken(
        "rollout-timeout",
        "rollout.timeout_seconds",
        moving(replace(LINEAR, timeout_seconds=1200)),
        moving(replace(LINEAR, timeout_seconds=1201)),
    ),
    Broken(
        "rollout-timeout",
        "rollout.bake_seconds",
        moving(replace(LINEAR, size=Size(10), bake_seconds=2880)),
        moving(replace(LINEAR, size=Size(10), bake_seconds=2819)),
    ),
    Broken(
        "alarm-name",
        "rollout.alarms",
        moving(replace(CANARY, alarms=("a" * 256,))),
        moving(replace(CANARY, alarms=("a" * 255,))),
    ),
    Broken("alarm-name", "rollout.alarms", moving(replace(CANARY, alarms=(" ",)))),
    Broken("alarm-twice", "rollout.alarms", moving(replace(CANARY, alarms=("a", "a")))),
    Broken(
        "alarms-too-many",
        "rollout.alarms",
        moving(replace(CANARY, alarms=tuple("abcdefghijk"))),
        moving(replace(CANARY, alarms=tuple("abcdefghij"))),
    ),
    Broken("alarms-none", "rollout.alarms", moving(replace(CANARY, alarms=())), moving(CANARY)),
    Broken("alarms-none", "rollout.alarms", moving(Rollout(final_bake_seconds=60)), moving(Rollout())),
    Broken("alarm-missing", "rollout.alarms", replace(moving(CANARY), alarms=()), moving(CANARY)),
    Broken("judge-alone", "rollout.judge", judged(Rollout())),
    Broken("judge-not-async", "rollout.judge", judged(CANARY, async_inference=ASYNC)),
    Broken(
        "judge-cannot-conclude",
        "rollout.judge.min_samples",
        judged(CANARY, JudgeSpec(min_samples=11)),
        judged(CANARY, JudgeSpec(min_samples=10)),
    ),
    Broken("scaling-twice", "autoscaling.variants", scaled(SCALING, SCALING), scaled(SCALING)),
    Broken("scaling-unknown-variant", "autoscaling.variants", scaled(replace(SCALING, variant="other"))),
    Broken("scaling-bounds", "autoscaling.min", scaled(replace(SCALING, minimum=11))),
    Broken("scaling-bounds", "autoscaling.max", scaled(replace(SCALING, minimum=0, maximum=0))),
    Broken(
        "scale-to-zero",
        "autoscaling.min",
        scaled(replace(SCALING, minimum=0)),
        scaled(replace(SCALING, minimum=1)),
    ),
    Broken(
        "scale-to-zero",
        "autoscaling.min",
        scaled(replace(SCALING, minimum=-1), async_inference=ASYNC),
        scaled(replace(SCALING, minimum=0), async_inference=ASYNC),
    ),
    Broken(
        "scale-to-zero",
        "autoscaling.schedules",
        scaled(replace(SCALING, schedules=(Schedule("night", "cron(0 20 * * ? *)", 0),))),
        scaled(replace(SCALING, schedules=(Schedule("night", "cron(0 20 * * ? *)", 1),))),
    ),
    Broken(
        "schedule-empty",
        "autoscaling.schedules",
        scaled(replace(SCALING, schedules=(Schedule("night", "rate(1 day)"),))),
    ),
    Broken(
        "schedule-bounds",
        "autoscaling.schedules",
        scaled(replace(SCALING, schedules=(Schedule("night", "rate(1 day)", 3, 2),))),
        scaled(replace(SCALING, schedules=(Schedule("night", "rate(1 day)", 3, 3),))),
    ),
    Broken("scaling-dimension", "autoscaling", scaled(replace(SCALING, minimum=1), variants=(LAMBDA,))),
    Broken(
        "scaling-dimension",
        "autoscaling",
        scaled(Scaling("primary", 1, 5, Dimension.PROVISIONED_CONCURRENCY)),
    ),
    Broken(
        "scaling-concurrency",
        "autoscaling.max",
        scaled(
            Scaling("primary", 1, 6, Dimension.PROVISIONED_CONCURRENCY),
            variants=(replace(LAMBDA, serverless=Serverless(2048, 5, 1)),),
        ),
        scaled(
            Scaling("primary", 1, 5, Dimension.PROVISIONED_CONCURRENCY),
            variants=(replace(LAMBDA, serverless=Serverless(2048, 5, 1)),),
        ),
    ),
    Broken(
        "t2-not-scalable",
        "endpoint.instance_type",
        scaled(SCALING, variants=(replace(PRIMARY, instance_type="ml.t2.medium"),)),
    ),
    Broken(
        "policy-twice",
        "autoscaling.tracking",
        scaled(replace(SCALING, tracking=(TRACKING, replace(TRACKING, target=1)))),
    ),
    Broken(
        "policy-metric",
        "autoscaling.tracking",
        scaled(
            replace(
                SCALING,
                tracking=(replace(TRACKING, metric="SageMakerVariantProvisionedConcurrencyUtilization"),),
            )
        ),
    ),
    Broken(
        "policy-target",
        "autoscaling.tracking",
        scaled(replace(SCALING, tracking=(replace(TRACKING, target=0),))),
    ),
    Broken(
        "policy-never-acts",
        "autoscaling.steps",
        scaled(step(comparison="GreaterThanThreshold")),
        scaled(step()),
    ),
]

WARNED = [
    *(
        Broken(
            f"{rollout.kind}-rounding",
            "rollout.size_percent",
            moving(replace(rollout, size=Size(24))),
            moving(replace(rollout, size=Size(25))),
        )
        for rollout in (CANARY, LINEAR, ROLLING)
    ),
    *(
        Broken(
            f"{rollout.kind}-may-lack-two",
            "autoscaling.min",
            replace(scaled(replace(SCALING, minimum=1)), rollout=rollout),
            replace(scaled(SCALING), rollout=rollout),
        )
        for rollout in (CANARY, LINEAR, ROLLING)
    ),
    Broken(
        "rollout-tight",
        "rollout.timeout_seconds",
        moving(replace(CANARY, timeout_seconds=1500)),
        moving(replace(CANARY, timeout_seconds=1501)),
    ),
    Broken("alarms-unwatched", "rollout.final_bake_seconds", moving(Rollout(alarms=("a",)))),
    Broken(
        "alarms-unwatched",
        "rollout.bake_seconds",
        moving(replace(CANARY, bake_seconds=0, final_bake_seconds=0)),
    ),
    Broken(
        "judge-cannot-conclude",
        "rollout.judge.min_samples",
        judged(CANARY, JudgeSpec(min_samples=11, inconclusive="accept")),
    ),
    Broken(
        "count-outside-bounds",
        "endpoint.instance_count",
        scaled(replace(SCALING, minimum=5)),
        scaled(replace(SCALING, minimum=4)),
    ),
    Broken(
        "sleeps-through",
        "autoscaling.steps",
        scaled(replace(SCALING, minimum=0), async_inference=ASYNC),
        scaled(replace(SCALING, minimum=0, tracking=(), steps=(WAKING,)), async_inference=ASYNC),
    ),
    Broken(
        "policy-not-async",
        "autoscaling.tracking",
        scaled(SCALING, async_inference=ASYNC),
        scaled(
            replace(SCALING, tracking=(replace(TRACKING, metric="ApproximateBacklogSizePerInstance"),)),
            async_inference=ASYNC,
        ),
    ),
    Broken(
        "count-owned",
        "endpoint.instance_count",
        live(scaled(SCALING, variants=(replace(PRIMARY, instance_count=6),)), count=7),
        live(scaled(SCALING), count=7),
    ),
]
