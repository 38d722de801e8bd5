"""Artifacts that are not one archive but files below a prefix: published, described, and served."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from orchestrator.adapters.archives import tarball
from orchestrator.adapters.aws import Address, clients
from orchestrator.adapters.sagemaker import SageMaker
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core.archive import MANIFEST
from orchestrator.core.names import artifact_prefix
from orchestrator.core.resources import Variant
from orchestrator.core.revision import Source, make, tags_of
from orchestrator.core.target import EndpointSpec
from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY
from orchestrator.usecases.publish import publish as publish_build
from tests.support.builds import build, spec
from tests.support.clouds import BUCKET, ROLE, STANDIN, TestCloud, await_settled, local_cloud, publish
from tests.support.clouds import archive as packed
from tests.support.fakes import SilentTransfer

UNCOMPRESSED = {"S3DataType": "S3Prefix", "CompressionType": "None"}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as running:
        yield running


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"m-{hashlib.sha256(request.node.name.encode()).hexdigest()[:12]}"


def put(cloud: TestCloud, prefix: str, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        cloud.client("s3").put_object(Bucket=BUCKET, Key=f"{prefix}/{path}", Body=content)


def container(source: dict[str, str], **more: str) -> dict[str, Any]:
    return {"Image": "pytorch-inference", "ModelDataSource": {"S3DataSource": source}, **more}


def deploy(cloud: TestCloud, name: str, primary: dict[str, Any]) -> None:
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(ModelName=name, PrimaryContainer=primary, ExecutionRoleArn=ROLE)
    variant = {"VariantName": "primary", "ModelName": name, "InstanceType": "ml.m7i.large"}
    sagemaker.create_endpoint_config(
        EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)


def served(cloud: TestCloud, name: str) -> str:
    await_settled(cloud, name)
    answer = cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")
    return str(answer["CustomAttributes"])


def failure(cloud: TestCloud, name: str) -> str:
    sagemaker = cloud.client("sagemaker")
    with pytest.raises(WaiterError, match="Failed"):
        await_settled(cloud, name)
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Failed"
    events = cloud.client("logs").filter_log_events(logGroupName=f"/aws/sagemaker/Endpoints/{name}")["events"]
    return "\n".join(event["message"] for event in events)


def test_files_below_a_prefix_are_served_and_described_as_they_were_asked_for(
    cloud: TestCloud, name: str
) -> None:
    put(cloud, name, {"answer": b"from files", "code/predict.py": b"pass", "code/src/net.py": b""})
    primary = container({"S3Uri": f"s3://{BUCKET}/{name}/", **UNCOMPRESSED})
    deploy(cloud, name, primary)
    described = cloud.client("sagemaker").describe_model(ModelName=name)["PrimaryContainer"]
    assert described == primary
    assert served(cloud, name) == "from files"


def test_one_archive_may_be_named_as_a_source_as_well(cloud: TestCloud, name: str) -> None:
    publish(cloud, f"{name}-archive", packed({"answer": b"from an archive"}))
    url = f"s3://{BUCKET}/{name}-archive/model.tar.gz"
    deploy(cloud, name, container({"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}))
    assert served(cloud, name) == "from an archive"


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"s3://{BUCKET}/nothing/below/", "Could not find model data at s3://models/nothing/below/"),
        ("s3://no-such-bucket/model/", "Could not find model data"),
        (f"s3://{BUCKET}/model", "must end with a forward slash"),
    ],
)
def test_a_prefix_that_names_nothing_is_refused_when_the_model_is_made(
    cloud: TestCloud, uri: str, words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        cloud.client("sagemaker").create_model(
            ModelName="refused",
            PrimaryContainer=container({"S3Uri": uri, **UNCOMPRESSED}),
            ExecutionRoleArn=ROLE,
        )


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"answer": b"x", "code/": b""}, "has a name that SageMaker refuses"),
        ({"answer": b"x", "a//b": b""}, "has a name that SageMaker refuses"),
        ({"answer": b"x", "weights": b"", "weights/part1": b""}, "'weights' is a folder as well"),
    ],
)
def test_files_that_sagemaker_would_not_take_fail_the_endpoint_and_the_log_says_why(
    cloud: TestCloud, name: str, files: dict[str, bytes], words: str
) -> None:
    put(cloud, name, files)
    deploy(cloud, name, container({"S3Uri": f"s3://{BUCKET}/{name}/", **UNCOMPRESSED}))
    assert words in failure(cloud, name)


def test_a_build_is_published_served_and_after_a_change_of_its_code_sent_without_its_weights(
    cloud: TestCloud,
) -> None:
    made_clients = clients(Address(REGION, endpoint_url=cloud.url, credentials=(ACCESS_KEY, SECRET_KEY)))
    store, sagemaker = S3Store(made_clients, BUCKET), SageMaker(made_clients)
    first = build(answer=b"from a build")
    found = publish_build(spec(), first, tarball, store, SilentTransfer())
    source = Source(first.identity, found.url, "pytorch-inference", ROLE)
    wanted = make(
        "digits",
        source,
        EndpointSpec(variants=(Variant("primary", "", "ml.m7i.large", 1),)),
        tags=(),
        golden=None,
    )
    sagemaker.create_model(wanted.model)
    sagemaker.create_endpoint_config(wanted.config)
    sagemaker.create_endpoint("digits", wanted.name, tags_of("digits", ()))
    assert served(cloud, "digits") == "from a build"

    second = build(predict=b"second", answer=b"from a build")
    found = publish_build(spec(), second, tarball, store, SilentTransfer())
    sizes = {file.path: file.size_bytes for file in second.files}
    assert found.sent_bytes == sizes["code/predict.py"] + sizes[MANIFEST]
    assert found.copied_bytes == sum(sizes.values()) - found.sent_bytes
    prefix = artifact_prefix("digits", second.identity)
    assert {key.removeprefix(prefix): len(store.read(key)) for key in store.keys(prefix)} == sizes
    assert not publish_build(spec(), second, tarball, store, SilentTransfer()).stored


def test_a_build_as_an_archive_is_packed_while_it_is_sent(cloud: TestCloud, tmp_path: Path) -> None:
    made_clients = clients(Address(REGION, endpoint_url=cloud.url, credentials=(ACCESS_KEY, SECRET_KEY)))
    store, made = S3Store(made_clients, BUCKET), build()
    found = publish_build(spec("tar.gz"), made, tarball, store, SilentTransfer())
    store.download(found.url.removeprefix(f"s3://{BUCKET}/"), str(tmp_path / "model.tar.gz"))
    assert (tmp_path / "model.tar.gz").stat().st_size == found.sent_bytes
    assert tarball.contents(str(tmp_path / "model.tar.gz")).files == tuple(sorted(made.files))
