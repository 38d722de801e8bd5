"""What CreateEndpointConfig asks of the variants of an endpoint config."""

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.control.operations import perform
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Scope, World

IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6"
PLAIN = {"VariantName": "v", "ModelName": "m", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
NAMED = {"VariantName": "v", "ModelName": "m"}
POOLS = [{"InstanceType": "ml.g5.xlarge", "Priority": 1}]
RANGE = {"Status": "ENABLED", "MinInstanceCount": 2, "MaxInstanceCount": 4}


def serverless(memory: int = 2048, **members: Any) -> dict[str, Any]:  # noqa: ANN401 - API members
    return {**NAMED, "ServerlessConfig": {"MemorySizeInMB": memory, "MaxConcurrency": 5, **members}}


def asked(world: World, operation: str, **request: Any) -> World:  # noqa: ANN401 - API members
    return perform(world, operation, check(operation, request), 1000.0).world


@pytest.fixture
def world() -> World:
    empty = World(Scope("123456789012", "eu-west-1"))
    return asked(empty, "CreateModel", ModelName="m", PrimaryContainer={"Image": IMAGE})


@pytest.mark.parametrize(
    ("variants", "words"),
    [
        ([NAMED], "must specify InitialInstanceCount and either InstanceType or InstancePools"),
        ([{**NAMED, "InstanceType": "ml.m5.large"}], "must specify InitialInstanceCount"),
        ([{**NAMED, "InitialInstanceCount": 1}], "either InstanceType or InstancePools"),
        ([{**PLAIN, "InstancePools": POOLS}], "either InstanceType or InstancePools"),
        ([{**PLAIN, "ManagedInstanceScaling": RANGE}], "within MinInstanceCount and MaxInstanceCount"),
        ([serverless(), {**PLAIN, "VariantName": "b"}], "must be the only variant"),
        ([{**serverless(), "InstanceType": "ml.m5.large"}], "must not specify instances"),
        ([serverless(2000)], "must be a multiple of 1024"),
        ([serverless(ProvisionedConcurrency=6)], "less than or equal to MaxConcurrency"),
        ([{"VariantName": "v", "ServerlessConfig": serverless()["ServerlessConfig"]}], "must name a model"),
    ],
)
def test_a_variant_that_can_never_serve_is_refused_with_its_endpoint_config(
    world: World, variants: list[Mapping[str, object]], words: str
) -> None:
    with pytest.raises(ApiError, match=words) as caught:
        asked(world, "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=variants)
    assert caught.value.code == "ValidationException"


@pytest.mark.parametrize(
    "variant", [PLAIN, serverless(), {**NAMED, "InitialInstanceCount": 1, "InstancePools": POOLS}]
)
def test_each_of_the_three_forms_of_a_variant_is_taken(world: World, variant: Mapping[str, object]) -> None:
    made = asked(world, "CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant])
    assert set(made.configs) == {"c"}


@pytest.mark.parametrize("key", ["aws:createdBy", "AWS:x"])
def test_tag_keys_that_are_reserved_are_refused(world: World, key: str) -> None:
    tags = [{"Key": key, "Value": "x"}]
    with pytest.raises(ApiError, match="reserved"):
        asked(world, "CreateModel", ModelName="n", PrimaryContainer={"Image": IMAGE}, Tags=tags)


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("us-gov-west-1", "aws-us-gov"), ("cn-north-1", "aws-cn"), ("us-east-1", "aws")],
)
def test_an_arn_has_the_partition_of_its_region(region: str, partition: str) -> None:
    assert Scope("123456789012", region).arn("model", "m").startswith(f"arn:{partition}:sagemaker:{region}:")
