"""Core values as requests of SageMaker's API, and back."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters import answers, requests
from orchestrator.core.clouds import Capacity, Update
from orchestrator.core.resources import (
    AsyncInference,
    Capture,
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    InstancePool,
    Model,
    Serverless,
    Stage,
    Variant,
    VariantStatus,
    Vpc,
)
from orchestrator.core.rollout import Kind, Rollout, Size, Unit

TEXT = st.text("abcdefgh-0123456789", min_size=1, max_size=12)
ADDRESS = TEXT.map(lambda name: f"s3://bucket/{name}")
MAYBE_TEXT = st.none() | TEXT
COUNT = st.integers(1, 3600)
MAYBE_COUNT = st.none() | COUNT
SETS = st.sets(TEXT, max_size=3).map(lambda names: tuple(sorted(names)))
FULL_SETS = st.sets(TEXT, min_size=1, max_size=3).map(lambda names: tuple(sorted(names)))
PAIRS = st.dictionaries(TEXT, st.text(max_size=8), max_size=4).map(lambda pairs: tuple(sorted(pairs.items())))

MODELS = st.builds(
    Model,
    name=TEXT,
    image=TEXT,
    artifact=ADDRESS | ADDRESS.map(lambda address: f"{address}/"),
    role=TEXT,
    environment=PAIRS,
    tags=PAIRS,
    vpc=st.none() | st.builds(Vpc, FULL_SETS, FULL_SETS),
    network_isolation=st.booleans(),
)
POOLS = st.lists(st.builds(InstancePool, TEXT, st.integers(1, 5)), max_size=5).map(tuple)
VARIANTS = st.builds(
    Variant,
    name=TEXT,
    model=st.just("") | TEXT,
    instance_type=st.just("") | TEXT,
    instance_count=st.integers(0, 9),
    weight=st.floats(0, 100),
    pools=POOLS,
    serverless=st.none() | st.builds(Serverless, COUNT, COUNT, MAYBE_COUNT),
    volume_gb=MAYBE_COUNT,
    download_timeout_seconds=MAYBE_COUNT,
    startup_timeout_seconds=MAYBE_COUNT,
    provision_timeout_seconds=MAYBE_COUNT,
    ami=MAYBE_TEXT,
    routing=MAYBE_TEXT,
)
CAPTURES = st.builds(
    Capture,
    destination=ADDRESS,
    percent=st.integers(0, 100),
    modes=st.sampled_from([("Input",), ("Output",), ("Input", "Output"), ("InputAndOutput",)]),
    kms_key=MAYBE_TEXT,
    csv_types=SETS,
    json_types=SETS,
)
ASYNC = st.builds(AsyncInference, ADDRESS, MAYBE_TEXT, MAYBE_TEXT, MAYBE_TEXT, MAYBE_TEXT, MAYBE_COUNT)
CONFIGS = st.builds(
    EndpointConfig,
    name=TEXT,
    variants=st.lists(VARIANTS, min_size=1, max_size=3).map(tuple),
    tags=PAIRS,
    shadows=st.lists(VARIANTS, max_size=1).map(tuple),
    capture=st.none() | CAPTURES,
    async_inference=st.none() | ASYNC,
    kms_key=MAYBE_TEXT,
)


# What SageMaker describes has the members that it was created with, and tags apart.
@given(MODELS)
@settings(max_examples=60, deadline=None)
def test_every_field_of_a_model_comes_back_as_it_was_sent(model: Model) -> None:
    request: dict[str, Any] = requests.model(model)
    assert answers.model(request, answers.tags(request.pop("Tags"))) == model


@given(CONFIGS)
@settings(max_examples=60, deadline=None)
def test_every_field_of_an_endpoint_config_comes_back_as_it_was_sent(config: EndpointConfig) -> None:
    request: dict[str, Any] = requests.config(config)
    assert answers.config(request, answers.tags(request.pop("Tags"))) == config


PLAIN = Variant("primary", "digits-1", "ml.m5.large", 2)


def test_what_is_absent_is_left_to_sagemaker() -> None:
    assert requests.config(EndpointConfig("digits-2", (PLAIN,))) == {
        "EndpointConfigName": "digits-2",
        "ProductionVariants": [
            {
                "VariantName": "primary",
                "ModelName": "digits-1",
                "InstanceType": "ml.m5.large",
                "InitialInstanceCount": 2,
                "InitialVariantWeight": 1.0,
            }
        ],
        "Tags": [],
    }


def test_a_serverless_variant_has_no_instances_at_all() -> None:
    variant = replace(PLAIN, instance_type="", instance_count=0, serverless=Serverless(2048, 5))
    variants: Any = requests.config(EndpointConfig("c", (variant,)))["ProductionVariants"]
    (sent,) = variants
    assert sent["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert not {"InstanceType", "InitialInstanceCount"} & set(sent)


def test_a_capture_that_is_switched_off_is_none() -> None:
    described = requests.config(EndpointConfig("c", (PLAIN,), capture=Capture("s3://b/x", 10)))
    capture: dict[str, Any] = described["DataCaptureConfig"]  # type: ignore[assignment]  # JSON
    assert (
        answers.config({**described, "DataCaptureConfig": {**capture, "EnableCapture": False}}, ()).capture
        is None
    )


def test_what_is_a_set_to_sagemaker_may_come_back_in_another_order() -> None:
    model = Model("m", "i", "s3://b/k", "r", vpc=Vpc(("sg-1", "sg-2"), ("subnet-1", "subnet-2")))
    request: dict[str, Any] = requests.model(model)
    request["VpcConfig"] = {"SecurityGroupIds": ["sg-2", "sg-1"], "Subnets": ["subnet-2", "subnet-1"]}
    assert answers.model(request, ()) == model


def test_the_tags_of_aws_are_not_ours() -> None:
    listed = [{"Key": "team", "Value": "ml"}, {"Key": "aws:cloudformation:stack-name", "Value": "x"}]
    assert answers.tags(listed) == (("team", "ml"),)


@pytest.mark.parametrize(
    ("rollout", "policy"),
    [
        (
            Rollout(final_bake_seconds=60, timeout_seconds=1800),
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
                    "TerminationWaitInSeconds": 60,
                    "MaximumExecutionTimeoutInSeconds": 1800,
                }
            },
        ),
        (
            Rollout(Kind.CANARY, Size(1, Unit.INSTANCES), bake_seconds=300, alarms=("a", "b")),
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {
                        "Type": "CANARY",
                        "WaitIntervalInSeconds": 300,
                        "CanarySize": {"Type": "INSTANCE_COUNT", "Value": 1},
                    },
                    "TerminationWaitInSeconds": 0,
                },
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}, {"AlarmName": "b"}]},
            },
        ),
        (
            Rollout(Kind.LINEAR, Size(20), bake_seconds=60),
            {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": {
                        "Type": "LINEAR",
                        "WaitIntervalInSeconds": 60,
                        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": 20},
                    },
                    "TerminationWaitInSeconds": 0,
                }
            },
        ),
        (
            Rollout(Kind.ROLLING, Size(25), bake_seconds=60, rollback_size=Size(50)),
            {
                "RollingUpdatePolicy": {
                    "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 25},
                    "WaitIntervalInSeconds": 60,
                    "RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50},
                }
            },
        ),
    ],
    ids=["all-at-once", "canary", "linear", "rolling"],
)
def test_a_rollout_is_exactly_one_policy(rollout: Rollout, policy: dict[str, object]) -> None:
    assert requests.deployment(rollout) == policy


def test_an_update_says_its_deployment_config_and_never_retains_one() -> None:
    sent = requests.update(Update("digits", "digits-2"))
    assert set(sent) == {"EndpointName", "EndpointConfigName", "DeploymentConfig"}


def test_where_an_autoscaler_owns_the_counts_they_are_retained_and_weights_are_not() -> None:
    sent = requests.update(Update("digits", "digits-2", retain=True))
    assert sent["RetainAllVariantProperties"] is True
    assert sent["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DesiredWeight"}]


def test_a_count_that_is_to_stay_is_not_sent() -> None:
    assert requests.capacities("digits", [Capacity("a", 0.5), Capacity("b", 1.5, 3)]) == {
        "EndpointName": "digits",
        "DesiredWeightsAndCapacities": [
            {"VariantName": "a", "DesiredWeight": 0.5},
            {"VariantName": "b", "DesiredWeight": 1.5, "DesiredInstanceCount": 3},
        ],
    }


def test_an_endpoint_that_moves_shows_where_to_and_what_is_done_to_its_variants() -> None:
    begun = datetime(2026, 11, 22, tzinfo=UTC)
    baking = {"Status": "Baking", "StatusMessage": "Baking for 300 seconds", "StartTime": begun}
    described = {
        "EndpointName": "digits",
        "EndpointArn": "arn:endpoint",
        "EndpointConfigName": "digits-1",
        "EndpointStatus": "Updating",
        "LastModifiedTime": begun,
        "PendingDeploymentSummary": {
            "EndpointConfigName": "digits-2",
            "ProductionVariants": [{"VariantName": "primary", "VariantStatus": [baking]}],
        },
        "ProductionVariants": [
            {
                "VariantName": "primary",
                "CurrentInstanceCount": 2,
                "DesiredInstanceCount": 3,
                "CurrentWeight": 0.5,
                "DesiredWeight": 1.0,
                "VariantStatus": [{"Status": "Deleting"}],
            }
        ],
    }
    tags = (("orchestrator:endpoint", "digits"), ("team", "ml"))
    assert answers.endpoint(described, tags) == Endpoint(
        name="digits",
        config="digits-1",
        status=EndpointStatus.UPDATING,
        pending="digits-2",
        last_modified=begun.timestamp(),
        variants=(VariantStatus("primary", 2, 3, 0.5, 1.0),),
        owned=True,
        stages=(
            Stage("primary", "Baking", "Baking for 300 seconds", begun.timestamp()),
            Stage("primary", "Deleting"),
        ),
        tags=tags,
    )
