"""How long 1,000 models, endpoint configs and endpoints take through boto3: run by `make bench`.

Against a local cloud in a process of its own, by one client, one call after the other. The image is one that
nobody can serve and the local cloud is told to accept it: what is measured is the control plane, and not how
many model servers a machine can start.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY

COUNT = 1000
ROLE = "arn:aws:iam::123456789012:role/creating"
CONTAINER = {"Image": "registry/unknown:1", "ModelDataUrl": "s3://creating/model.tar.gz"}


def furnish(session: Any, url: str) -> None:  # noqa: ANN401 - boto3 has no types
    """Make what the models refer to."""
    s3 = session.client("s3", endpoint_url=url)
    s3.create_bucket(Bucket="creating", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="creating", Key="model.tar.gz", Body=b"artifact")
    session.client("iam", endpoint_url=url).create_role(RoleName="creating", AssumeRolePolicyDocument="{}")


def create(sagemaker: Any, count: int) -> dict[str, float]:  # noqa: ANN401 - boto3 has no types
    """Return the seconds that each kind of creation took, altogether."""
    took = {"models": 0.0, "endpoint configs": 0.0, "endpoints": 0.0}
    for number in range(count):
        name = f"digits-{number}"
        variant = {
            "VariantName": "v",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        began = time.perf_counter()
        sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=CONTAINER)
        modelled = time.perf_counter()
        sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        configured = time.perf_counter()
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        took["models"] += modelled - began
        took["endpoint configs"] += configured - modelled
        took["endpoints"] += time.perf_counter() - configured
    return took


def main(count: int = COUNT) -> None:
    """Create, and look whether all is there."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "orchestrator.localcloud", "--port", "0", "--any-image"]
        with subprocess.Popen(
            [*command, "--state-dir", str(Path(folder) / "state")], stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                url = process.stdout.readline().strip().rpartition(" ")[2]
                session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
                furnish(session, url)
                sagemaker = session.client("sagemaker", endpoint_url=url)
                took = create(sagemaker, count)
                pages = sagemaker.get_paginator("list_endpoints").paginate(MaxResults=100)
                assert sum(len(page["Endpoints"]) for page in pages) == count
            finally:
                process.terminate()
                process.wait(60)
    print(f"{count} models, endpoint configs and endpoints: {sum(took.values()):.1f} s")  # noqa: T201 - a report is what this program is for
    for kind, seconds in took.items():
        print(f"{kind:<18} {seconds / count * 1000:.2f} ms each")  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
