"""How a stack's past is written: each change of a status is an event."""

import uuid
from dataclasses import replace

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stackworld import Stack, StackEvent, StackResource
from orchestrator.localcloud.world import Scope, World, without

STACK = "AWS::CloudFormation::Stack"
MOVING = "_IN_PROGRESS"
_SETTLED = {
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
}
_RESTARTED = "The local cloud was restarted meanwhile."
# What a stack is where what was being done to it was cut off.
_CUT_OFF = {
    "CREATE_IN_PROGRESS": "CREATE_FAILED",
    "DELETE_IN_PROGRESS": "DELETE_FAILED",
    "ROLLBACK_IN_PROGRESS": "ROLLBACK_FAILED",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_COMPLETE",
    "UPDATE_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_ROLLBACK_IN_PROGRESS": "UPDATE_ROLLBACK_FAILED",
}


def found(world: World, name: str) -> Stack:
    """Return the stack with a name or an id; a deleted one is found by its id only.

    Raises:
        ApiError: If there is none.
    """
    if name in world.stacks:
        return world.stacks[name]
    for stack in world.stacks.values():
        if stack.name == name and stack.is_there:
            return stack
    raise ApiError("ValidationError", f"Stack with id {name} does not exist")


def identity(scope: Scope, kind: str, name: str) -> str:
    """Return the ARN of a new stack or change set."""
    where = f"arn:{scope.partition}:cloudformation:{scope.region}:{scope.account}"
    return f"{where}:{kind}/{name}/{uuid.uuid4()}"


def check_free(world: World, name: str) -> None:
    """Check that a stack can be made under a name.

    Raises:
        ApiError: If there is one.
    """
    if any(each.name == name and each.is_there for each in world.stacks.values()):
        raise ApiError("AlreadyExistsException", f"Stack [{name}] already exists")


def check_settled(stack: Stack) -> None:
    """Check that a stack can be changed.

    Raises:
        ApiError: If it cannot now, or never again.
    """
    if stack.status not in _SETTLED:
        why = f"Stack:{stack.id} is in {stack.status} state and can not be updated."
        raise ApiError("ValidationError", why)


def put(world: World, stack: Stack) -> World:
    """Return the world with a stack in it, in place of the one with that id."""
    return replace(world, stacks={**world.stacks, stack.id: stack})


def turned(stack: Stack, status: str, at: float, reason: str = "", token: str = "") -> Stack:
    """Return a stack with another status."""
    event = _event(stack.name, stack.id, STACK, status, at)
    event = replace(event, reason=reason, token=token)
    return replace(stack, status=status, reason=reason, events=(*stack.events, event))


def marked(stack: Stack, resource: StackResource, at: float, token: str = "") -> Stack:
    """Return a stack with one of its resources as it has become."""
    resource = replace(resource, since=at)
    event = _event(resource.logical, resource.made.physical, resource.kind, resource.status, at)
    event = replace(event, reason=resource.reason, token=token, properties=resource.properties)
    resources = {**stack.resources, resource.logical: resource}
    return replace(stack, resources=resources, events=(*stack.events, event))


def noted(stack: Stack, resource: StackResource, at: float, token: str = "") -> Stack:
    """Return a stack with an event of a resource that is in it no more, or not yet."""
    event = _event(resource.logical, resource.made.physical, resource.kind, resource.status, at)
    return replace(stack, events=(*stack.events, replace(event, reason=resource.reason, token=token)))


def dropped(stack: Stack, logical: str) -> Stack:
    """Return a stack without one of its resources."""
    return replace(stack, resources=without(stack.resources, logical))


def interrupted(world: World, now: float) -> World:
    """Return the world after a restart: what was being done to stacks is not taken up again."""
    for stack in tuple(world.stacks.values()):
        world = put(world, cut_off(stack, now, _RESTARTED))
    return world


def cut_off(stack: Stack, now: float, why: str) -> Stack:
    """Return a stack to which nothing more is done: failed, if something was being done to it."""
    if stack.status not in _CUT_OFF:
        return stack
    cut = stack
    for each in stack.resources.values():
        if each.status.endswith(MOVING):
            failed = each.status.removesuffix(MOVING) + "_FAILED"
            cut = marked(cut, replace(each, status=failed, reason=why), now)
    return turned(cut, _CUT_OFF[stack.status], now, why)


def _event(logical: str, physical: str, kind: str, status: str, at: float) -> StackEvent:
    return StackEvent(str(uuid.uuid4()), logical, physical, kind, status, at)
