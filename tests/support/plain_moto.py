"""Plain moto, without the local cloud around it, in a process of its own.

It has no UpdateEndpoint and no life cycles; what it does have was written by somebody else, which is its use.
Conditional writes of moto's S3 are not atomic: nothing that races belongs here.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import boto3
from botocore.config import Config

from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY
from tests.support.clouds import BUCKET, ROLE

TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}


@contextlib.contextmanager
def plain_moto() -> Iterator[str]:
    """Run a moto server with our bucket and execution role in it, and return its address."""
    # Another account than the local cloud's would be none of ours: image registries and ARNs name it.
    environment = {**os.environ, "MOTO_ACCOUNT_ID": ROLE.split(":")[4]}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.plain_moto"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url, "moto does not start"
            _furnish(url)
            yield url
        finally:
            process.terminate()


def client(url: str, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a plain boto3 client."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(proxies={}),
    )


def _furnish(url: str) -> None:
    client(url, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client(url, "iam").create_role(
        RoleName=ROLE.rpartition("/")[2], AssumeRolePolicyDocument=json.dumps(TRUST)
    )


def main() -> None:
    """Serve on a free port until whoever has started us goes away."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - the parent needs none of it

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)  # noqa: T201 - what the parent reads
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
