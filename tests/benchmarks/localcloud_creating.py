"""How long 1,000 models, endpoint configs and endpoints take through boto3: run by `make bench`.

Against a local cloud in a process of its own, by one client, one call after the other. The image is one that
nobody can serve and the local cloud is told to accept it: what is measured is the control plane, and not how
many model servers a machine can start.
"""

import time
from typing import Any

from orchestrator.localcloud.defaults import REGION
from orchestrator.localcloud.testing import Cloud, local_cloud

COUNT = 1000
ROLE = "arn:aws:iam::123456789012:role/creating"
CONTAINER = {"Image": "registry/unknown:1", "ModelDataUrl": "s3://creating/model.tar.gz"}


def furnish(cloud: Cloud) -> None:
    """Make what the models refer to."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="creating", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="creating", Key="model.tar.gz", Body=b"artifact")
    cloud.client("iam").create_role(RoleName="creating", AssumeRolePolicyDocument="{}")


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
    with local_cloud(any_image=True) as cloud:
        furnish(cloud)
        sagemaker = cloud.client("sagemaker")
        took = create(sagemaker, count)
        pages = sagemaker.get_paginator("list_endpoints").paginate(MaxResults=100)
        assert sum(len(page["Endpoints"]) for page in pages) == count
    print(f"{count} models, endpoint configs and endpoints: {sum(took.values()):.1f} s")  # noqa: T201 - a report is what this program is for
    for kind, seconds in took.items():
        print(f"{kind:<18} {seconds / count * 1000:.2f} ms each")  # noqa: T201 - likewise


if __name__ == "__main__":
    main()
