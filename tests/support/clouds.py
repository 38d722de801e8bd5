"""Local clouds for tests: a process of its own on a free port, and clients for it.

Use it from a fixture, and share one cloud in a module: it starts in about a second.
"""

import contextlib
import http.client
import io
import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from orchestrator.localcloud.defaults import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY, client_environment

STANDIN = (sys.executable, str(Path(__file__).with_name("standin.py")))
"""The program that takes the place of `orchestrator.serving` where a test is not about models."""

ROLE = f"arn:aws:iam::{ACCOUNT}:role/sagemaker-execution"
IMAGE = "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-inference:2.6.0-cpu-py312"
"""An image that the local cloud serves models for."""

BUCKET = "models"
POLL = {"Delay": 0.05, "MaxAttempts": 400}
"""For boto3's waiters, which look every 30 s otherwise."""


@dataclass(frozen=True)
class TestCloud:
    """A local cloud that runs."""

    # pytest would take the class for tests.
    __test__ = False

    url: str
    pid: int
    state_dir: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a boto3 client; without ``options``, the same one each time."""
        if options or service not in self._clients:
            made = boto3.client(
                service,
                endpoint_url=self.url,
                **{
                    "region_name": REGION,
                    "aws_access_key_id": ACCESS_KEY,
                    "aws_secret_access_key": SECRET_KEY,
                    "config": Config(max_pool_connections=32, proxies={}),
                    **options,
                },
            )
            if options:
                return made
            self._clients[service] = made
        return self._clients[service]

    def close(self) -> None:
        for client in self._clients.values():
            client.close()


@contextlib.contextmanager
def local_cloud(
    state_dir: Path, container: Sequence[str] = (), options: Sequence[str] = ()
) -> Iterator[TestCloud]:
    """Run a local cloud, with a bucket and an execution role in it.

    Args:
        state_dir: An empty folder.
        container: The program that serves a model, in place of `orchestrator.serving`.
        options: Of the command line besides.
    """
    command = [sys.executable, "-m", "orchestrator.localcloud", "--state-dir", str(state_dir), "--port", "0"]
    command += options
    if container:
        command += ["--container", shlex.join(container)]
    state_dir.mkdir(parents=True, exist_ok=True)
    with (
        (state_dir / "stderr.log").open("wb") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip().rpartition(" ")[2]
            assert url, (state_dir / "stderr.log").read_text()
            cloud = TestCloud(url, process.pid, state_dir, {**os.environ, **client_environment(url)})
            furnish(cloud)
            yield cloud
            cloud.close()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def furnish(cloud: TestCloud) -> None:
    """Make a bucket and an execution role."""
    cloud.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    cloud.client("iam").create_role(
        RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(trust)
    )


def order_faults(cloud: TestCloud, method: str, order: object = None) -> None:
    """POST an order for faults to the local cloud, or DELETE all orders."""
    connection = http.client.HTTPConnection(cloud.url.removeprefix("http://"))
    with contextlib.closing(connection):
        connection.request(method, "/_local/faults", json.dumps(order), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status < 300, answer.read()


def archive(files: Mapping[str, bytes]) -> bytes:
    """Return a ``tar.gz`` of ``files``."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return made.getvalue()


def publish(cloud: TestCloud, name: str, artifact: bytes, **variant: Any) -> None:  # noqa: ANN401 - API members
    """Upload ``artifact`` and make a model and an endpoint config, both called ``name``.

    The model's entry point, if it has one, is ``code/predict.py``.
    """
    key = f"{name}/model.tar.gz"
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=artifact)
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model(
        ModelName=name,
        ExecutionRoleArn=ROLE,
        PrimaryContainer={
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{BUCKET}/{key}",
            "Environment": {"SAGEMAKER_PROGRAM": "predict.py"},
        },
    )
    members = {
        "VariantName": "primary",
        "ModelName": name,
        "InstanceType": "ml.m7i.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[{**members, **variant}])


def await_settled(cloud: TestCloud, endpoint: str) -> Mapping[str, Any]:
    """Wait until ``endpoint`` is InService, and return it as DescribeEndpoint shows it."""
    cloud.client("sagemaker").get_waiter("endpoint_in_service").wait(EndpointName=endpoint, WaiterConfig=POLL)
    described: Mapping[str, Any] = cloud.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    return described
