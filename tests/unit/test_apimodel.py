"""What AWS would refuse, found offline and named by the spec's key."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from orchestrator.adapters.apimodel import violations
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    EndpointConfig,
    InstancePool,
    Model,
    Serverless,
    Variant,
    Vpc,
)
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size, Unit
from orchestrator.core.scaling import Scaling, Schedule, StepAdjustment, StepPolicy, TargetTracking
from orchestrator.core.shapes import Violation

ROLE = "arn:aws:iam::111111111111:role/sagemaker-execution"
VARIANT = Variant("primary", "digits-0123456789ab", "ml.m5.large", 2)
MODEL = Model("digits-0123456789ab", "image:1", "s3://bucket/model.tar.gz", ROLE)
CONFIG = EndpointConfig("digits-ba9876543210", (VARIANT,))
CAPTURE = Capture("s3://b/x", 50)
ASYNC = AsyncInference("s3://b/x")
TRACKING = TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600)
STEP = StepPolicy("wake", "HasBacklogWithoutCapacity", 1, (StepAdjustment(1, lower=0),))
SCALING = Scaling(
    "primary", 1, 4, tracking=(TRACKING,), steps=(STEP,), schedules=(Schedule("night", "cron(0 22 * * ? *)"),)
)


def revision(name: str = "digits", model: Model = MODEL, config: EndpointConfig = CONFIG) -> Revision:
    return Revision(name, "a" * 64, model, config)


def of_variant(**fields: object) -> tuple[Violation, ...]:
    variant = replace(VARIANT, **fields)  # type: ignore[arg-type]  # any field's value
    return violations(revision(config=replace(CONFIG, variants=(variant,))), AT_ONCE, ())


def keys(found: Sequence[Violation]) -> list[tuple[str, str]]:
    return [(violation.key, violation.rule) for violation in found]


def test_what_aws_takes_has_no_violation() -> None:
    full = replace(
        CONFIG,
        variants=(replace(VARIANT, volume_gb=512, download_timeout_seconds=3600, routing="RANDOM"),),
        shadows=(replace(VARIANT, name="shadow"),),
        capture=CAPTURE,
        kms_key="alias/key",
    )
    model = replace(MODEL, vpc=Vpc(("sg-1",), ("subnet-1",)), environment=(("A", "b"),), tags=(("k", "v"),))
    canary = Rollout(
        Kind.CANARY, Size(10), bake_seconds=3600, final_bake_seconds=3600, alarms=("digits-5xx",)
    )
    assert violations(revision(model=model, config=full), canary, (SCALING,)) == ()


def test_a_violation_says_the_key_the_value_the_rule_and_its_source() -> None:
    assert of_variant(volume_gb=513) == (
        Violation(
            "endpoint.volume_gb",
            "513",
            "at most 512",
            "SageMaker service model, ProductionVariant.VolumeSizeInGB",
        ),
    )


@pytest.mark.parametrize(
    ("field", "value", "key", "rule"),
    [
        ("name", "a_b", "variant", "of the form [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"),
        ("name", "a" * 64, "variant", "at most 63 characters"),
        ("model", "a" * 64, "model", "at most 63 characters"),
        ("weight", -0.5, "weight", "at least 0"),
        ("instance_count", -1, "instance_count", "at least 1"),
        ("volume_gb", 0, "volume_gb", "at least 1"),
        ("download_timeout_seconds", 59, "download_timeout_seconds", "at least 60"),
        ("download_timeout_seconds", 3601, "download_timeout_seconds", "at most 3600"),
        ("startup_timeout_seconds", 59, "startup_timeout_seconds", "at least 60"),
        ("startup_timeout_seconds", 3601, "startup_timeout_seconds", "at most 3600"),
        ("provision_timeout_seconds", 299, "provision_timeout_seconds", "at least 300"),
        ("provision_timeout_seconds", 3601, "provision_timeout_seconds", "at most 3600"),
        ("pools", tuple(InstancePool("ml.m5.large", 1) for _ in range(6)), "pools", "at most 5 of them"),
        ("pools", (InstancePool("ml.m5.large", 6),), "pools", "at most 5"),
        ("serverless", Serverless(1023, 5), "serverless.memory_mb", "at least 1024"),
        ("serverless", Serverless(6145, 5), "serverless.memory_mb", "at most 6144"),
        ("serverless", Serverless(2048, 201), "serverless.max_concurrency", "at most 200"),
        ("serverless", Serverless(2048, 5, 201), "serverless.provisioned_concurrency", "at most 200"),
    ],
)
def test_a_value_just_over_a_limit_of_a_variant_is_found(
    field: str, value: object, key: str, rule: str
) -> None:
    assert keys(of_variant(**{field: value})) == [(f"endpoint.{key}", rule)]


def test_an_instance_type_that_does_not_exist_is_told_the_nearest_ones() -> None:
    (found,) = of_variant(instance_type="ml.m7g.large")
    assert (found.key, found.value) == ("endpoint.instance_type", "ml.m7g.large")
    assert "ml.m7i.large" in found.rule


@pytest.mark.parametrize(("field", "value"), [("ami", "al2"), ("routing", "ROUND_ROBIN")])
def test_an_enum_says_what_it_takes(field: str, value: str) -> None:
    (found,) = of_variant(**{field: value})
    assert found.key == f"endpoint.{field}"
    assert found.rule.startswith("one of ")


@pytest.mark.parametrize(
    ("config", "key", "rule"),
    [
        ({"kms_key": "a" * 2049}, "kms_key", "at most 2048 characters"),
        ({"capture": replace(CAPTURE, percent=101)}, "capture.percent", "at most 100"),
        (
            {"capture": replace(CAPTURE, destination="s3://b/" + "x" * 506)},
            "capture.destination",
            "at most 512 characters",
        ),
        (
            {"capture": replace(CAPTURE, modes=("Both",))},
            "capture.modes",
            "one of Input, Output, InputAndOutput",
        ),
        (
            {"capture": replace(CAPTURE, csv_types=tuple(f"text/x{n}" for n in range(11)))},
            "capture.csv_types",
            "at most 10 of them",
        ),
        ({"async_inference": replace(ASYNC, max_concurrent=1001)}, "async.max_concurrent", "at most 1000"),
        (
            {"async_inference": replace(ASYNC, output="s3://b/" + "x" * 506)},
            "async.output",
            "at most 512 characters",
        ),
        (
            {"variants": tuple(replace(VARIANT, name=f"v{n}") for n in range(11))},
            "variants",
            "at most 10 of them",
        ),
        (
            {"variants": (VARIANT, replace(VARIANT, name="b", volume_gb=513))},
            "variants.b.volume_gb",
            "at most 512",
        ),
        (
            {"variants": (VARIANT, replace(VARIANT, name="b" * 64))},
            "variants." + "b" * 64,
            "at most 63 characters",
        ),
        ({"shadows": (replace(VARIANT, name="s", volume_gb=513),)}, "shadow.volume_gb", "at most 512"),
        ({"shadows": (replace(VARIANT, name="s" * 64),)}, "shadow.name", "at most 63 characters"),
    ],
)
def test_a_value_just_over_a_limit_of_an_endpoint_config_is_found(
    config: dict[str, object], key: str, rule: str
) -> None:
    changed = replace(CONFIG, **config)  # type: ignore[arg-type]  # any field's value
    assert keys(violations(revision(config=changed), AT_ONCE, ())) == [(f"endpoint.{key}", rule)]


@pytest.mark.parametrize(
    ("model", "key", "rule"),
    [
        ({"image": "a" * 256}, "container.image", "at most 255 characters"),
        ({"image": "a b"}, "container.image", "of the form [\\S]+"),
        ({"artifact": "s3://b/" + "x" * 1018}, "bucket", "at most 1024 characters"),
        ({"artifact": "s3://b/" + "x" * 1017 + "/"}, "bucket", "at most 1024 characters"),
        (
            {"role": "arn:aws:iam::1:role/x"},
            "role_arn",
            r"of the form arn:aws[a-z\-]*:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+",
        ),
        (
            {"vpc": Vpc(tuple(f"sg-{n}" for n in range(6)), ("s",))},
            "endpoint.vpc.security_groups",
            "at most 5 of them",
        ),
        (
            {"vpc": Vpc(("sg",), tuple(f"s-{n}" for n in range(17)))},
            "endpoint.vpc.subnets",
            "at most 16 of them",
        ),
        (
            {"environment": tuple((f"K{n}", "v") for n in range(101))},
            "endpoint.environment",
            "at most 100 of them",
        ),
        ({"environment": (("K", "v" * 1025),)}, "endpoint.environment.K", "at most 1024 characters"),
        ({"tags": tuple((f"k{n}", "v") for n in range(51))}, "tags", "at most 50 of them"),
        ({"tags": (("k" * 129, "v"),)}, "tags", "at most 128 characters"),
        ({"tags": (("k", "v" * 257),)}, "tags", "at most 256 characters"),
        ({"tags": (("k", "<v>"),)}, "tags", r"of the form ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)"),
    ],
)
def test_a_value_just_over_a_limit_of_a_model_is_found(model: dict[str, object], key: str, rule: str) -> None:
    changed = replace(MODEL, **model)  # type: ignore[arg-type]  # any field's value
    assert keys(violations(revision(model=changed), AT_ONCE, ())) == [(key, rule)]


@pytest.mark.parametrize(
    ("rollout", "key", "rule"),
    [
        (Rollout(bake_seconds=3601), "bake_seconds", "at most 3600"),
        (Rollout(final_bake_seconds=3601), "final_bake_seconds", "at most 3600"),
        (Rollout(timeout_seconds=599), "timeout_seconds", "at least 600"),
        (Rollout(timeout_seconds=28801), "timeout_seconds", "at most 28800"),
        (Rollout(alarms=tuple(f"a{n}" for n in range(11))), "alarms", "at most 10 of them"),
        (Rollout(alarms=("a" * 256,)), "alarms", "at most 255 characters"),
        (Rollout(Kind.CANARY, Size(0)), "size_percent", "at least 1"),
        (Rollout(Kind.LINEAR, Size(0, Unit.INSTANCES)), "size_instances", "at least 1"),
        (Rollout(Kind.ROLLING, Size(0, Unit.INSTANCES)), "size_instances", "at least 1"),
        (Rollout(Kind.ROLLING, Size(10), bake_seconds=3601), "bake_seconds", "at most 3600"),
        (Rollout(Kind.ROLLING, Size(10), timeout_seconds=599), "timeout_seconds", "at least 600"),
        (Rollout(Kind.ROLLING, Size(10), rollback_size=Size(0)), "rollback_percent", "at least 1"),
    ],
)
def test_a_value_just_over_a_limit_of_a_rollout_is_found(rollout: Rollout, key: str, rule: str) -> None:
    assert keys(violations(revision(), rollout, ())) == [(f"rollout.{key}", rule)]


@pytest.mark.parametrize(
    ("scaling", "key", "rule"),
    [
        (
            {"tracking": (replace(TRACKING, name="n" * 257),)},
            f"tracking.{'n' * 257}.name",
            "at most 256 characters",
        ),
        ({"steps": (replace(STEP, comparison="Above"),)}, "steps.wake.comparison", "one of"),
        ({"steps": (replace(STEP, period_seconds=0),)}, "steps.wake.period_seconds", "at least 1"),
        ({"steps": (replace(STEP, name="n" * 250),)}, f"steps.{'n' * 250}.name", "at most 255 characters"),
        ({"schedules": (Schedule("a:b", "rate(1 day)"),)}, "schedules.a:b.name", "of the form"),
        ({"schedules": (Schedule("a", "x" * 1601),)}, "schedules.a.expression", "at most 1600 characters"),
    ],
)
def test_a_value_just_over_a_limit_of_autoscaling_is_found(
    scaling: dict[str, object], key: str, rule: str
) -> None:
    changed = replace(SCALING, **scaling)  # type: ignore[arg-type]  # any field's value
    (found,) = violations(revision(), AT_ONCE, (changed,))
    assert found.key == f"autoscaling.{key}"
    assert found.rule.startswith(rule)


def test_with_several_scalings_the_key_says_whose() -> None:
    other = Scaling("b", 1, 2, schedules=(Schedule("a", "x" * 1601),))
    (found,) = violations(revision(), AT_ONCE, (SCALING, other))
    assert found.key == "autoscaling.variants.b.schedules.a.expression"


@pytest.mark.parametrize("name", ["a_b", "-a", "a\n", "a\x1b[31m", "a" * 10_000])
def test_a_name_that_is_wrong_is_named_once_for_each_rule_however_many_names_are_made_from_it(
    name: str,
) -> None:
    made = revision(name, replace(MODEL, name=f"{name}-0"), replace(CONFIG, name=f"{name}-1"))
    found = [violation for violation in violations(made, AT_ONCE, ()) if violation.key == "name"]
    assert 1 <= len(found) <= 3
    assert len({violation.rule for violation in found}) == len(found)
    assert all(len(violation.value) < 90 for violation in found)
    assert all((violation.key + violation.value).isprintable() for violation in found)


def test_the_value_of_a_variable_is_never_shown() -> None:
    (found,) = violations(revision(model=replace(MODEL, environment=(("K", "secret" * 200),))), AT_ONCE, ())
    assert found.value == "1200 characters"


def test_a_variable_whose_name_moves_the_cursor_is_named_without_doing_so() -> None:
    (found,) = violations(revision(model=replace(MODEL, environment=(("\x1b[2J", "v"),))), AT_ONCE, ())
    assert found.key == "endpoint.environment.\\x1b[2J"
