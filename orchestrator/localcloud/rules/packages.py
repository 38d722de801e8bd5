"""The rules of model packages, with a version in a group or without both.

Most texts are AWS's: getmoto/moto#7165 for a request with two names or none, terraform's and CloudFormation's
providers for "does not exist" and "already exists".
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator.localcloud.apierrors import invalid, unsupported
from orchestrator.localcloud.rules.paging import Listing, page
from orchestrator.localcloud.rules.registry import group_of, named
from orchestrator.localcloud.rules.tagging import retagged, tags_of, untagged
from orchestrator.localcloud.world import GROUP, PACKAGE, Content, Outcome, Record, World, without

_PENDING, _APPROVED = "PendingManualApproval", "Approved"
_PACKAGES = Listing("ModelPackageSummaryList", "_Name", key="_Name")
_BATCHED = (
    "ModelPackageGroupName",
    "ModelPackageVersion",
    "ModelPackageArn",
    "ModelPackageDescription",
    "CreationTime",
    "ModelPackageStatus",
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "InferenceSpecification",
)
_BRIEF = {*_BATCHED, "ModelPackageName", "ModelLifeCycle"} - {"InferenceSpecification"}
# What a model's container can take over from a package's.
_CONTAINER = (
    "ContainerHostname",
    "Image",
    "ModelDataUrl",
    "ModelDataSource",
    "AdditionalModelDataSources",
    "Environment",
)
_REPLACED = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)


def create_package(world: World, request: Content, now: float) -> Outcome:
    """Record a model package. A request that is sent again with its token makes no second one.

    Raises:
        ApiError: If the name is taken, the group is missing, or the package would have to be validated.
    """
    name, group = request.get("ModelPackageName"), request.get("ModelPackageGroupName")
    if name and group:
        raise invalid(
            "Both ModelPackageName and ModelPackageGroupName are provided in the input. "
            "Cannot determine which one to use."
        )
    if not name and not group:
        raise invalid("Missing ARN.")
    if request.get("ValidationSpecification"):
        raise unsupported("ValidationSpecification")
    if before := _sent_before(world, request):
        return Outcome(world, {"ModelPackageArn": world.scope.arn(PACKAGE, before)})
    return _version(world, request, now) if group else _named(world, request, now)


def describe_package(world: World, request: Content) -> Content:
    """Return a model package, which is asked for by its name or its ARN.

    As by AWS, one with a version says its group and has no name of its own.
    """
    return _shown(world, _find(world, request["ModelPackageName"]))


def batch_describe_packages(world: World, request: Content) -> Content:
    """Return several model packages in short, and what is wrong with the other ARNs, both by ARN."""
    found: dict[str, Content] = {}
    wrong: dict[str, Content] = {}
    for arn in request["ModelPackageArnList"]:
        package = world.packages.get(arn.removeprefix(world.scope.arn(PACKAGE, "")))
        if package is None:
            text = f"ModelPackage {arn} does not exist."
            wrong[arn] = {"ErrorCode": "ValidationException", "ErrorResponse": text}
        else:
            shown = _shown(world, package)
            found[arn] = {member: shown[member] for member in _BATCHED if member in shown}
    return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": wrong}


def list_packages(world: World, request: Content) -> Content:
    """Return one page of the model packages: of a group, or else those without a version."""
    group = request.get("ModelPackageGroupName")
    kind = request.get("ModelPackageType", "Both" if group else "Unversioned")
    inside = group_of(world, group).name if group else None
    approval = request.get("ModelApprovalStatus")
    chosen = [
        package
        for package in world.packages.values()
        if kind in {"Both", "Versioned" if "/" in package.name else "Unversioned"}
        and inside in {None, package.name.partition("/")[0]}
        and approval in {None, package.content.get("ModelApprovalStatus")}
    ]
    lines = [{**_shown(world, package), "_Name": _sortable(package.name)} for package in chosen]
    listed = page(_PACKAGES, lines, request)
    briefly = [{name: line[name] for name in _BRIEF if name in line} for line in listed[_PACKAGES.member]]
    return {**listed, _PACKAGES.member: briefly}


def update_package(world: World, request: Content, now: float) -> Outcome:
    """Change what a request names of a model package, and nothing else.

    Raises:
        ApiError: If there is no such package, or it has an inference specification of that name.
    """
    package = _find(world, request["ModelPackageArn"])
    content: dict[str, Any] = {**package.content}
    content |= {member: request[member] for member in _REPLACED if member in request}
    properties = {
        **content.get("CustomerMetadataProperties", {}),
        **request.get("CustomerMetadataProperties", {}),
    }
    for key in request.get("CustomerMetadataPropertiesToRemove") or ():
        properties.pop(key, None)
    content.pop("CustomerMetadataProperties", None)
    if properties:
        content["CustomerMetadataProperties"] = properties
    if added := request.get("AdditionalInferenceSpecificationsToAdd"):
        content["AdditionalInferenceSpecifications"] = _added(content, added)
    return _answered(world, replace(package, content=content, modified=now))


def delete_package(world: World, request: Content) -> Outcome:
    """Forget a model package. Its version is not given again."""
    package = _find(world, request["ModelPackageName"])
    kept = replace(world, packages=without(world.packages, package.name))
    return Outcome(retagged(kept, world.scope.arn(PACKAGE, package.name), None))


def resolved(world: World, container: Content) -> Content:
    """Return a model's container with what the model package it names says; any other as it is.

    Raises:
        ApiError: If the package is missing, says nothing of inference, or has several containers.
    """
    if "ModelPackageName" not in container:
        return container
    package = _find(world, container["ModelPackageName"])
    containers = _specification(package, container.get("InferenceSpecificationName"))["Containers"]
    if len(containers) != 1:
        raise unsupported(f"model packages of several containers ('{package.name}')")
    taken = {member: containers[0][member] for member in _CONTAINER if member in containers[0]}
    environment = {**taken.get("Environment", {}), **container.get("Environment", {})}
    return {**taken, **container, **({"Environment": environment} if environment else {})}


def check_approved(world: World, container: Content) -> None:
    """Check that the model package of a container, if it names one, may serve.

    "Before you can deploy a model version, it must be approved": developer guide, model-registry-approve.
    What AWS says then is not known.

    Raises:
        ApiError: If it may not.
    """
    if "ModelPackageName" not in container:
        return
    package = _find(world, container["ModelPackageName"])
    status = package.content.get("ModelApprovalStatus", _APPROVED)
    if status != _APPROVED:
        arn = world.scope.arn(PACKAGE, package.name)
        raise invalid(f"ModelPackage {arn} is not approved for deployment: its approval status is {status}.")


def _specification(package: Record, name: str | None) -> Content:
    if name is None and "InferenceSpecification" in package.content:
        first: Content = package.content["InferenceSpecification"]
        return first
    for one in package.content.get("AdditionalInferenceSpecifications") or ():
        if one["Name"] == name:
            chosen: Content = one
            return chosen
    raise invalid(
        f"ModelPackage {package.name} has no inference specification{f' named {name}' if name else ''}."
    )


def _sent_before(world: World, request: Content) -> str | None:
    """Return the name of the package that a request with the same token has made, if there is one."""
    token = request.get("ClientToken")
    made = (name for name, package in world.packages.items() if package.content.get("ClientToken") == token)
    return next(made, None) if token else None


def _version(world: World, request: Content, now: float) -> Outcome:
    group = group_of(world, request["ModelPackageGroupName"]).name
    if request.get("Tags"):
        # "uses the tags associated with the model group. In this case, you cannot supply a tag argument":
        # SageMaker API reference, CreateModelPackage.
        raise invalid("Tags cannot be specified for a model package in a model package group.")
    number = world.versions.get(group, 0) + 1
    content = {
        "ModelApprovalStatus": _PENDING,
        **request,
        "ModelPackageGroupName": group,
        "ModelPackageVersion": number,
    }
    counted = replace(world, versions={**world.versions, group: number})
    tags = world.tags.get(world.scope.arn(GROUP, group), {})
    return _recorded(counted, Record(f"{group}/{number}", content, now), tags)


def _named(world: World, request: Content, now: float) -> Outcome:
    name = request["ModelPackageName"]
    if name in world.packages:
        raise invalid(f"Model Package already exists: {world.scope.arn(PACKAGE, name)}")
    return _recorded(world, Record(name, untagged(request), now), tags_of(request))


def _recorded(world: World, package: Record, tags: Mapping[str, str]) -> Outcome:
    return _answered(retagged(world, world.scope.arn(PACKAGE, package.name), tags), package)


def _answered(world: World, package: Record) -> Outcome:
    changed = replace(world, packages={**world.packages, package.name: package})
    return Outcome(changed, {"ModelPackageArn": world.scope.arn(PACKAGE, package.name)})


def _find(world: World, name_or_arn: str) -> Record:
    name = named(world, PACKAGE, name_or_arn)
    if name not in world.packages:
        raise invalid(f"ModelPackage {world.scope.arn(PACKAGE, name)} does not exist.")
    return world.packages[name]


def _shown(world: World, package: Record) -> dict[str, Any]:
    """Return a model package as it is described: ``Completed`` at once, there is nothing to wait for."""
    times = {"LastModifiedTime": package.modified, "LastModifiedBy": {}} if package.modified else {}
    return {
        "CertifyForMarketplace": False,
        **without(package.content, "ClientToken"),
        "ModelPackageArn": world.scope.arn(PACKAGE, package.name),
        "CreationTime": package.created,
        "CreatedBy": {},
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        **times,
    }


def _added(content: Content, added: list[Content]) -> list[Content]:
    present = [*(content.get("AdditionalInferenceSpecifications") or ())]
    names = {one["Name"] for one in present}
    if twice := sorted(one["Name"] for one in added if one["Name"] in names):
        raise invalid(f"An additional inference specification named {twice[0]} already exists.")
    return [*present, *added]


def _sortable(name: str) -> str:
    """Return the name of a package such that version 10 comes after version 9."""
    group, separator, version = name.partition("/")
    return f"{group}{separator}{version:>09}" if version else name
