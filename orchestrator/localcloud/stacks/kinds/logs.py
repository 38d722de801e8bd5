"""CloudWatch Logs: log groups, and which services may write into them."""

from typing import Any

from orchestrator.localcloud.stacks.forms import ANY, TAGS, TEXT, WHOLE, structure
from orchestrator.localcloud.stacks.kind import Hand, Kind, Properties
from orchestrator.localcloud.stacks.kinds.common import arn, document, or_undone, retag, tags_of, without_fail
from orchestrator.localcloud.stackworld import Made


def _create_log_group(hand: Hand, properties: Properties) -> Made:
    logs, name = hand.client("logs"), properties["LogGroupName"]
    key = {"kmsKeyId": properties["KmsKeyId"]} if "KmsKeyId" in properties else {}
    tags = {"tags": tags_of(properties)} if properties.get("Tags") else {}
    logs.create_log_group(logGroupName=name, **key, **tags)
    made = Made(name, {"Arn": arn(hand.scope, "logs", f"log-group:{name}:*")})
    with or_undone(_delete_log_group, hand, made, properties):
        _retain(logs, name, {}, properties)
    return made


def _update_log_group(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    logs, name = hand.client("logs"), made.physical
    _retain(logs, name, old, new)
    if new.get("KmsKeyId") != old.get("KmsKeyId"):
        if key := new.get("KmsKeyId"):
            logs.associate_kms_key(logGroupName=name, kmsKeyId=key)
        else:
            logs.disassociate_kms_key(logGroupName=name)
    identity = made.attributes["Arn"].removesuffix(":*")
    retag(
        old,
        new,
        lambda tags: logs.tag_resource(resourceArn=identity, tags=tags),
        lambda names: logs.untag_resource(resourceArn=identity, tagKeys=names),
    )
    return made


def _retain(logs: Any, name: str, old: Properties, new: Properties) -> None:  # noqa: ANN401 - boto3's clients have no types
    if (days := new.get("RetentionInDays")) == old.get("RetentionInDays"):
        return
    if days is None:
        logs.delete_retention_policy(logGroupName=name)
    else:
        logs.put_retention_policy(logGroupName=name, retentionInDays=days)


def _delete_log_group(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("logs").delete_log_group, logGroupName=made.physical)


def _find_log_group(hand: Hand, name: str) -> Made | None:
    pages = hand.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    if any(group["logGroupName"] == name for page in pages for group in page["logGroups"]):
        return Made(name, {"Arn": arn(hand.scope, "logs", f"log-group:{name}:*")})
    return None


def _put_log_policy(hand: Hand, properties: Properties) -> Made:
    name, policy = properties["PolicyName"], document(properties["PolicyDocument"])
    hand.client("logs").put_resource_policy(policyName=name, policyDocument=policy)
    return Made(name)


def _update_log_policy(hand: Hand, _made: Made, _old: Properties, new: Properties) -> Made:
    return _put_log_policy(hand, new)


def _delete_log_policy(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("logs").delete_resource_policy, policyName=made.physical)


KINDS = (
    Kind(
        "AWS::Logs::LogGroup",
        lambda: structure(LogGroupName=TEXT, RetentionInDays=WHOLE, KmsKeyId=TEXT, Tags=TAGS),
        _create_log_group,
        _delete_log_group,
        _update_log_group,
        attributes=("Arn",),
        replacing=frozenset({"LogGroupName"}),
        named="LogGroupName",
        name_length=512,
        find=_find_log_group,
    ),
    Kind(
        "AWS::Logs::ResourcePolicy",
        lambda: structure(PolicyName=TEXT, PolicyDocument=ANY),
        _put_log_policy,
        _delete_log_policy,
        _update_log_policy,
        required=("PolicyName", "PolicyDocument"),
        replacing=frozenset({"PolicyName"}),
    ),
)
