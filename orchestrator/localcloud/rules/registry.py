"""The rules of the model registry's groups.

Texts are AWS's as far as other tools look for them: "already exists" (the SageMaker SDK), "does not exist"
and "Cannot find Model Package Group" (terraform-provider-aws); the rest follow their form.
"""

from dataclasses import replace
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, invalid, unsupported
from orchestrator.localcloud.rules.paging import Listing, page
from orchestrator.localcloud.rules.tagging import retagged, tags_of, untagged
from orchestrator.localcloud.world import GROUP, Content, Outcome, Record, World, without

_GROUPS = Listing("ModelPackageGroupSummaryList", "ModelPackageGroupName")


def create_group(world: World, request: Content, now: float) -> Outcome:
    """Record a group of model packages.

    Raises:
        ApiError: If the name is taken.
    """
    name = request["ModelPackageGroupName"]
    arn = world.scope.arn(GROUP, name)
    if name in world.groups:
        raise invalid(f"Model Package Group already exists: {arn}")
    made = replace(world, groups={**world.groups, name: Record(name, untagged(request), now)})
    return Outcome(retagged(made, arn, tags_of(request)), {"ModelPackageGroupArn": arn})


def describe_group(world: World, request: Content) -> Content:
    """Return a group, which is asked for by its name or its ARN."""
    return {**_shown(world, group_of(world, request["ModelPackageGroupName"])), "CreatedBy": {}}


def list_groups(world: World, request: Content) -> Content:
    """Return one page of the groups; there are none of other accounts."""
    if request.get("CrossAccountFilterOption") == "CrossAccount":
        return {_GROUPS.member: []}
    return page(_GROUPS, [_shown(world, group) for group in world.groups.values()], request)


def delete_group(world: World, request: Content) -> Outcome:
    """Forget a group.

    Raises:
        ApiError: If there is none, or it has packages.
    """
    name = group_of(world, request["ModelPackageGroupName"]).name
    arn = world.scope.arn(GROUP, name)
    if any(package.startswith(f"{name}/") for package in world.packages):
        raise ApiError("ConflictException", f"Model Package Group {arn} still contains model packages.")
    kept = replace(
        world,
        groups=without(world.groups, name),
        versions=without(world.versions, name),
        policies=without(world.policies, name),
    )
    return Outcome(retagged(kept, arn, None))


def put_policy(world: World, request: Content) -> Outcome:
    """Record the resource policy of a group, which is shown and has no effect: there is one account only."""
    name = _existing(world, request["ModelPackageGroupName"])
    put = replace(world, policies={**world.policies, name: request["ResourcePolicy"]})
    return Outcome(put, {"ModelPackageGroupArn": world.scope.arn(GROUP, name)})


def describe_policy(world: World, request: Content) -> Content:
    """Return the resource policy of a group.

    Raises:
        ApiError: If there is no group, or it has none.
    """
    return {"ResourcePolicy": world.policies[_with_policy(world, request)]}


def delete_policy(world: World, request: Content) -> Outcome:
    """Forget the resource policy of a group.

    Raises:
        ApiError: If there is no group, or it has none.
    """
    policies = without(world.policies, _with_policy(world, request))
    return Outcome(replace(world, policies=policies))


def group_of(world: World, name_or_arn: str) -> Record:
    """Return a group by its name or its ARN.

    Raises:
        ApiError: If there is none in this account and region.
    """
    name = named(world, GROUP, name_or_arn)
    if name not in world.groups:
        raise invalid(f"Model Package Group {world.scope.arn(GROUP, name)} does not exist.")
    return world.groups[name]


def named(world: World, kind: str, name_or_arn: str) -> str:
    """Return the name in an ARN of this account and region; what is no ARN is a name.

    >>> from orchestrator.localcloud.world import Scope
    >>> here = World(Scope("123456789012", "eu-west-1"))
    >>> named(here, "model-package", "arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1")
    'digits/1'

    Raises:
        ApiError: If it is of another account or region, or of another kind.
    """
    start = world.scope.arn(kind, "")
    if name_or_arn.startswith("arn:") and not name_or_arn.startswith(start):
        raise unsupported(f"resources of another account, region or kind ({name_or_arn})")
    return name_or_arn.removeprefix(start)


def _shown(world: World, group: Record) -> dict[str, Any]:
    return {
        **group.content,
        "ModelPackageGroupArn": world.scope.arn(GROUP, group.name),
        "CreationTime": group.created,
        "ModelPackageGroupStatus": "Completed",
    }


def _existing(world: World, name: str) -> str:
    if name not in world.groups:
        raise invalid(f"Cannot find Model Package Group: {world.scope.arn(GROUP, name)}")
    return name


def _with_policy(world: World, request: Content) -> str:
    name = _existing(world, request["ModelPackageGroupName"])
    if name not in world.policies:
        raise invalid(f"Cannot find resource policy for: {world.scope.arn(GROUP, name)}")
    return name
