"""S3: buckets and their policies."""

from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.localcloud.stacks.forms import ANY, TAGS, TEXT, TRUTH, WHOLE, Form, list_of, structure
from orchestrator.localcloud.stacks.kind import Hand, Kind, Properties
from orchestrator.localcloud.stacks.kinds.common import (
    check_new,
    document,
    is_there,
    or_undone,
    pairs,
    tags_of,
    without_fail,
)
from orchestrator.localcloud.stackworld import Made

_DEFAULT_REGION = "us-east-1"
_TRANSITION = structure(StorageClass=TEXT, TransitionInDays=WHOLE, TransitionDate=TEXT)
_RULE = structure(
    Id=TEXT,
    Status=TEXT,
    Prefix=TEXT,
    TagFilters=TAGS,
    ObjectSizeGreaterThan=WHOLE,
    ObjectSizeLessThan=WHOLE,
    ExpirationInDays=WHOLE,
    ExpirationDate=TEXT,
    ExpiredObjectDeleteMarker=TRUTH,
    NoncurrentVersionExpiration=structure(NoncurrentDays=WHOLE, NewerNoncurrentVersions=WHOLE),
    NoncurrentVersionTransitions=list_of(
        structure(StorageClass=TEXT, TransitionInDays=WHOLE, NewerNoncurrentVersions=WHOLE)
    ),
    Transitions=list_of(_TRANSITION),
    AbortIncompleteMultipartUpload=structure(DaysAfterInitiation=WHOLE),
)
_ENCRYPTION = structure(
    BucketKeyEnabled=TRUTH,
    ServerSideEncryptionByDefault=structure(SSEAlgorithm=TEXT, KMSMasterKeyID=TEXT),
)
_RETENTION = structure(Mode=TEXT, Days=WHOLE, Years=WHOLE)
_FORM = structure(
    BucketName=TEXT,
    BucketEncryption=structure(ServerSideEncryptionConfiguration=list_of(_ENCRYPTION)),
    VersioningConfiguration=structure(Status=TEXT),
    PublicAccessBlockConfiguration=structure(
        BlockPublicAcls=TRUTH, BlockPublicPolicy=TRUTH, IgnorePublicAcls=TRUTH, RestrictPublicBuckets=TRUTH
    ),
    LifecycleConfiguration=structure(Rules=list_of(_RULE)),
    OwnershipControls=structure(Rules=list_of(structure(ObjectOwnership=TEXT))),
    ObjectLockEnabled=TRUTH,
    ObjectLockConfiguration=structure(ObjectLockEnabled=TEXT, Rule=structure(DefaultRetention=_RETENTION)),
    LoggingConfiguration=structure(DestinationBucketName=TEXT, LogFilePrefix=TEXT),
    NotificationConfiguration=structure(EventBridgeConfiguration=structure(EventBridgeEnabled=TRUTH)),
    Tags=TAGS,
)
# In a lifecycle rule of the API these are members of its filter.
_FILTERS = ("Prefix", "ObjectSizeGreaterThan", "ObjectSizeLessThan")
_SAME = ("Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload")


def _create(hand: Hand, properties: Properties) -> Made:
    s3, name, region = hand.client("s3"), properties["BucketName"], hand.scope.region
    # In one region creating a bucket of one's own once more changes nothing, and is no error.
    check_new(name, taken=is_there(s3.head_bucket, Bucket=name))
    place = {} if region == _DEFAULT_REGION else {"LocationConstraint": region}
    request: dict[str, Any] = {"CreateBucketConfiguration": place} if place else {}
    if properties.get("ObjectLockEnabled"):
        request["ObjectLockEnabledForBucket"] = True
    s3.create_bucket(Bucket=name, **request)
    with or_undone(_delete, hand, Made(name), properties):
        _settle(hand, name, {}, properties)
    partition = hand.scope.partition
    suffix = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    names = {"DomainName": f"{name}.s3.{suffix}", "RegionalDomainName": f"{name}.s3.{region}.{suffix}"}
    return Made(name, {"Arn": f"arn:{partition}:s3:::{name}", **names})


def _update(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    _settle(hand, made.physical, old, new)
    return made


def _delete(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("s3").delete_bucket, Bucket=made.physical)


def _settle(hand: Hand, name: str, old: Properties, new: Properties) -> None:
    """Let a bucket have the settings that it is to have; what went is as in a new bucket."""
    s3 = hand.client("s3")
    for aspect, put in _PUTS.items():
        if aspect in new and new[aspect] != old.get(aspect):
            operation, request = put(new)
            getattr(s3, operation)(Bucket=name, **request)
        elif aspect in old and aspect not in new:
            operation, request = _UNDOING[aspect]
            getattr(s3, operation)(Bucket=name, **request)


def _encryption(properties: Properties) -> tuple[str, dict[str, Any]]:
    rules = [
        {{"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}.get(key, key): value}
        for rule in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        for key, value in rule.items()
    ]
    merged = [{key: value for rule in rules for key, value in rule.items()}]
    return "put_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": merged}}


def _lifecycle(properties: Properties) -> tuple[str, dict[str, Any]]:
    rules = [_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
    return "put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": rules}}


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: rule[name] for name in _SAME if name in rule}
    if "Id" in rule:
        found["ID"] = rule["Id"]
    filters = {name: rule[name] for name in _FILTERS if name in rule}
    tags = rule.get("TagFilters") or []
    # One condition stands alone, several stand below And: S3 API reference, LifecycleRuleFilter.
    if len(filters) + len(tags) > 1:
        found["Filter"] = {"And": {**filters, **({"Tags": tags} if tags else {})}}
    else:
        found["Filter"] = filters or ({"Tag": tags[0]} if tags else {"Prefix": ""})
    renamed = {"ExpirationInDays": "Days", "ExpirationDate": "Date"}
    ends = ("ExpirationInDays", "ExpirationDate", "ExpiredObjectDeleteMarker")
    if expiration := {renamed.get(name, name): rule[name] for name in ends if name in rule}:
        found["Expiration"] = expiration
    if "Transitions" in rule:
        found["Transitions"] = [_moved(each, "Days") for each in rule["Transitions"]]
    if "NoncurrentVersionTransitions" in rule:
        moves = [_moved(each, "NoncurrentDays") for each in rule["NoncurrentVersionTransitions"]]
        found["NoncurrentVersionTransitions"] = moves
    return found


