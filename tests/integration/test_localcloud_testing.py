"""The local cloud for the tests of others: in their process, and as fixtures of pytest."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.testing import Cloud, local_cloud
from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, furnish, publish

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running() -> Iterator[Cloud]:
    with local_cloud(container=STANDIN) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: Cloud) -> Iterator[Cloud]:
    yield running
    running.reset()


def deploy(cloud: Cloud) -> None:
    made = TestCloud(cloud.url, cloud.pid, Path(), cloud.environment)
    furnish(made)
    publish(made, "e", archive({"answer": b"here"}))
    made.client("sagemaker").create_endpoint(EndpointName="e", EndpointConfigName="e")
    await_settled(made, "e")
    made.close()


def test_a_reset_leaves_nothing_and_the_same_can_be_made_again(cloud: Cloud) -> None:
    for _ in range(2):
        deploy(cloud)
        cloud.faults.add("throttle", "DescribeModel", times=None)
        process = cloud.client("sagemaker-runtime").invoke_endpoint(
            EndpointName="e", Body=b"", CustomAttributes="pid"
        )
        fleet = int(process["Body"].read())
        cloud.reset()
        assert not Path(f"/proc/{fleet}").exists()
        sagemaker = cloud.client("sagemaker")
        assert sagemaker.list_endpoints()["Endpoints"] == sagemaker.list_models()["Models"] == []
        assert cloud.client("s3").list_buckets()["Buckets"] == []
        assert cloud.client("iam").list_roles()["Roles"] == []
        with pytest.raises(ClientError, match="Could not find model"):
            sagemaker.describe_model(ModelName="e")


def test_faults_of_a_seed_befall_the_same_calls_each_time(cloud: Cloud) -> None:
    def befallen() -> list[bool]:
        cloud.faults.lift()
        cloud.faults.seeded(7).add("throttle", "ListModels", share=0.5)
        found = []
        for _ in range(12):
            try:
                sagemaker.list_models()
            except ClientError:
                found.append(True)
            else:
                found.append(False)
        return found

    sagemaker = cloud.client("sagemaker", config=Config(proxies={}, retries={"total_max_attempts": 1}))
    first = befallen()
    assert first == befallen()
    sagemaker.close()


def test_a_fault_that_is_none_is_refused(cloud: Cloud) -> None:
    with pytest.raises(OrchestratorError, match="throttel"):
        cloud.faults.add("throttel", "ListModels")


def test_the_environment_points_any_client_at_it(cloud: Cloud) -> None:
    program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**kept, **cloud.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "123456789012\n"


def test_it_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    program = (
        "import os, signal\n"
        "from orchestrator.localcloud.testing import local_cloud\n"
        "with local_cloud() as cloud:\n"
        "    print(cloud.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == -9
    pid = int(done.stdout)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    with os.fdopen(descriptor) as process:
        assert select.select([process], [], [], 20)[0]
