"""KMS: keys and their aliases."""

from typing import Any

from orchestrator.localcloud.stacks.forms import ANY, TAGS, TEXT, TRUTH, WHOLE, structure
from orchestrator.localcloud.stacks.kind import Hand, Kind, Properties
from orchestrator.localcloud.stacks.kinds.common import (
    check_new,
    chosen,
    document,
    or_undone,
    pairs,
    retag,
    tags_of,
    without_fail,
)
from orchestrator.localcloud.stackworld import Made

# CloudFormation's default, and KMS's.
_PENDING_DAYS = 30
_FORM = structure(
    Description=TEXT,
    KeyPolicy=ANY,
    EnableKeyRotation=TRUTH,
    RotationPeriodInDays=WHOLE,
    PendingWindowInDays=WHOLE,
    Enabled=TRUTH,
    KeySpec=TEXT,
    KeyUsage=TEXT,
    MultiRegion=TRUTH,
    Tags=TAGS,
)


def _create(hand: Hand, properties: Properties) -> Made:
    kms = hand.client("kms")
    request: dict[str, Any] = chosen(properties, "Description", "KeySpec", "KeyUsage", "MultiRegion")
    if "KeyPolicy" in properties:
        request["Policy"] = document(properties["KeyPolicy"])
    tags = pairs(tags_of(properties), "TagKey", "TagValue")
    key = kms.create_key(**request, **({"Tags": tags} if tags else {}))["KeyMetadata"]
    made = Made(key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]})
    with or_undone(_delete, hand, made, properties):
        _switch(kms, key["KeyId"], {}, properties)
    return made


def _update(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    kms, key = hand.client("kms"), made.physical
    if new.get("KeyPolicy") != old.get("KeyPolicy") and "KeyPolicy" in new:
        policy = document(new["KeyPolicy"])
        kms.put_key_policy(KeyId=key, PolicyName="default", Policy=policy)
    if new.get("Description", "") != old.get("Description", ""):
        kms.update_key_description(KeyId=key, Description=new.get("Description", ""))
    _switch(kms, key, old, new)
    retag(
        old,
        new,
        lambda tags: kms.tag_resource(KeyId=key, Tags=pairs(tags, "TagKey", "TagValue")),
        lambda names: kms.untag_resource(KeyId=key, TagKeys=names),
    )
    return made


def _switch(kms: Any, key: str, old: Properties, new: Properties) -> None:  # noqa: ANN401 - boto3's clients have no types
    rotation = ("EnableKeyRotation", "RotationPeriodInDays")
    if chosen(new, *rotation) != chosen(old, *rotation):
        if new.get("EnableKeyRotation"):
            kms.enable_key_rotation(KeyId=key, **chosen(new, "RotationPeriodInDays"))
        else:
            kms.disable_key_rotation(KeyId=key)
    if new.get("Enabled", True) != old.get("Enabled", True):
        (kms.enable_key if new.get("Enabled", True) else kms.disable_key)(KeyId=key)


def _delete(hand: Hand, made: Made, properties: Properties) -> None:
    kms = hand.client("kms")
    days = properties.get("PendingWindowInDays", _PENDING_DAYS)
    if kms.describe_key(KeyId=made.physical)["KeyMetadata"]["KeyState"] != "PendingDeletion":
        kms.schedule_key_deletion(KeyId=made.physical, PendingWindowInDays=days)


def _create_alias(hand: Hand, properties: Properties) -> Made:
    kms, name = hand.client("kms"), properties["AliasName"]
    aliases = [each for page in kms.get_paginator("list_aliases").paginate() for each in page["Aliases"]]
    check_new(name, taken=any(each["AliasName"] == name and "TargetKeyId" in each for each in aliases))
    kms.create_alias(AliasName=name, TargetKeyId=properties["TargetKeyId"])
    return Made(name)


def _update_alias(hand: Hand, made: Made, _old: Properties, new: Properties) -> Made:
    hand.client("kms").update_alias(AliasName=made.physical, TargetKeyId=new["TargetKeyId"])
    return made


def _delete_alias(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("kms").delete_alias, AliasName=made.physical)


KINDS = (
    Kind(
        "AWS::KMS::Key",
        lambda: _FORM,
        _create,
        _delete,
        _update,
        attributes=("Arn", "KeyId"),
        replacing=frozenset({"KeySpec", "KeyUsage", "MultiRegion"}),
    ),
    Kind(
        "AWS::KMS::Alias",
        lambda: structure(AliasName=TEXT, TargetKeyId=TEXT),
        _create_alias,
        _delete_alias,
        _update_alias,
        required=("AliasName", "TargetKeyId"),
        replacing=frozenset({"AliasName"}),
    ),
)
