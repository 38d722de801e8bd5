"""Stacks as CloudFormation's reading operations show them."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.catalogue import needed
from orchestrator.localcloud.stacks.changesets import EXECUTED, changeset, list_change_sets
from orchestrator.localcloud.stacks.marking import found
from orchestrator.localcloud.stacks.pages import Answer, Request, listed, paged, parameters, said
from orchestrator.localcloud.stacks.parameters import is_hidden
from orchestrator.localcloud.stacks.templates import Template, template
from orchestrator.localcloud.stacks.viewing import exported, users
from orchestrator.localcloud.stackworld import Stack, StackResource
from orchestrator.localcloud.world import World

_UNCHECKED = {"DriftInformation": {"StackDriftStatus": "NOT_CHECKED"}}
_UNCHECKED_RESOURCE = {"DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"}}


def describe_stacks(world: World, request: Request) -> Answer:
    """Answer DescribeStacks."""
    if name := request.get("StackName"):
        return {"Stacks": [_stack(found(world, name))]}
    return paged("Stacks", [_stack(each) for each in _newest(world) if each.is_there], request)


def list_stacks(world: World, request: Request) -> Answer:
    """Answer ListStacks; deleted ones are among them."""
    wanted = request.get("StackStatusFilter")
    stacks = [each for each in _newest(world) if not wanted or each.status in wanted]
    return paged("StackSummaries", [_summary(each) for each in stacks], request)


def describe_stack_events(world: World, request: Request) -> Answer:
    """Answer DescribeStackEvents, the newest first."""
    stack = found(world, _name(request))
    events = [
        said(
            StackId=stack.id,
            StackName=stack.name,
            EventId=event.number,
            LogicalResourceId=event.logical,
            PhysicalResourceId=event.physical,
            ResourceType=event.kind,
            Timestamp=event.at,
            ResourceStatus=event.status,
            ResourceStatusReason=event.reason,
            ResourceProperties=None if event.properties is None else json.dumps(event.properties),
            ClientRequestToken=event.token,
        )
        for event in reversed(stack.events)
    ]
    return paged("StackEvents", events, request)


def describe_stack_resource(world: World, request: Request) -> Answer:
    """Answer DescribeStackResource."""
    stack = found(world, request["StackName"])
    each = stack.resources.get(request["LogicalResourceId"])
    if each is None:
        name = request["LogicalResourceId"]
        raise ApiError("ValidationError", f"Resource {name} does not exist for stack {stack.name}")
    about = {"StackId": stack.id, "StackName": stack.name, **_resource(each, "LastUpdatedTimestamp")}
    metadata = {"Metadata": json.dumps(each.metadata)} if each.metadata else {}
    return {"StackResourceDetail": {**about, **metadata}}


def describe_stack_resources(world: World, request: Request) -> Answer:
    """Answer DescribeStackResources: of a stack, or of the one that has a physical id."""
    physical, logical = request.get("PhysicalResourceId"), request.get("LogicalResourceId")
    if physical and not request.get("StackName"):
        owners = [each for each in _newest(world) if each.is_there and _has(each, physical)]
        if not owners:
            raise ApiError("ValidationError", f"Stack for {physical} does not exist")
        stack = owners[0]
    else:
        stack = found(world, _name(request))
    chosen = [each for each in stack.resources.values() if logical in {None, each.logical}]
    about = {"StackId": stack.id, "StackName": stack.name}
    return {"StackResources": [{**about, **_resource(each, "Timestamp")} for each in chosen]}


def list_stack_resources(world: World, request: Request) -> Answer:
    """Answer ListStackResources."""
    stack = found(world, request["StackName"])
    summaries = [_resource(each, "LastUpdatedTimestamp") for each in stack.resources.values()]
    return paged("StackResourceSummaries", summaries, request)


def get_template(world: World, request: Request) -> Answer:
    """Answer GetTemplate: the text as it was sent, of a stack or of a change set."""
    if name := request.get("ChangeSetName"):
        body = changeset(world, name, request.get("StackName"))[1].wanted.body
    else:
        body = found(world, _name(request)).wanted.body
    return {"TemplateBody": body, "StagesAvailable": ["Original", "Processed"]}


def list_exports(world: World, request: Request) -> Answer:
    """Answer ListExports."""
    exports = [
        {"ExportingStackId": stack.id, "Name": name, "Value": value}
        for name, (value, stack) in sorted(exported(world).items())
    ]
    return paged("Exports", exports, request)


def list_imports(world: World, request: Request) -> Answer:
    """Answer ListImports: the names of the stacks that make use of an export."""
    name = request["ExportName"]
    using = [stack.name for stack in users(world, name)]
    if not using:
        raise ApiError("ValidationError", f"Export '{name}' is not imported by any stack.")
    return paged("Imports", using, request)


def summary_of(asked: Template, *, in_full: bool) -> Answer:
    """Return what GetTemplateSummary (in full) or ValidateTemplate says of a template."""
    capability, types = needed(asked)
    listed = ", ".join(types)
    why = f"The following resource(s) require capabilities: [{listed}]" if capability else ""
    answer = {
        "Parameters": [_declared(name, each, in_full) for name, each in asked.parameters.items()],
        **said(Description=asked.description, CapabilitiesReason=why),
        "Capabilities": [capability] if capability else [],
    }
    if not in_full:
        return answer
    kinds = sorted({each.kind for each in asked.resources.values()})
    metadata = {"Metadata": json.dumps(asked.metadata)} if asked.metadata else {}
    return {**answer, "ResourceTypes": kinds, "Version": "2010-09-09", **metadata}


READS: Mapping[str, Callable[[World, Request], Answer]] = {
    "DescribeStackEvents": describe_stack_events,
    "DescribeStackResource": describe_stack_resource,
    "DescribeStackResources": describe_stack_resources,
    "DescribeStacks": describe_stacks,
    "GetTemplate": get_template,
    "ListChangeSets": list_change_sets,
    "ListExports": list_exports,
    "ListImports": list_imports,
    "ListStackResources": list_stack_resources,
    "ListStacks": list_stacks,
}


def _newest(world: World) -> list[Stack]:
    return sorted(world.stacks.values(), key=lambda stack: stack.created, reverse=True)


def _name(request: Request) -> str:
    if not request.get("StackName"):
        raise ApiError("ValidationError", "The parameter StackName is required.")
    return str(request["StackName"])


def _has(stack: Stack, physical: str) -> bool:
    return any(each.made.physical == physical for each in stack.resources.values())


def _stack(stack: Stack) -> Answer:
    outputs = [
        said(
            OutputKey=name,
            OutputValue=output["value"],
            Description=output.get("description"),
            ExportName=output.get("export"),
        )
        for name, output in stack.outputs.items()
    ]
    executed = [each.id for each in stack.changesets.values() if each.execution == EXECUTED]
    return {
        **_summary(stack),
        **said(ChangeSetId="".join(executed)),
        **said(Description=template(stack.wanted.body).description if stack.wanted.body else ""),
        "Parameters": parameters(stack.wanted.body, stack.wanted.parameters),
        "Outputs": outputs,
        "Tags": listed(stack.wanted.tags),
        "Capabilities": list(stack.wanted.capabilities),
        "DisableRollback": stack.on_failure == "DO_NOTHING",
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "EnableTerminationProtection": stack.protected,
        **said(RoleARN=stack.wanted.role),
    }


def _summary(stack: Stack) -> Answer:
    about = said(
        StackId=stack.id,
        StackName=stack.name,
        CreationTime=stack.created,
        StackStatus=stack.status,
        StackStatusReason=stack.reason,
        LastUpdatedTime=stack.updated or None,
        DeletionTime=stack.deleted or None,
        TemplateDescription=template(stack.wanted.body).description if stack.wanted.body else "",
    )
    return {**about, **_UNCHECKED}


def _resource(each: StackResource, moment: str) -> Answer:
    about = said(
        LogicalResourceId=each.logical,
        PhysicalResourceId=each.made.physical,
        ResourceType=each.kind,
        ResourceStatus=each.status,
        ResourceStatusReason=each.reason,
    )
    return {**about, moment: each.since, **_UNCHECKED_RESOURCE}


def _declared(name: str, each: Mapping[str, Any], in_full: bool) -> Answer:  # noqa: FBT001 - of the caller
    default = each.get("Default")
    answer = {
        "ParameterKey": name,
        "NoEcho": is_hidden(each),
        **said(Description=each.get("Description"), DefaultValue=None if default is None else str(default)),
    }
    if not in_full:
        return answer
    allowed = [str(choice) for choice in each.get("AllowedValues") or ()]
    return {**answer, "ParameterType": each["Type"], "ParameterConstraints": {"AllowedValues": allowed}}
