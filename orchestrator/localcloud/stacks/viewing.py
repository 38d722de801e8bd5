"""What the functions of a template see in a stack: parameters, the stack itself and what is there already."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.intrinsics import Sight, check_literal, failed
from orchestrator.localcloud.stacks.parameters import typed
from orchestrator.localcloud.stacks.reading import malformed
from orchestrator.localcloud.stacks.templates import Declared, Template, template
from orchestrator.localcloud.stackworld import Made, Stack, Wanted
from orchestrator.localcloud.world import Scope, World

LATER = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""What a change set shows where nobody knows the value before it is carried out."""

_CHINA = "aws-cn"


def sight(
    world: World,
    stack: Stack,
    found: Template,
    wanted: Wanted,
    made: Callable[[str], Made | None],
) -> Sight:
    """Return what the functions of a template see.

    Args:
        world: Where the stack is; for what other stacks export.
        stack: The stack that it is the template of.
        found: The template.
        wanted: With which parameters.
        made: What there is of a resource; ``None`` if it is yet to be made.
    """

    def resource(name: str, attribute: str) -> Any:  # noqa: ANN401 - a text or a list of texts
        condition = found.resources[name].condition
        if condition and not view.holds(condition):
            raise malformed(f"Unresolved resource dependencies [{name}] in the template")
        there = made(name)
        if there is None:
            return LATER
        if not attribute:
            return there.physical
        if attribute not in there.attributes:
            raise failed(f"resource {name} does not support attribute type {attribute} in Fn::GetAtt")
        return there.attributes[attribute]

    values = {**_pseudo(world.scope, stack), **typed(found.parameters, wanted.parameters)}
    exports = exported(world)

    def export(name: str) -> str:
        if name not in exports:
            raise ApiError("ValidationError", f"No export named {name} found.")
        return exports[name][0]

    view = Sight(values, found.mappings, found.conditions, resource, export)
    return view


def present(found: Template, view: Sight) -> dict[str, Declared]:
    """Return the resources whose conditions hold, each behind those that it needs."""
    return {
        name: each
        for name, each in found.resources.items()
        if not each.condition or view.holds(each.condition)
    }


def exported(world: World) -> Mapping[str, tuple[str, Stack]]:
    """Return what the stacks of an account and region export, by name: the value and the stack."""
    return {
        output["export"]: (output["value"], stack)
        for stack in world.stacks.values()
        if stack.is_there
        for output in stack.outputs.values()
        if output.get("export")
    }


def imported(world: World, stack: Stack) -> set[str]:
    """Return the names of the exports that a stack makes use of."""
    found = template(stack.wanted.body)
    view = sight(world, stack, found, stack.wanted, lambda name: made_of(stack, name))
    places = [each.properties for each in present(found, view).values()]
    calls = [inside for place in [*places, *found.outputs.values()] for inside in _imports(place)]
    return {str(view.value(inside)) for inside in calls}


def users(world: World, export: str) -> list[Stack]:
    """Return the stacks that make use of what is exported by a name."""
    there = [stack for stack in world.stacks.values() if stack.is_there and stack.resources]
    return [stack for stack in there if export in imported(world, stack)]


def made_of(stack: Stack, name: str) -> Made | None:
    """Return what a resource of a stack is; ``None`` if it is not there."""
    resource = stack.resources.get(name)
    return resource.made if resource is not None and resource.made.physical else None


def _imports(found: Any) -> Iterator[Any]:  # noqa: ANN401 - JSON
    if isinstance(found, dict):
        yield from ([found["Fn::ImportValue"]] if "Fn::ImportValue" in found else [])
    below = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    for each in below:
        yield from _imports(each)


def outputs(asked: Template, view: Sight) -> dict[str, dict[str, str]]:
    """Return the outputs of a template whose conditions hold.

    Raises:
        ApiError: If one of them has no value that is a text.
    """
    found = {}
    for name, output in asked.outputs.items():
        if "Condition" in output and not view.holds(output["Condition"]):
            continue
        value = view.value(output["Value"])
        check_literal(value, name)
        if isinstance(value, (list, dict)):
            raise failed(f"the value of output {name} must be a text")
        export = view.value((output.get("Export") or {}).get("Name", ""))
        described = {"description": str(output["Description"])} if "Description" in output else {}
        found[name] = {"value": str(value), **({"export": str(export)} if export else {}), **described}
    return found


def _pseudo(scope: Scope, stack: Stack) -> dict[str, Any]:
    where = scope.partition
    return {
        "AWS::AccountId": scope.account,
        "AWS::NotificationARNs": [],
        "AWS::Partition": where,
        "AWS::Region": scope.region,
        "AWS::StackId": stack.id,
        "AWS::StackName": stack.name,
        "AWS::URLSuffix": "amazonaws.com.cn" if where == _CHINA else "amazonaws.com",
    }
