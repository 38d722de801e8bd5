"""What SageMaker looks up before it answers, asked of moto in this process.

A call over HTTP would cost more than all the rest of the answer. This module knows moto's stores;
``tests/contract/test_moto_symbols.py`` pins their names.
"""

import json

from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.s3.exceptions import MissingBucket
from moto.s3.models import FakeDeleteMarker, S3Backend, s3_backends
from moto.utilities.utils import get_partition

from orchestrator.core.trust import lets_sagemaker
from orchestrator.localcloud.world import Scope


def has_object(scope: Scope, bucket: str, key: str) -> bool:
    """Tell whether there is such an object."""
    try:
        return _s3(scope).get_object(bucket, key) is not None
    except MissingBucket:
        return False


def has_prefix(scope: Scope, bucket: str, prefix: str) -> bool:
    """Tell whether there is an object whose key begins so."""
    try:
        keys = _s3(scope).get_bucket(bucket).keys
    except MissingBucket:
        return False
    # A copy: other threads write to the bucket meanwhile.
    found = (keys.get(key) for key in list(keys) if key.startswith(prefix))
    return any(not isinstance(one, (FakeDeleteMarker, type(None))) for one in found)


def has_role(scope: Scope, arn: str) -> bool:
    """Tell whether the account has a role of that ARN, path and all, that lets SageMaker assume it.

    A trust policy without any statement, which moto takes and IAM does not, is not looked at.
    """
    try:
        role = iam_backends[scope.account][get_partition(scope.region)].get_role(arn.rpartition("/")[2])
        trust = json.loads(role.assume_role_policy_document or "{}")
    except (NotFoundException, ValueError):
        return False
    is_empty = not isinstance(trust, dict) or not trust.get("Statement")
    return role.arn == arn and (is_empty or lets_sagemaker(trust))


def _s3(scope: Scope) -> S3Backend:
    return s3_backends[scope.account][get_partition(scope.region)]
