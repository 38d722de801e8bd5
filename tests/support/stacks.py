"""Templates and stacks for tests of the local cloud's CloudFormation."""

import json
from collections.abc import Mapping
from typing import Any

WAIT = {"Delay": 0.05, "MaxAttempts": 600}
"""For boto3's waiters, which look every 30 s otherwise."""


def resource(kind: str, needs: str = "", policy: str = "", **properties: Any) -> dict[str, Any]:  # noqa: ANN401 - of a template
    """Return a resource of a template, with the same policy for both ways to lose it."""
    found: dict[str, Any] = {"Type": kind, "Properties": properties}
    if needs:
        found["DependsOn"] = needs
    return {**found, "DeletionPolicy": policy, "UpdateReplacePolicy": policy} if policy else found


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def att(name: str, attribute: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, attribute]}


def written(resources: Mapping[str, Any], **sections: Any) -> str:  # noqa: ANN401 - of a template
    """Return a template as text."""
    return json.dumps({"Resources": resources, **sections})


def events(api: Any, name: str) -> list[tuple[str, str]]:  # noqa: ANN401 - boto3 has no types
    """Return what has happened to a stack, the oldest first."""
    pages = api.get_paginator("describe_stack_events").paginate(StackName=name)
    found = [
        (event["LogicalResourceId"], event["ResourceStatus"])
        for page in pages
        for event in page["StackEvents"]
    ]
    return found[::-1]


def stack(api: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
    """Return a stack as it is shown."""
    (found,) = api.describe_stacks(StackName=name)["Stacks"]
    return dict(found)


def settled(api: Any, name: str, what: str) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
    """Return a stack once boto3's waiter of ``stack_WHAT`` says so."""
    api.get_waiter(f"stack_{what}").wait(StackName=name, WaiterConfig=WAIT)
    return stack(api, name)


def created(api: Any, name: str, body: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
    """Make a stack and wait for it."""
    api.create_stack(StackName=name, TemplateBody=body, **request)
    return settled(api, name, "create_complete")


def reviewed(api: Any, name: str, body: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3 has no types
    """Make a change set called ``change``, and return it once it can be carried out."""
    named = {"StackName": name, "ChangeSetName": "change"}
    api.create_change_set(**named, TemplateBody=body, **request)
    api.get_waiter("change_set_create_complete").wait(**named, WaiterConfig=WAIT)
    return dict(api.describe_change_set(**named, IncludePropertyValues=True))
