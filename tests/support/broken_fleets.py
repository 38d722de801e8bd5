"""Names, sizes and fleets just over a limit, and just within."""

from dataclasses import replace

from orchestrator.core.resources import (
    Capture,
    InstancePool,
    Serverless,
)
from tests.support.proposals import (
    ASYNC,
    GOOD,
    LAMBDA,
    OLD,
    PRIMARY,
    REGISTRY,
    SECOND,
    Broken,
    live,
    named,
    of,
    on,
    single,
    tagged,
    variables,
)

REFUSED = [
    Broken("name-invalid", "name", named("a" * 64), named("a" * 63)),
    Broken("name-invalid", "name", named("a_b"), named("a-b")),
    Broken("name-invalid", "name", named("digits\n"), named("digits")),
    Broken("name-invalid", "name", named("-digits")),
    Broken("name-invalid", "name", named("")),
    Broken(
        "name-case-twin",
        "name",
        replace(GOOD, names=("Digits", "digits")),
        replace(GOOD, names=("digits", "digits-2")),
    ),
    Broken(
        "environment-entries",
        "endpoint.environment",
        of(environment=variables(101)),
        of(environment=variables(100)),
    ),
    Broken(
        "environment-name",
        "endpoint.environment",
        of(environment=(("n" * 1025, ""),)),
        of(environment=(("n" * 1024, ""),)),
    ),
    Broken(
        "environment-value",
        "endpoint.environment",
        of(environment=(("N", "é" * 513),)),
        of(environment=(("N", "é" * 512),)),
    ),
    Broken(
        "environment-size",
        "endpoint.environment",
        of(environment=(*((f"{n:02d}", "v" * 1022) for n in range(32)), ("x", ""))),
        of(environment=tuple((f"{n:02d}", "v" * 1022) for n in range(32))),
    ),
    Broken(
        "tags-too-many",
        "tags",
        tagged(*((f"t{n}", "") for n in range(49)), ("orchestrator:endpoint", "digits")),
        tagged(*((f"t{n}", "") for n in range(48)), ("orchestrator:endpoint", "digits")),
    ),
    Broken("tag-key", "tags", tagged(("k" * 129, "")), tagged(("k" * 128, ""))),
    Broken("tag-key", "tags", tagged(("", "")), tagged(("straße 1", ""))),
    Broken("tag-key", "tags", tagged(("a\x1b[31m", "")), tagged(("a_.:/=+-@", ""))),
    Broken("tag-reserved", "tags", tagged(("AWS:x", "")), tagged(("awsx", ""))),
    Broken("tag-value", "tags", tagged(("k", "v" * 257)), tagged(("k", "v" * 256))),
    Broken("tag-value", "tags", tagged(("k", "a\nb")), tagged(("k", ""))),
    Broken(
        "bucket-region",
        "bucket",
        replace(GOOD, bucket_region="us-east-1"),
        replace(GOOD, bucket_region="eu-west-1"),
    ),
    Broken("image-region", "container.image", replace(GOOD, region="us-east-1")),
    Broken(
        "payload",
        "golden.cases",
        replace(GOOD, largest_request=25 * 1024 * 1024 + 1),
        replace(GOOD, largest_request=25 * 1024 * 1024),
    ),
    Broken(
        "payload",
        "golden.cases",
        replace(on(LAMBDA), largest_request=4 * 1024 * 1024 + 1),
        replace(on(LAMBDA), largest_request=4 * 1024 * 1024),
    ),
    Broken("variant-name", "endpoint.variant", single(name="a" * 64), single(name="a" * 63)),
    Broken("variant-name", "endpoint.variant", single(name="a_b")),
    Broken("one-capacity", "endpoint.instance_type", single(serverless=Serverless(2048, 5))),
    Broken("one-capacity", "endpoint.instance_type", single(instance_type="")),
    Broken(
        "pools-twice",
        "endpoint.pools",
        single(instance_type="", pools=(InstancePool("ml.m5.large", 1), InstancePool("ml.m5.large", 2))),
        single(instance_type="", pools=(InstancePool("ml.m5.large", 1), InstancePool("ml.m4.large", 2))),
    ),
    Broken("variant-twice", "endpoint.variants", on(PRIMARY, replace(PRIMARY, instance_count=2))),
    Broken(
        "shadow-alone",
        "endpoint.shadow",
        on(PRIMARY, SECOND, shadows=(replace(PRIMARY, name="shadow"),)),
        on(PRIMARY, shadows=(replace(PRIMARY, name="shadow"),)),
    ),
    Broken(
        "shadow-alone",
        "endpoint.shadow",
        on(PRIMARY, shadows=(replace(PRIMARY, name="one"), replace(PRIMARY, name="two"))),
    ),
    Broken("weight", "endpoint.weight", single(weight=-0.1), single(weight=0.1)),
    Broken("weight", "endpoint.weight", single(weight=float("nan"))),
    Broken(
        "weights-zero",
        "endpoint.variants.primary.weight",
        on(replace(PRIMARY, weight=0), replace(SECOND, weight=0)),
        on(replace(PRIMARY, weight=0), replace(SECOND, weight=0.5)),
    ),
    Broken(
        "architecture",
        "endpoint.instance_type",
        single(instance_type="ml.c7g.large"),
        single(instance_type="ml.g5.xlarge"),
    ),
    Broken(
        "architecture",
        "endpoint.pools",
        single(instance_type="", pools=(InstancePool("ml.m5.large", 1), InstancePool("ml.m6gd.large", 2))),
    ),
    Broken(
        "architecture",
        "endpoint.instance_type",
        of(image=f"{REGISTRY}/pytorch-inference-arm64:2.6-cpu-py312-ubuntu22.04-sagemaker"),
    ),
    *(
        Broken(
            "serverless-memory",
            "endpoint.serverless.memory_mb",
            on(replace(LAMBDA, serverless=Serverless(memory, 5))),
            on(replace(LAMBDA, serverless=Serverless(6144, 5))),
        )
        for memory in (1023, 2000, 6145, 7168, 0)
    ),
    Broken(
        "serverless-provisioned",
        "endpoint.serverless.provisioned_concurrency",
        on(replace(LAMBDA, serverless=Serverless(2048, 5, 6))),
        on(replace(LAMBDA, serverless=Serverless(2048, 5, 5))),
    ),
    Broken("serverless-excludes", "endpoint.capture", on(LAMBDA, capture=Capture("s3://bucket/c/", 10))),
    Broken("serverless-excludes", "endpoint.variants", on(LAMBDA, replace(LAMBDA, name="second"))),
    Broken("serverless-excludes", "endpoint.shadow", on(LAMBDA, shadows=(replace(LAMBDA, name="shadow"),))),
    Broken("no-way-to-serverless", "endpoint.mode", live(on(LAMBDA)), on(LAMBDA)),
    Broken(
        "async-stays",
        "endpoint.mode",
        live(GOOD, replace(OLD, async_inference=ASYNC)),
        live(on(async_inference=ASYNC), replace(OLD, async_inference=ASYNC)),
    ),
    Broken(
        "variant-names",
        "endpoint.variant",
        live(GOOD, replace(OLD, variants=(replace(PRIMARY, name="AllTraffic"),))),
        live(GOOD),
    ),
]

WARNED = [
    Broken(
        "payload-doubtful",
        "golden.cases",
        replace(GOOD, largest_request=6 * 1024 * 1024 + 1),
        replace(GOOD, largest_request=6 * 1024 * 1024),
    ),
    Broken(
        "async-topic",
        "endpoint.async.error_topic",
        on(async_inference=replace(ASYNC, error_topic="arn:aws:sns:eu-west-1:123456789012:errors")),
        on(async_inference=replace(ASYNC, error_topic="arn:aws:sns:eu-west-1:123456789012:SageMaker-errors")),
    ),
    Broken(
        "quota",
        "endpoint.instance_count",
        replace(live(GOOD), quotas=(("ml.m5.large", 7),)),
        replace(live(GOOD), quotas=(("ml.m5.large", 8),)),
    ),
]
