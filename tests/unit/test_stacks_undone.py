"""What a stack's resource has made of itself when it fails half-way: nothing is left that no stack has."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from orchestrator.localcloud.stacks.catalogue import KINDS
from orchestrator.localcloud.stacks.kind import Hand
from orchestrator.localcloud.world import Scope

SCOPE = Scope("123456789012", "eu-west-1")
ABSENT = ("get_topic_attributes", "head_bucket", "describe_rule")
ANSWERS: dict[str, Any] = {
    "create_key": {"KeyMetadata": {"KeyId": "k", "Arn": "arn:k"}},
    "create_policy": {"Policy": {"Arn": "arn:p", "PolicyId": "p"}},
    "create_role": {"Role": {"Arn": "arn:r", "RoleId": "r"}},
    "create_topic": {"TopicArn": "arn:t"},
    "describe_key": {"KeyMetadata": {"KeyState": "Enabled"}},
    "list_policy_versions": {"Versions": []},
    "put_rule": {"RuleArn": "arn:rule"},
}


class Failing:
    """A client of any service, one of whose operations is refused."""

    def __init__(self, refused: str) -> None:
        self.calls: list[str] = []
        self._refused = refused

    def __getattr__(self, operation: str) -> Any:  # noqa: ANN401 - an operation
        def call(**request: object) -> Any:  # noqa: ANN401 - an answer
            self.calls.append(operation)
            # The second holder of a policy is the one that is not there.
            if operation == self._refused and request.get("RoleName") != "first":
                raise ClientError({"Error": {"Code": "InvalidParameter", "Message": "no"}}, operation)
            if operation in ABSENT:
                raise ClientError({"Error": {"Code": "NotFound", "Message": "no"}}, operation)
            return ANSWERS.get(operation, {})

        return call


@pytest.mark.parametrize(
    ("kind", "properties", "refused", "undoing"),
    [
        ("S3::Bucket", {"VersioningConfiguration": {}}, "put_bucket_versioning", "delete_bucket"),
        ("IAM::Role", {"ManagedPolicyArns": ["arn:m"]}, "attach_role_policy", "delete_role"),
        ("IAM::ManagedPolicy", {"Roles": ["r"]}, "attach_role_policy", "delete_policy"),
        (
            "IAM::Policy",
            {"PolicyName": "in", "Roles": ["first", "r"]},
            "put_role_policy",
            "delete_role_policy",
        ),
        ("KMS::Key", {"EnableKeyRotation": True}, "enable_key_rotation", "schedule_key_deletion"),
        ("Logs::LogGroup", {"RetentionInDays": 4}, "put_retention_policy", "delete_log_group"),
        ("SNS::Topic", {"Subscription": [{"Protocol": "x", "Endpoint": "y"}]}, "subscribe", "delete_topic"),
        ("Events::Rule", {"Targets": [{"Id": "1", "Arn": "arn:x"}]}, "put_targets", "delete_rule"),
    ],
)
def test_what_cannot_be_completed_is_deleted_again(
    kind: str, properties: dict[str, Any], refused: str, undoing: str
) -> None:
    found, client = KINDS[f"AWS::{kind}"], Failing(refused)
    named = {found.named: "n"} if found.named else {}
    documents: dict[str, Any] = {"AssumeRolePolicyDocument": {}, "PolicyDocument": {}}
    with pytest.raises(ClientError, match=f"{refused} operation"):
        found.create(Hand(lambda _: client, SCOPE), {**documents, **named, **properties})
    assert undoing in client.calls[client.calls.index(refused) :]
