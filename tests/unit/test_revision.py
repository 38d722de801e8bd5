"""Revisions: named by what they consist of, and made again from what the journal kept of them."""

import json
from dataclasses import replace

import pytest

from orchestrator.core import revision
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    InstancePool,
    Serverless,
    Variant,
    Vpc,
)
from orchestrator.core.revision import ENDPOINT_TAG, Golden, Revision, Source, make
from orchestrator.core.scaling import Scaling, TargetTracking
from orchestrator.core.target import EndpointSpec, Mode

IDENTITY = "a" * 64
SOURCE = Source(
    IDENTITY,
    f"s3://bucket/orchestrator/digits/artifacts/{IDENTITY}/model.tar.gz",
    "image:1",
    "arn:aws:iam::123456789012:role/sagemaker",
)
PLAIN = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),))
GOLDEN = Golden("orchestrator/digits/golden/1.json", 1e-4)
# What the journal of a version that knew of nothing but this holds.
OLD_RECORD = {
    "endpoint": "digits",
    "artifact": IDENTITY,
    "model": {
        "name": "digits-9b721fee7bf4",
        "image": "image:1",
        "artifact": SOURCE.url,
        "role": SOURCE.role,
        "environment": [
            ["SAGEMAKER_MODEL_SERVER_WORKERS", "1"],
            ["SAGEMAKER_PROGRAM", "predict.py"],
            ["SAGEMAKER_SUBMIT_DIRECTORY", "/opt/ml/model/code"],
            ["TS_DEFAULT_RESPONSE_TIMEOUT", "60"],
            ["TS_MAX_REQUEST_SIZE", "26214400"],
            ["TS_MAX_RESPONSE_SIZE", "26214400"],
        ],
        "tags": [["orchestrator:endpoint", "digits"], ["team", "ml"]],
    },
    "config": {
        "name": "digits-e07885f07128",
        "variants": [
            {
                "name": "primary",
                "model": "digits-9b721fee7bf4",
                "instance_type": "ml.m5.large",
                "instance_count": 1,
                "weight": 1.0,
            }
        ],
        "tags": [["orchestrator:endpoint", "digits"], ["team", "ml"]],
    },
    "golden": {"key": GOLDEN.key, "atol": GOLDEN.atol},
}
POOLS = (InstancePool("ml.g5.xlarge", 1), InstancePool("ml.g4dn.xlarge", 2))
RICH = EndpointSpec(
    mode=Mode.ASYNC,
    variants=(
        Variant("a", "", "", 2, 3.0, POOLS, volume_gb=50, ami="ami-1", routing="RANDOM"),
        Variant("b", "somebody-elses", "ml.m5.large", 1, startup_timeout_seconds=600),
    ),
    environment=(("LEVEL", "debug"), ("TS_DEFAULT_RESPONSE_TIMEOUT", "30")),
    vpc=Vpc(("sg-1",), ("subnet-1", "subnet-2")),
    network_isolation=True,
    capture=Capture("s3://captured/", 10, json_types=("application/json",)),
    async_inference=AsyncInference("s3://out/", error_topic="arn:aws:sns:eu-west-1:1:t", max_concurrent=4),
    kms_key="key-1",
)


def made(spec: EndpointSpec = PLAIN, **changes: str) -> Revision:
    return make("digits", replace(SOURCE, **changes), spec, tags=(("team", "ml"),), golden=GOLDEN)


def test_a_plain_revision_has_the_name_that_it_always_had() -> None:
    assert made().name == "digits-e07885f07128"
    assert made().model.name == "digits-9b721fee7bf4"


def test_a_record_of_an_old_journal_is_the_revision_that_is_made_today() -> None:
    assert revision.from_record(json.loads(json.dumps(OLD_RECORD))) == made()


@pytest.mark.parametrize("spec", [PLAIN, RICH])
def test_a_revision_is_made_again_from_its_record(spec: EndpointSpec) -> None:
    scalings = (Scaling("a", 1, 4, tracking=(TargetTracking("t", "metric", 600.0),)),)
    wanted = replace(made(spec), scalings=scalings)
    assert revision.from_record(json.loads(json.dumps(revision.to_record(wanted)))) == wanted


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("model", "network_isolation", "yes"),
        ("model", "vpc", {"subnets": []}),
        ("config", "variants", [{"name": "primary"}]),
        ("config", "colour", "red"),
        ("golden", "atol", "small"),
    ],
)
def test_what_is_no_record_of_a_revision_is_refused(table: str, key: str, value: object) -> None:
    record: dict[str, dict[str, object]] = json.loads(json.dumps(OLD_RECORD))
    record[table][key] = value
    with pytest.raises((KeyError, TypeError, ValueError)):
        revision.from_record(record)


@pytest.mark.parametrize(
    "spec",
    [
        replace(PLAIN, environment=(("LEVEL", "debug"),)),
        replace(PLAIN, environment=(("EMPTY", ""),)),
        replace(PLAIN, vpc=Vpc(("sg-1",), ("subnet-1",))),
        replace(PLAIN, network_isolation=True),
        replace(PLAIN, kms_key="key-1"),
        replace(PLAIN, capture=Capture("s3://captured/", 10)),
        replace(PLAIN, capture=Capture("s3://captured/", 0)),
        replace(PLAIN, async_inference=AsyncInference("s3://out/")),
        replace(PLAIN, shadow=Variant("shadow", "", "ml.m5.large", 1)),
        EndpointSpec(variants=(Variant("other", "", "ml.m5.large", 1),)),
        EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 2),)),
        EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1, 0.0),)),
        EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1, volume_gb=8),)),
        EndpointSpec(variants=(Variant("primary", "", serverless=Serverless(2048, 5)),)),
        RICH,
    ],
)
def test_whatever_an_endpoint_consists_of_is_part_of_the_name(spec: EndpointSpec) -> None:
    names = {made().name, made(spec).name, made(spec, image="image:2").name, made(spec, role="role").name}
    assert len(names) == 4


def test_golden_cases_and_scaling_are_no_part_of_the_name() -> None:
    scalings = (Scaling("primary", 1, 4),)
    scaled = make("digits", SOURCE, PLAIN, tags=(("team", "ml"),), golden=None, scalings=scalings)
    assert scaled.name == made().name
    assert scaled.scalings == scalings


def test_variants_that_name_no_model_serve_the_one_that_is_made() -> None:
    found = made(replace(RICH, shadow=Variant("shadow", "", "ml.m5.large", 1)))
    assert [variant.model for variant in found.config.variants] == [found.model.name, "somebody-elses"]
    assert [variant.model for variant in found.config.shadows] == [found.model.name]
    assert found.models == {found.model}
    assert found.config.models == {found.model.name, "somebody-elses"}


def test_the_specs_variables_win_over_what_every_container_is_told() -> None:
    environment = dict(made(RICH).model.environment)
    assert environment["LEVEL"] == "debug"
    assert environment["TS_DEFAULT_RESPONSE_TIMEOUT"] == "30"
    assert environment["SAGEMAKER_PROGRAM"] == "predict.py"
    assert list(made(RICH).model.environment) == sorted(environment.items())


def test_everything_that_an_endpoint_consists_of_reaches_its_resources() -> None:
    found = made(RICH)
    assert found.model.vpc == RICH.vpc
    assert found.model.network_isolation
    assert found.config.capture == RICH.capture
    assert found.config.async_inference == RICH.async_inference
    assert found.config.kms_key == RICH.kms_key
    assert dict(found.model.tags) == dict(found.config.tags) == {"team": "ml", ENDPOINT_TAG: "digits"}
