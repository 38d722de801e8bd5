"""IAM: roles, policies and OIDC providers."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.localcloud.stacks.forms import ANY, TAGS, TEXT, TEXTS, WHOLE, list_of, structure
from orchestrator.localcloud.stacks.kind import Hand, Kind, Properties
from orchestrator.localcloud.stacks.kinds.common import (
    chosen,
    document,
    or_undone,
    pairs,
    retag,
    tags_of,
    without_fail,
)
from orchestrator.localcloud.stackworld import Made

_ROLE = structure(
    RoleName=TEXT,
    AssumeRolePolicyDocument=ANY,
    Description=TEXT,
    MaxSessionDuration=WHOLE,
    Path=TEXT,
    ManagedPolicyArns=TEXTS,
    Policies=list_of(structure(PolicyName=TEXT, PolicyDocument=ANY)),
    PermissionsBoundary=TEXT,
    Tags=TAGS,
)
_HOURS_DEFAULT = 3600
# "A managed policy can have up to five versions": IAM user guide, versioning.
_MOST_VERSIONS = 5
_HOLDERS = (("Roles", "role", "RoleName"), ("Users", "user", "UserName"), ("Groups", "group", "GroupName"))


def _create_role(hand: Hand, properties: Properties) -> Made:
    iam, name = hand.client("iam"), properties["RoleName"]
    request = chosen(properties, "Description", "MaxSessionDuration", "Path", "PermissionsBoundary")
    trust, tags = document(properties["AssumeRolePolicyDocument"]), pairs(tags_of(properties))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=tags, **request)["Role"]
    made = Made(name, {"Arn": role["Arn"], "RoleId": role["RoleId"]})
    with or_undone(_delete_role, hand, made, properties):
        _settle_role(iam, name, {}, properties)
    return made


def _update_role(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    iam, name = hand.client("iam"), made.physical
    if new["AssumeRolePolicyDocument"] != old["AssumeRolePolicyDocument"]:
        trust = document(new["AssumeRolePolicyDocument"])
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    iam.update_role(
        RoleName=name,
        Description=new.get("Description", ""),
        MaxSessionDuration=new.get("MaxSessionDuration", _HOURS_DEFAULT),
    )
    if new.get("PermissionsBoundary") != old.get("PermissionsBoundary"):
        if edge := new.get("PermissionsBoundary"):
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=edge)
        else:
            iam.delete_role_permissions_boundary(RoleName=name)
    _settle_role(iam, name, old, new)
    retag(
        old,
        new,
        lambda tags: iam.tag_role(RoleName=name, Tags=pairs(tags)),
        lambda names: iam.untag_role(RoleName=name, TagKeys=names),
    )
    return made


def _settle_role(iam: Any, name: str, old: Properties, new: Properties) -> None:  # noqa: ANN401 - boto3's clients have no types
    """Let a role have the policies that it is to have."""
    managed = (old.get("ManagedPolicyArns") or [], new.get("ManagedPolicyArns") or [])
    for arn in set(managed[0]) - set(managed[1]):
        without_fail(iam.detach_role_policy, RoleName=name, PolicyArn=arn)
    for arn in (arn for arn in managed[1] if arn not in managed[0]):
        iam.attach_role_policy(RoleName=name, PolicyArn=arn)
    before, after = _inline(old), _inline(new)
    for policy in before.keys() - after.keys():
        without_fail(iam.delete_role_policy, RoleName=name, PolicyName=policy)
    for policy, content in after.items():
        if before.get(policy) != content:
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=content)


def _inline(properties: Properties) -> Mapping[str, str]:
    policies = properties.get("Policies") or []
    return {each["PolicyName"]: document(each["PolicyDocument"]) for each in policies}


def _delete_role(hand: Hand, made: Made, properties: Properties) -> None:
    iam = hand.client("iam")
    _settle_role(iam, made.physical, properties, {})
    without_fail(iam.delete_role, RoleName=made.physical)


def _attached(properties: Properties) -> Iterable[tuple[str, str, str]]:
    """Yield who holds a policy: what it is, the member that names it, and its name."""
    for property_, kind, member in _HOLDERS:
        yield from ((kind, member, name) for name in properties.get(property_) or ())


def _attach(iam: Any, arn: str, old: Properties, new: Properties) -> None:  # noqa: ANN401 - boto3's clients have no types
    before, after = list(_attached(old)), list(_attached(new))
    for kind, member, name in (each for each in before if each not in after):
        without_fail(getattr(iam, f"detach_{kind}_policy"), **{member: name, "PolicyArn": arn})
    for kind, member, name in (each for each in after if each not in before):
        getattr(iam, f"attach_{kind}_policy")(**{member: name, "PolicyArn": arn})


def _create_managed(hand: Hand, properties: Properties) -> Made:
    iam = hand.client("iam")
    request = {"PolicyName": properties["ManagedPolicyName"], **chosen(properties, "Path", "Description")}
    policy = iam.create_policy(PolicyDocument=document(properties["PolicyDocument"]), **request)["Policy"]
    made = Made(policy["Arn"], {"PolicyArn": policy["Arn"], "PolicyId": policy["PolicyId"]})
    with or_undone(_delete_managed, hand, made, properties):
        _attach(iam, policy["Arn"], {}, properties)
    return made


def _update_managed(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    iam, arn = hand.client("iam"), made.physical
    if new["PolicyDocument"] != old["PolicyDocument"]:
        versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
        spare = [each["VersionId"] for each in versions if not each["IsDefaultVersion"]]
        if len(versions) >= _MOST_VERSIONS:
            oldest = min(spare, key=lambda version: int(version.removeprefix("v")))
            iam.delete_policy_version(PolicyArn=arn, VersionId=oldest)
        policy = document(new["PolicyDocument"])
        iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy, SetAsDefault=True)
    _attach(iam, arn, old, new)
    return made


def _delete_managed(hand: Hand, made: Made, properties: Properties) -> None:
    iam, arn = hand.client("iam"), made.physical
    _attach(iam, arn, properties, {})
    for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
    without_fail(iam.delete_policy, PolicyArn=arn)


def _create_inline(hand: Hand, properties: Properties) -> Made:
    made, policy = Made(properties["PolicyName"]), document(properties["PolicyDocument"])
    with or_undone(_delete_inline, hand, made, properties):
        for kind, member, holder in _attached(properties):
            put = getattr(hand.client("iam"), f"put_{kind}_policy")
            put(**{member: holder}, PolicyName=made.physical, PolicyDocument=policy)
    return made


def _update_inline(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    staying = list(_attached(new))
    left = [each for each in _attached(old) if each not in staying]
    _drop_inline(hand, made.physical, left)
    return _create_inline(hand, new)


def _delete_inline(hand: Hand, made: Made, properties: Properties) -> None:
    _drop_inline(hand, made.physical, _attached(properties))


def _drop_inline(hand: Hand, name: str, holders: Iterable[tuple[str, str, str]]) -> None:
    for kind, member, holder in holders:
        drop = getattr(hand.client("iam"), f"delete_{kind}_policy")
        without_fail(drop, **{member: holder}, PolicyName=name)


def _create_provider(hand: Hand, properties: Properties) -> Made:
    request = {
        "Url": properties["Url"],
        "ClientIDList": properties.get("ClientIdList") or [],
        "ThumbprintList": properties.get("ThumbprintList") or [],
        "Tags": pairs(tags_of(properties)),
    }
    arn = hand.client("iam").create_open_id_connect_provider(**request)["OpenIDConnectProviderArn"]
    return Made(arn, {"Arn": arn})


def _update_provider(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    iam, arn = hand.client("iam"), made.physical
    if new.get("ClientIdList") != old.get("ClientIdList"):
        # moto cannot change the list. Another one for the same URL has the same ARN.
        _delete_provider(hand, made, old)
        return _create_provider(hand, new)
    if prints := new.get("ThumbprintList"):
        iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=prints)
    retag(
        old,
        new,
        lambda tags: iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=pairs(tags)),
        lambda names: iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=names),
    )
    return made


def _delete_provider(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("iam").delete_open_id_connect_provider, OpenIDConnectProviderArn=made.physical)


_POLICY = structure(PolicyName=TEXT, PolicyDocument=ANY, Roles=TEXTS, Users=TEXTS, Groups=TEXTS)
KINDS = (
    Kind(
        "AWS::IAM::Role",
        lambda: _ROLE,
        _create_role,
        _delete_role,
        _update_role,
        attributes=("Arn", "RoleId"),
        required=("AssumeRolePolicyDocument",),
        replacing=frozenset({"RoleName", "Path"}),
        named="RoleName",
    ),
    Kind(
        "AWS::IAM::ManagedPolicy",
        lambda: _POLICY.without("PolicyName").and_also(ManagedPolicyName=TEXT, Path=TEXT, Description=TEXT),
        _create_managed,
        _delete_managed,
        _update_managed,
        attributes=("PolicyArn", "PolicyId"),
        required=("PolicyDocument",),
        replacing=frozenset({"ManagedPolicyName", "Path", "Description"}),
        named="ManagedPolicyName",
        name_length=128,
    ),
    Kind(
        "AWS::IAM::Policy",
        lambda: _POLICY,
        _create_inline,
        _delete_inline,
        _update_inline,
        required=("PolicyName", "PolicyDocument"),
        replacing=frozenset({"PolicyName"}),
    ),
    Kind(
        "AWS::IAM::OIDCProvider",
        lambda: structure(Url=TEXT, ClientIdList=TEXTS, ThumbprintList=TEXTS, Tags=TAGS),
        _create_provider,
        _delete_provider,
        _update_provider,
        attributes=("Arn",),
        required=("Url",),
        replacing=frozenset({"Url"}),
    ),
)
