"""The control plane of a local cloud as plain boto3, and whoever sends what boto3 never would, see it."""

import contextlib
import http.client
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from orchestrator.localcloud.defaults import ACCESS_KEY, REGION
from tests.support.clouds import (
    BUCKET,
    POLL,
    ROLE,
    STANDIN,
    TestCloud,
    archive,
    await_settled,
    local_cloud,
    publish,
)
from tests.support.servers import eventually

pytestmark = pytest.mark.slow

SIGNED = f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/{REGION}/sagemaker/aws4_request, Signature=x"
JSON = "application/x-amz-json-1.1"
HOST = {"VariantName": "host", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6-cpu"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud") / "state", STANDIN) as running:
        yield running


def component(cloud: TestCloud, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = cloud.client("sagemaker").describe_inference_component(
        InferenceComponentName=name
    )
    return found


def await_component(cloud: TestCloud, name: str) -> None:
    eventually(
        lambda: component(cloud, name)["InferenceComponentStatus"] == "InService", "the component serves"
    )


def invoke(cloud: TestCloud, endpoint: str, **members: str) -> str:
    runtime = cloud.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=b"x", **members)
    answer["Body"].read()
    return str(answer["CustomAttributes"])


def test_a_model_on_an_endpoint_without_one_serves_scales_to_zero_and_goes(cloud: TestCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    cloud.client("s3").put_object(Bucket=BUCKET, Key="part.tar.gz", Body=archive({"answer": b"part"}))
    sagemaker.create_endpoint_config(
        EndpointConfigName="hosts", ExecutionRoleArn=ROLE, ProductionVariants=[HOST]
    )
    sagemaker.create_endpoint(EndpointName="hosts", EndpointConfigName="hosts")
    await_settled(cloud, "hosts")
    with pytest.raises(ClientError, match="Inference Component Name header is required"):
        invoke(cloud, "hosts")
    sagemaker.create_inference_component(
        InferenceComponentName="part",
        EndpointName="hosts",
        VariantName="host",
        Specification={
            "Container": {"Image": IMAGE, "ArtifactUrl": f"s3://{BUCKET}/part.tar.gz"},
            "ComputeResourceRequirements": {"MinMemoryRequiredInMb": 128},
        },
        RuntimeConfig={"CopyCount": 1},
    )
    await_component(cloud, "part")
    assert invoke(cloud, "hosts", InferenceComponentName="part") == "part"
    for count in (0, 1):
        sagemaker.update_inference_component_runtime_config(
            InferenceComponentName="part", DesiredRuntimeConfig={"CopyCount": count}
        )
        await_component(cloud, "part")
        assert component(cloud, "part")["RuntimeConfig"]["CurrentCopyCount"] == count
        if not count:
            with pytest.raises(ClientError, match="Inference Component has no capacity"):
                invoke(cloud, "hosts", InferenceComponentName="part")
    assert invoke(cloud, "hosts", InferenceComponentName="part") == "part"
    with pytest.raises(ClientError, match="has inference components"):
        sagemaker.delete_endpoint(EndpointName="hosts")
    sagemaker.delete_inference_component(InferenceComponentName="part")
    eventually(
        lambda: not sagemaker.list_inference_components(NameContains="part")["InferenceComponents"], "gone"
    )
    sagemaker.delete_endpoint(EndpointName="hosts")
    sagemaker.get_waiter("endpoint_deleted").wait(EndpointName="hosts", WaiterConfig=POLL)


def test_an_approved_version_of_a_group_is_deployed_by_its_name(cloud: TestCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    cloud.client("s3").put_object(Bucket=BUCKET, Key="version.tar.gz", Body=archive({"answer": b"version"}))
    sagemaker.create_model_package_group(ModelPackageGroupName="versions")
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{BUCKET}/version.tar.gz"}
    arn = sagemaker.create_model_package(
        ModelPackageGroupName="versions",
        InferenceSpecification={"Containers": [container]},
        ModelApprovalStatus="Approved",
    )["ModelPackageArn"]
    sagemaker.create_model(
        ModelName="version", ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": arn}
    )
    variant = {**HOST, "VariantName": "v", "ModelName": "version"}
    sagemaker.create_endpoint_config(EndpointConfigName="version", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="version", EndpointConfigName="version")
    await_settled(cloud, "version")
    assert invoke(cloud, "version") == "version"


def test_our_resources_are_among_those_that_the_tagging_api_finds(cloud: TestCloud) -> None:
    publish(cloud, "tagged", archive({"answer": b"x"}))
    arn = cloud.client("sagemaker").describe_model(ModelName="tagged")["ModelArn"]
    cloud.client("sagemaker").add_tags(ResourceArn=arn, Tags=[{"Key": "found", "Value": "here"}])
    tagging = cloud.client("resourcegroupstaggingapi")
    found = tagging.get_resources(
        TagFilters=[{"Key": "found", "Values": ["here"]}], ResourceTypeFilters=["sagemaker:model"]
    )
    assert found["ResourceTagMappingList"] == [
        {"ResourceARN": arn, "Tags": [{"Key": "found", "Value": "here"}]}
    ]
    assert not tagging.get_resources(ResourceTypeFilters=["sagemaker:pipeline"])["ResourceTagMappingList"]


def test_every_paginator_goes_to_the_end(cloud: TestCloud) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="pages")
    for _ in range(13):
        sagemaker.create_model_package(ModelPackageGroupName="pages")
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName="pages")
    found = [line["ModelPackageVersion"] for page in pages for line in page["ModelPackageSummaryList"]]
    assert found == list(range(13, 0, -1))
    for kind in ("list_model_package_groups", "list_inference_components", "list_endpoints", "list_models"):
        assert list(sagemaker.get_paginator(kind).paginate(PaginationConfig={"PageSize": 1}))


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("create_training_job", {}, "UnsupportedOperation"),
        ("list_hubs", {}, "UnsupportedOperation"),
        ("search", {"Resource": "ModelPackage"}, "UnsupportedOperation"),
    ],
)
def test_what_would_be_pretended_is_refused_by_name(
    cloud: TestCloud, operation: str, request_: dict[str, str], code: str
) -> None:
    required = {
        "TrainingJobName": "t",
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://a/b"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {},
    }
    members = required if operation == "create_training_job" else request_
    with pytest.raises(ClientError) as caught:
        getattr(cloud.client("sagemaker"), operation)(**members)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def sent(
    connection: http.client.HTTPConnection, method: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, str, bytes]:
    connection.request(method, "/", body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.headers.get("content-type", ""), answer.read()


@pytest.mark.parametrize(
    ("method", "target", "kind", "body", "code"),
    [
        ("POST", "SageMaker.CreateNothing", JSON, b"{}", "UnknownOperationException"),
        ("POST", "SageMaker.", JSON, b"{}", "UnknownOperationException"),
        ("POST", "Other.CreateModel", JSON, b"{}", "UnknownOperationException"),
        ("POST", "", JSON, b"{}", "UnknownOperationException"),
        ("POST", "", JSON, b"", "UnknownOperationException"),
        ("GET", "", JSON, b"", "UnknownOperationException"),
        ("PUT", "", "text/html", b"<html>", "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b"{", "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b"\xff\xfe", "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b"[" * 100_000, "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b"[1]", "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b'{"ModelName": "\\ud800"}', "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b'{"ModelName": 1}', "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b'{"Nothing": 1}', "SerializationException"),
        ("POST", "SageMaker.CreateModel", JSON, b"", "ValidationException"),
        ("POST", "SageMaker.CreateModel", "text/plain", b"{}", "ValidationException"),
        ("POST", "SageMaker.CreateModel", "application/x-www-form-urlencoded", b"{}", "ValidationException"),
        ("POST", "SageMaker.ListTags", JSON, b'{"ResourceArn": 1}', "SerializationException"),
        ("POST", "SageMaker.ListTags", JSON, b"{}", "ValidationException"),
    ],
)
def test_a_malformed_request_gets_the_error_of_aws(
    cloud: TestCloud, method: str, target: str, kind: str, body: bytes, code: str
) -> None:
    headers = {"Authorization": SIGNED, "Content-Type": kind, **({"X-Amz-Target": target} if target else {})}
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc, timeout=20)
    with contextlib.closing(connection):
        status, content_type, answer = sent(connection, method, body, headers)
    assert (status, content_type) == (400, JSON)
    assert json.loads(answer)["__type"] == code


VALUES: list[object] = [
    None,
    0,
    -1,
    1e300,
    "",
    "x",
    "a" * 5000,
    "../..",
    [],
    [None],
    {},
    {"": {}},
    [[]],
    True,
    "é\u0000",
]
OPERATIONS = [
    "CreateModel CreateEndpointConfig CreateEndpoint UpdateEndpoint DescribeEndpoint DeleteModel",
    "CreateModelPackage UpdateModelPackage ListModelPackages BatchDescribeModelPackage DescribeModelPackage",
    "CreateInferenceComponent UpdateInferenceComponent ListInferenceComponents AddTags ListTags DeleteTags",
    "ListModelPackageGroups ListEndpoints PutModelPackageGroupPolicy CreateTransformJob DescribeModel",
]
MEMBERS = [
    "ModelName EndpointName EndpointConfigName ProductionVariants PrimaryContainer Tags ResourceArn",
    "ModelPackageName ModelPackageGroupName ModelPackageArn ModelPackageArnList NextToken MaxResults SortBy",
    "InferenceSpecification InferenceComponentName Specification RuntimeConfig DeploymentConfig TagKeys",
    "CreationTimeBefore Containers NameContains StatusEquals VariantName ResourcePolicy",
]


def test_no_nonsense_makes_anything_but_an_error_of_aws(cloud: TestCloud) -> None:
    chance = random.Random(6)  # noqa: S311 - the same nonsense each time
    operations, members = " ".join(OPERATIONS).split(), " ".join(MEMBERS).split()
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc, timeout=20)
    statuses = set()
    with contextlib.closing(connection):
        for _ in range(400):
            operation = chance.choice(operations)
            request = {chance.choice(members): chance.choice(VALUES) for _ in range(chance.randint(0, 4))}
            headers = {
                "Authorization": SIGNED,
                "Content-Type": JSON,
                "X-Amz-Target": f"SageMaker.{operation}",
            }
            status, kind, answer = sent(connection, "POST", json.dumps(request).encode(), headers)
            statuses.add(status)
            assert (status in {200, 400}, kind) == (True, JSON), (operation, request, answer)
            assert status == 200 or json.loads(answer)["__type"], (operation, request, answer)
    assert statuses == {200, 400}
