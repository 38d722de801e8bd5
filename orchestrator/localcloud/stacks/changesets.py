"""Change sets: what they are made of, and how they are shown."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.kind import Hand, Kind
from orchestrator.localcloud.stacks.marking import MOVING, found, identity
from orchestrator.localcloud.stacks.pages import Answer, Request, listed, paged, parameters, said
from orchestrator.localcloud.stacks.planning import ADD, IMPORT, Proposal, shown
from orchestrator.localcloud.stacks.templates import Template
from orchestrator.localcloud.stackworld import ChangeSet, Stack, Wanted
from orchestrator.localcloud.world import Scope, World

EXECUTED = "EXECUTE_IN_PROGRESS"
"""What a change set is once it was carried out; how it ended, its stack says."""

_WELL = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
_KEPT = {"Retain", "RetainExceptOnCreate"}
_UNCHANGED = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)


def waiting(stack: Stack, name: str) -> dict[str, ChangeSet]:
    """Return the change sets of a stack that have not been carried out.

    Raises:
        ApiError: If one of them has the name that another is to have.
    """
    there = {key: each for key, each in stack.changesets.items() if each.execution != EXECUTED}
    if any(each.name == name for each in there.values()):
        why = f"ChangeSet {name} cannot be created due to a mismatch with existing attributes"
        raise ApiError("AlreadyExistsException", why)
    return there


def adoptable(
    world: World, asked: Template, proposal: Proposal, kinds: Mapping[str, Kind], hand: Hand
) -> dict[str, str]:
    """Return the resources that are there already, by logical id, with their physical ids.

    Only those whose name is written in the template itself, and that are to be kept: user guide,
    "Import AWS resources into a CloudFormation stack automatically".
    """
    stacks = world.stacks.values()
    owned = {each.made.physical for stack in stacks for each in stack.resources.values()}
    there = {}
    for change in proposal.changes:
        kind, declared = kinds[change.kind], asked.resources.get(change.logical)
        if change.action != ADD or declared is None or kind.find is None or declared.kept not in _KEPT:
            continue
        name = declared.properties.get(kind.named)
        made = kind.find(hand, name) if isinstance(name, str) else None
        if made is not None and made.physical not in owned:
            there[change.logical] = made.physical
    return there


def change_set(
    scope: Scope, request: Request, wish: Wanted, proposal: Proposal, adopts: Mapping[str, str]
) -> ChangeSet:
    """Return the change set that a request asks for, as it is once it is made."""
    name = str(request["ChangeSetName"])
    changes = [
        replace(each, action=IMPORT, physical=adopts[each.logical]) if each.logical in adopts else each
        for each in proposal.changes
    ]
    failed = proposal.is_empty
    return ChangeSet(
        identity(scope, "changeSet", name),
        name,
        str(request.get("ChangeSetType", "UPDATE")),
        wish,
        "FAILED" if failed else "CREATE_COMPLETE",
        "UNAVAILABLE" if failed else "AVAILABLE",
        changes=tuple(shown(each, with_values=True) for each in changes),
        adopts=tuple(adopts),
        description=str(request.get("Description", "")),
        reason=_UNCHANGED if failed else "",
        on_failure=str(request.get("OnStackFailure", "")),
    )


def list_change_sets(world: World, request: Request) -> Answer:
    """Answer ListChangeSets."""
    stack = found(world, request["StackName"])
    summaries = [
        said(
            StackId=stack.id,
            StackName=stack.name,
            ChangeSetId=each.id,
            ChangeSetName=each.name,
            ExecutionStatus=_execution(stack, each),
            Status=each.status,
            StatusReason=each.reason,
            CreationTime=each.created,
            Description=each.description,
        )
        for each in stack.changesets.values()
    ]
    return paged("Summaries", summaries, request)


def describe_change_set(world: World, request: Request, now: float) -> Answer:
    """Answer DescribeChangeSet; for a moment it is still being made."""
    stack, each = changeset(world, request["ChangeSetName"], request.get("StackName"))
    is_ready = now >= each.ready
    changes = list(each.changes) if is_ready else []
    if not request.get("IncludePropertyValues"):
        changes = [_without_values(change) for change in changes]
    about = said(
        ChangeSetName=each.name,
        ChangeSetId=each.id,
        StackId=stack.id,
        StackName=stack.name,
        Description=each.description,
        Parameters=parameters(each.wanted.body, each.wanted.parameters),
        CreationTime=each.created,
        ExecutionStatus=_execution(stack, each) if is_ready else "UNAVAILABLE",
        Status=each.status if is_ready else "CREATE_IN_PROGRESS",
        StatusReason=each.reason if is_ready else "",
        Capabilities=list(each.wanted.capabilities),
        Tags=listed(each.wanted.tags),
        OnStackFailure=each.on_failure,
    )
    return {**about, **paged("Changes", changes, request)}


def changeset(world: World, name: str, stack_name: str | None) -> tuple[Stack, ChangeSet]:
    """Return a change set by its ARN, or by its name and its stack's, and its stack.

    Raises:
        ApiError: If there is none.
    """
    stacks: Iterable[Stack] = [found(world, stack_name)] if stack_name else world.stacks.values()
    for stack in stacks:
        for each in stack.changesets.values():
            if each.id == name or (stack_name and each.name == name):
                return stack, each
    if not stack_name and not name.startswith("arn:"):
        raise ApiError(
            "ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN."
        )
    raise ApiError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)


def _execution(stack: Stack, each: ChangeSet) -> str:
    if each.execution != EXECUTED or stack.status.endswith(MOVING):
        return each.execution
    return "EXECUTE_COMPLETE" if stack.status in _WELL else "EXECUTE_FAILED"


def _without_values(change: Mapping[str, Any]) -> Answer:
    inside = {
        name: value
        for name, value in change["ResourceChange"].items()
        if name not in {"BeforeContext", "AfterContext"}
    }
    return {**change, "ResourceChange": inside}