def _moved(transition: Mapping[str, Any], days: str) -> dict[str, Any]:
    renamed = {"TransitionInDays": days, "TransitionDate": "Date"}
    return {renamed.get(name, name): value for name, value in transition.items()}


def _logging(properties: Properties) -> tuple[str, dict[str, Any]]:
    asked = properties["LoggingConfiguration"]
    target = {
        "TargetBucket": asked.get("DestinationBucketName", properties["BucketName"]),
        "TargetPrefix": asked.get("LogFilePrefix", ""),
    }
    return "put_bucket_logging", {"BucketLoggingStatus": {"LoggingEnabled": target}}


def _notification(properties: Properties) -> tuple[str, dict[str, Any]]:
    asked = properties["NotificationConfiguration"].get("EventBridgeConfiguration")
    is_on = asked is not None and asked.get("EventBridgeEnabled", True)
    sent: dict[str, Any] = {"EventBridgeConfiguration": {}} if is_on else {}
    return "put_bucket_notification_configuration", {"NotificationConfiguration": sent}


def _tags(properties: Properties) -> tuple[str, dict[str, Any]]:
    return "put_bucket_tagging", {"Tagging": {"TagSet": pairs(tags_of(properties))}}


_PUTS: Mapping[str, Callable[[Properties], tuple[str, dict[str, Any]]]] = {
    "OwnershipControls": lambda new: (
        "put_bucket_ownership_controls",
        {"OwnershipControls": new["OwnershipControls"]},
    ),
    "PublicAccessBlockConfiguration": lambda new: (
        "put_public_access_block",
        {"PublicAccessBlockConfiguration": new["PublicAccessBlockConfiguration"]},
    ),
    "BucketEncryption": _encryption,
    "VersioningConfiguration": lambda new: (
        "put_bucket_versioning",
        {"VersioningConfiguration": new["VersioningConfiguration"]},
    ),
    "ObjectLockConfiguration": lambda new: (
        "put_object_lock_configuration",
        {"ObjectLockConfiguration": new["ObjectLockConfiguration"]},
    ),
    "LifecycleConfiguration": _lifecycle,
    "LoggingConfiguration": _logging,
    "NotificationConfiguration": _notification,
    "Tags": _tags,
}
_UNDOING: Mapping[str, tuple[str, dict[str, Any]]] = {
    "OwnershipControls": ("delete_bucket_ownership_controls", {}),
    "PublicAccessBlockConfiguration": ("delete_public_access_block", {}),
    "BucketEncryption": ("delete_bucket_encryption", {}),
    # A bucket that had versions has them for good; its versioning can only be suspended.
    "VersioningConfiguration": (
        "put_bucket_versioning",
        {"VersioningConfiguration": {"Status": "Suspended"}},
    ),
    "ObjectLockConfiguration": (
        "put_object_lock_configuration",
        {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}},
    ),
    "LifecycleConfiguration": ("delete_bucket_lifecycle", {}),
    "LoggingConfiguration": ("put_bucket_logging", {"BucketLoggingStatus": {}}),
    "NotificationConfiguration": (
        "put_bucket_notification_configuration",
        {"NotificationConfiguration": {}},
    ),
    "Tags": ("delete_bucket_tagging", {}),
}


def _create_policy(hand: Hand, properties: Properties) -> Made:
    hand.client("s3").put_bucket_policy(
        Bucket=properties["Bucket"], Policy=document(properties["PolicyDocument"])
    )
    return Made(properties["Bucket"])


def _update_policy(hand: Hand, _made: Made, _old: Properties, new: Properties) -> Made:
    return _create_policy(hand, new)


def _delete_policy(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("s3").delete_bucket_policy, Bucket=made.physical)


def _policy_form() -> Form:
    return structure(Bucket=TEXT, PolicyDocument=ANY)


KINDS = (
    Kind(
        "AWS::S3::Bucket",
        lambda: _FORM,
        _create,
        _delete,
        _update,
        attributes=("Arn", "DomainName", "RegionalDomainName"),
        replacing=frozenset({"BucketName", "ObjectLockEnabled"}),
        named="BucketName",
        name_length=63,
    ),
    Kind(
        "AWS::S3::BucketPolicy",
        _policy_form,
        _create_policy,
        _delete_policy,
        _update_policy,
        required=("Bucket", "PolicyDocument"),
        replacing=frozenset({"Bucket"}),
    ),
)
