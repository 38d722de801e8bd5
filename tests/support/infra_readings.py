"""What is there of a deployed template, read back through the services' own interfaces.

One reading for each type of resource, in the words of CloudFormation, so that it can be compared with what a
template asks for. A type without a reading is an error: nothing of a template goes unread.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

_WHOLE = re.compile(r"Policy(Document)?\b|Pattern\b")

Client = Callable[[str], Any]
Reading = dict[str, Any]


def reading(client: Client, kind: str, physical: str, asked: Mapping[str, Any]) -> Reading:
    """Return the properties of one resource as its service tells them.

    Args:
        client: Returns the client of a service by its name.
        kind: Such as ``AWS::S3::Bucket``.
        physical: What CloudFormation calls it.
        asked: What the template asks for; only to find it where it has no name of its own.
    """
    return _READINGS[kind](client, physical, asked)


def _bucket(client: Client, name: str, _: Mapping[str, Any]) -> Reading:
    s3 = client("s3")
    read: Reading = {"BucketName": name}
    encryption = _answer(s3.get_bucket_encryption, "ServerSideEncryptionConfiguration", Bucket=name)
    rules = [
        _renamed(rule, {"ApplyServerSideEncryptionByDefault": "ServerSideEncryptionByDefault"})
        for rule in encryption.get("Rules", [])
    ]
    read["BucketEncryption"] = {"ServerSideEncryptionConfiguration": rules}
    read["PublicAccessBlockConfiguration"] = _answer(
        s3.get_public_access_block, "PublicAccessBlockConfiguration", Bucket=name
    )
    read["OwnershipControls"] = _answer(s3.get_bucket_ownership_controls, "OwnershipControls", Bucket=name)
    read["VersioningConfiguration"] = {"Status": s3.get_bucket_versioning(Bucket=name).get("Status")}
    lifecycle = _answer(s3.get_bucket_lifecycle_configuration, "Rules", Bucket=name)
    read["LifecycleConfiguration"] = {"Rules": [_lifecycle_rule(rule) for rule in lifecycle or []]}
    lock = _answer(s3.get_object_lock_configuration, "ObjectLockConfiguration", Bucket=name)
    read |= {"ObjectLockEnabled": bool(lock), "ObjectLockConfiguration": lock}
    logging = _answer(s3.get_bucket_logging, "LoggingEnabled", Bucket=name)
    read["LoggingConfiguration"] = _renamed(
        logging, {"TargetBucket": "DestinationBucketName", "TargetPrefix": "LogFilePrefix"}
    )
    return read


def _lifecycle_rule(rule: Mapping[str, Any]) -> Reading:
    read = _renamed(rule, {"ID": "Id"})
    ended = read.pop("Expiration", {})
    renamed = {"Days": "ExpirationInDays", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}
    read |= {renamed[key]: value for key, value in ended.items()}
    prefix = read.pop("Filter", {}).get("Prefix") or read.pop("Prefix", None)
    return read | ({"Prefix": prefix} if prefix else {})


def _bucket_policy(client: Client, _: str, asked: Mapping[str, Any]) -> Reading:
    policy = _answer(client("s3").get_bucket_policy, "Policy", Bucket=asked["Bucket"])
    return {"Bucket": asked["Bucket"], "PolicyDocument": json.loads(policy or "null")}


def _key(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    kms = client("kms")
    return {
        "Description": kms.describe_key(KeyId=physical)["KeyMetadata"]["Description"],
        "EnableKeyRotation": kms.get_key_rotation_status(KeyId=physical)["KeyRotationEnabled"],
        "KeyPolicy": json.loads(kms.get_key_policy(KeyId=physical, PolicyName="default")["Policy"]),
    }


def _alias(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    pages = client("kms").get_paginator("list_aliases").paginate()
    found = (alias for page in pages for alias in page["Aliases"])
    return next(alias for alias in found if alias["AliasName"] == physical)


def _role(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    return dict(client("iam").get_role(RoleName=physical)["Role"])


def _managed_policy(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    iam = client("iam")
    told = iam.get_policy(PolicyArn=physical)["Policy"]
    version = iam.get_policy_version(PolicyArn=physical, VersionId=told["DefaultVersionId"])["PolicyVersion"]
    holders = iam.list_entities_for_policy(PolicyArn=physical)["PolicyRoles"]
    roles = [holder["RoleName"] for holder in holders]
    return {"Description": told.get("Description"), "Roles": roles, "PolicyDocument": version["Document"]}


def _topic(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    return dict(client("sns").get_topic_attributes(TopicArn=physical)["Attributes"])


def _topic_policy(client: Client, _: str, asked: Mapping[str, Any]) -> Reading:
    (topic,) = asked["Topics"]
    attributes = client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    return {"Topics": [topic], "PolicyDocument": json.loads(attributes["Policy"])}


def _subscription(client: Client, _: str, asked: Mapping[str, Any]) -> Reading:
    found = client("sns").list_subscriptions_by_topic(TopicArn=asked["TopicArn"])["Subscriptions"]
    return next(dict(each) for each in found if each["Endpoint"] == asked["Endpoint"])


def _log_group(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    found = client("logs").describe_log_groups(logGroupNamePrefix=physical)["logGroups"]
    group = next(each for each in found if each["logGroupName"] == physical)
    return _renamed(
        group,
        {"logGroupName": "LogGroupName", "retentionInDays": "RetentionInDays", "kmsKeyId": "KmsKeyId"},
    )


def _log_policy(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    found = client("logs").describe_resource_policies()["resourcePolicies"]
    policy = next(each for each in found if each["policyName"] == physical)
    return {"PolicyName": physical, "PolicyDocument": policy["policyDocument"]}


def _rule(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    events = client("events")
    rule = events.describe_rule(Name=physical)
    targets = events.list_targets_by_rule(Rule=physical)["Targets"]
    return {**rule, "EventPattern": json.loads(rule["EventPattern"]), "Targets": targets}


def _alarm(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    (alarm,) = client("cloudwatch").describe_alarms(AlarmNames=[physical])["MetricAlarms"]
    return dict(alarm)


def _dashboard(client: Client, physical: str, _: Mapping[str, Any]) -> Reading:
    body = client("cloudwatch").get_dashboard(DashboardName=physical)["DashboardBody"]
    return {"DashboardName": physical, "DashboardBody": body}


_READINGS: Mapping[str, Callable[[Client, str, Mapping[str, Any]], Reading]] = {
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Alias": _alias,
    "AWS::KMS::Key": _key,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::ResourcePolicy": _log_policy,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SNS::TopicPolicy": _topic_policy,
}


def differences(asked: Any, read: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - JSON
    """Yield the path of everything in ``asked`` that ``read`` has not, or has otherwise.

    What a service adds of its own is no difference, but in a policy or pattern, where it would mean
    something. In lists the order counts, but for those of names.
    """
    if isinstance(asked, Mapping) and isinstance(read, Mapping):
        for key, value in asked.items():
            yield from differences(value, read.get(key), f"{path}.{key}" if path else key)
        if _WHOLE.search(path):
            yield from (f"{path}.{key}" for key in read if key not in asked)
    elif isinstance(asked, list) and isinstance(read, list) and len(asked) == len(read):
        names = all(isinstance(item, str) for item in [*asked, *read])
        pairs = zip(*((sorted(asked), sorted(read)) if names else (asked, read)), strict=True)
        for number, (item, found) in enumerate(pairs):
            yield from differences(item, found, f"{path}[{number}]")
    elif _plain(asked) != _plain(read):
        yield path


def _plain(value: Any) -> object:  # noqa: ANN401 - JSON
    """Return a scalar as text, for CloudFormation takes numbers and booleans in both ways; JSON as JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(float(value))
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return str(float(value))
        with contextlib.suppress(ValueError):
            return json.dumps(json.loads(value), sort_keys=True)
        return value.lower() if value.lower() in {"true", "false"} else value
    return json.dumps(value, sort_keys=True, default=str)


def _answer(ask: Callable[..., Any], member: str, **arguments: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return what is configured; nothing where S3 says that nothing is."""
    try:
        return ask(**arguments).get(member) or {}
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return {}
        raise


def _renamed(members: Mapping[str, Any], names: Mapping[str, str]) -> Reading:
    return {names.get(key, key): value for key, value in members.items()}
