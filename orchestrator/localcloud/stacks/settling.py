"""What makes an operation on a stack complete: outputs, and what was changed or is too many."""

from dataclasses import replace

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.templates import Declared, template
from orchestrator.localcloud.stacks.viewing import exported, outputs, users
from orchestrator.localcloud.stacks.working import Ground, ResourceFailedError, Worker
from orchestrator.localcloud.stackworld import Stack, StackResource


def settle_outputs(ground: Ground, worker: Worker) -> None:
    """Give a stack its outputs.

    Raises:
        ApiError: If they have no values, or another stack exports one of their names.
    """
    stack, world = worker.stack, ground.worlds.at(worker.scope)
    found = template(stack.wanted.body)
    values = outputs(found, worker.view(found))
    after = {output["export"]: output["value"] for output in values.values() if "export" in output}
    for name, (value, owner) in exported(world).items():
        if owner.id != stack.id and name in after:
            why = f"Export with name {name} is already exported by stack {owner.name}."
            raise ApiError("ValidationError", why)
        if owner.id == stack.id and after.get(name) != value and (using := users(world, name)):
            verb = "updated" if name in after else "deleted"
            why = f"Export {name} cannot be {verb} as it is in use by {using[0].name}"
            raise ApiError("ValidationError", why)
    worker.edit(lambda stack: replace(stack, outputs=values))


def is_replaced(worker: Worker, old: StackResource) -> bool:
    """Tell whether another resource has taken the place of one."""
    return worker.stack.resources[old.logical].made.physical != old.made.physical


async def undone(worker: Worker, each: StackResource | str) -> StackResource | None:
    """Let a resource be what it was; return the one that is too many, if there is one."""
    if isinstance(each, str):
        return worker.stack.resources.get(each)
    present = worker.stack.resources[each.logical]
    if present.made.physical != each.made.physical:
        worker.restore(each)
        return present
    declared = Declared(
        each.logical, each.kind, each.properties, (), "", each.kept, each.replaced, each.metadata
    )
    await worker.change(present, declared, each.properties)
    return None


async def drop_or_leave(worker: Worker, each: StackResource, *, kept: bool, is_member: bool) -> None:
    """Delete what is too many; what cannot be deleted is left, and an event says so."""
    try:
        await worker.drop(each, kept=kept, is_member=is_member)
    except ResourceFailedError:
        if is_member:
            worker.forget(each.logical)


def backwards(stack: Stack) -> list[StackResource]:
    """Return the resources of a stack, each before those that it needs."""
    if not stack.resources:
        # A stack that was only looked at in change sets has no template either.
        return []
    order = {name: place for place, name in enumerate(template(stack.wanted.body).resources)}
    return sorted(
        stack.resources.values(), key=lambda each: order.get(each.logical, len(order)), reverse=True
    )
