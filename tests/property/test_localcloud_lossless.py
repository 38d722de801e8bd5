"""What is created comes back word for word, whatever of the service model it uses."""

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, given, settings

from orchestrator.core.shapes import problems
from orchestrator.localcloud.control.operations import perform
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Content, Record, Scope, World
from tests.support.service_model import requests, sagemaker

SCOPE = Scope("123456789012", "eu-west-1")
MODEL = Record("any", {"PrimaryContainer": {"ModelDataUrl": "s3://b/m.tar.gz"}}, 1.0)
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def described(world: World, operation: str, made: str, member: str, request: Mapping[str, Any]) -> Content:
    """Create, and return what Describe says; the request must not have been touched."""
    valid = check(operation, request)
    created = perform(world, operation, valid, 1000.0)
    name = created.answer.get(member) or request[member]
    shown = perform(created.world, made, check(made, {member.replace("Arn", "Name"): name}), 1001.0).answer
    shape = sagemaker()["operations"][made]["output"]["shape"]
    assert [
        problem for problem in problems(sagemaker(), shape, shown) if problem.rule.value != "required"
    ] == []
    return shown


def without_tags(request: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in request.items() if name not in {"Tags", "ClientToken"}}


@SETTINGS
@given(requests("CreateModel"))
def test_a_model_comes_back_as_it_was_created(request: Mapping[str, Any]) -> None:
    one = {name: value for name, value in request.items() if name not in {"Containers", "Tags"}}
    container = {"Image": "i", **one.get("PrimaryContainer", {}), "ModelDataUrl": "s3://b/m.tar.gz"}
    # One way to say where the model lies, and no package that would have to be there.
    container = {
        key: value for key, value in container.items() if key not in {"ModelDataSource", "ModelPackageName"}
    }
    asked = {**one, "PrimaryContainer": container}
    shown = described(World(SCOPE), "CreateModel", "DescribeModel", "ModelName", asked)
    assert shown.items() >= asked.items()


def possible(variant: Mapping[str, Any], name: str, *, alone: bool) -> dict[str, Any]:
    """Return a variant without what excludes what else it says: see `rules.variants`."""
    made = {**variant, "VariantName": name}
    if alone and "ModelName" in made and (serverless := made.get("ServerlessConfig")):
        made["ServerlessConfig"] = {**serverless, "MemorySizeInMB": 2048, "MaxConcurrency": 200}
        dropped = {"InstanceType", "InitialInstanceCount", "InstancePools"}
        return {key: value for key, value in made.items() if key not in dropped}
    made = {"InstanceType": "ml.m5.large", **made, "InitialInstanceCount": 3}
    dropped = {"ServerlessConfig", "InstanceType" if made.get("InstancePools") else "InstancePools"}
    if scaling := made.get("ManagedInstanceScaling"):
        made["ManagedInstanceScaling"] = {**scaling, "MinInstanceCount": 1, "MaxInstanceCount": 5}
    return {key: value for key, value in made.items() if key not in dropped}


@SETTINGS
@given(requests("CreateEndpointConfig"))
def test_an_endpoint_config_comes_back_as_it_was_created(request: Mapping[str, Any]) -> None:
    asked = without_tags(request)
    world = World(SCOPE, models={})
    kinds = ("ProductionVariants", "ShadowProductionVariants")
    alone = sum(len(asked.get(kind) or ()) for kind in kinds) == 1
    for kind in kinds:
        if kind in asked:
            asked[kind] = [
                possible(variant, f"{kind}-{number}", alone=alone)
                for number, variant in enumerate(asked[kind])
            ]
            named = {variant["ModelName"]: MODEL for variant in asked[kind] if "ModelName" in variant}
            world = World(SCOPE, models={**world.models, **named})
    shown = described(world, "CreateEndpointConfig", "DescribeEndpointConfig", "EndpointConfigName", asked)
    assert shown.items() >= asked.items()


@SETTINGS
@given(requests("CreateModelPackage"))
def test_a_model_package_comes_back_as_it_was_created(request: Mapping[str, Any]) -> None:
    asked = {
        name: value
        for name, value in request.items()
        if name not in {"Tags", "ModelPackageName", "ModelPackageGroupName", "ValidationSpecification"}
    }
    for kind, members in (
        ("group", {"ModelPackageGroupName": "group"}),
        ("alone", {"ModelPackageName": "alone"}),
    ):
        world = World(SCOPE, groups={"group": Record("group", {}, 1.0)})
        creation = {**asked, **members}
        created = perform(world, "CreateModelPackage", check("CreateModelPackage", creation), 1000.0)
        find = {"ModelPackageName": created.answer["ModelPackageArn"]}
        shown = perform(
            created.world, "DescribeModelPackage", check("DescribeModelPackage", find), 1001.0
        ).answer
        assert shown.items() >= without_tags(creation).items(), kind
