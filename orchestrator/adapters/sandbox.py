"""What a fresh local cloud lacks before the first deployment: a bucket and a role.

In an account of AWS these are somebody's decision; here they are made where they are absent.
"""

import json
from collections.abc import Callable

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, translated

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
_EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "EntityAlreadyExists"}


def furnish(clients: Clients, *, bucket: str, role: str, region: str) -> str:
    """Create bucket and role in the local cloud where they are absent.

    Args:
        clients: Of the local cloud.
        bucket: Its name.
        role: An ARN; its account is replaced by the local cloud's.
        region: Where the bucket is made.

    Returns:
        The ARN that the role has in the local cloud.
    """
    name = role.rpartition("/")[2]
    with translated("furnishing the local cloud"):
        placement = (
            {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        )
        _unless_it_exists(lambda: clients("s3").create_bucket(Bucket=bucket, **placement))
        iam = clients("iam")
        _unless_it_exists(lambda: iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(_TRUST)))
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])


def _unless_it_exists(call: Callable[[], object]) -> None:
    try:
        call()
    except ClientError as error:
        if code_of(error) not in _EXISTS:
            raise
