"""What would become of a stack: the changes of its resources, as a change set shows them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.localcloud.stacks.intrinsics import Sight, check_literal, named
from orchestrator.localcloud.stacks.kind import Kind
from orchestrator.localcloud.stacks.templates import Declared, Template
from orchestrator.localcloud.stacks.viewing import LATER, outputs, present, sight
from orchestrator.localcloud.stackworld import Made, Stack, StackResource, Wanted
from orchestrator.localcloud.world import World

ADD, MODIFY, REMOVE, IMPORT = "Add", "Modify", "Remove", "Import"
_CHANGED = ("Metadata", "DeletionPolicy", "UpdateReplacePolicy")


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one resource.

    Attributes:
        action: An ``Action`` of the API.
        before: Its properties now; ``None`` if it is not there.
        after: Its properties then, with `LATER` where nobody knows; ``None`` if it would go.
        changed: The properties that would change.
        replaced: Those of them whose change takes another one in its place.
        scope: What of it would change, as the API says it.
        causes: By property, the parameters and resources that its value comes from.
    """

    action: str
    logical: str
    kind: str
    physical: str = ""
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    changed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    causes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def replacement(self) -> str:
        """Whether another one takes its place: ``True``, ``False``, or ``Conditional`` if it depends."""
        if not self.replaced:
            return "False"
        unknown = all(LATER in json.dumps((self.after or {}).get(name)) for name in self.replaced)
        return "Conditional" if unknown else "True"


@dataclass(frozen=True, slots=True)
class Proposal:
    """What would become of a stack.

    Attributes:
        is_empty: Whether nothing would change, neither resources nor outputs nor tags.
    """

    changes: tuple[Change, ...]
    is_empty: bool


def propose(
    world: World, stack: Stack, template: Template, wanted: Wanted, kinds: Mapping[str, Kind]
) -> Proposal:
    """Return what would become of a stack with another template, parameters or tags.

    Raises:
        ApiError: If a function of the template cannot be carried out.
    """
    there = {name: each for name, each in stack.resources.items() if each.made.physical}
    moved: set[str] = set()

    def made(name: str) -> Made | None:
        return there[name].made if name in there and name not in moved else None

    view = sight(world, stack, template, wanted, made)
    for condition in template.conditions:
        view.holds(condition)  # also those that nothing makes use of
    staying, changes = present(template, view), []
    for name, declared in staying.items():
        change = _change(declared, there.get(name), tagged(declared, view, wanted, kinds), kinds)
        if change is not None:
            changes.append(change)
        if change is not None and change.replacement == "True":
            moved.add(name)
    gone = [each for name, each in reversed(there.items()) if name not in staying]
    changes += [Change(REMOVE, each.logical, each.kind, each.made.physical, each.properties) for each in gone]
    same_outputs = not changes and outputs(template, view) == dict(stack.outputs)
    is_empty = not changes and same_outputs and wanted.tags == stack.wanted.tags
    return Proposal(tuple(changes), is_empty)


def tagged(declared: Declared, view: Sight, wanted: Wanted, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Return the properties of a resource, with the stack's tags where it takes any.

    Raises:
        ApiError: If a function in them cannot be carried out.
    """
    found: dict[str, Any] = view.value(declared.properties)
    check_literal(found, declared.logical)
    members = kinds[declared.kind].form().members
    if not wanted.tags or "Tags" not in members:
        return found
    own = found.get("Tags") or ()
    if members["Tags"][1].kind == "map":
        return {**found, "Tags": {**wanted.tags, **(own or {})}}
    said = {tag.get("Key") for tag in own if isinstance(tag, dict)}
    more = [{"Key": key, "Value": value} for key, value in wanted.tags.items() if key not in said]
    return {**found, "Tags": [*own, *more]}


def shown(change: Change, *, with_values: bool) -> dict[str, Any]:
    """Return a change as DescribeChangeSet shows it."""
    answer: dict[str, Any] = {
        "Action": change.action,
        "LogicalResourceId": change.logical,
        "ResourceType": change.kind,
        "Scope": list(change.scope),
        "Details": [],
    }
    if change.physical:
        answer["PhysicalResourceId"] = change.physical
    if change.action == MODIFY:
        answer["Replacement"] = change.replacement
        answer["Details"] = list(_details(change))
    if with_values:
        contexts = (("BeforeContext", change.before), ("AfterContext", change.after))
        for name, properties in contexts:
            if properties is not None:
                answer[name] = json.dumps({"Properties": properties})
    return {"Type": "Resource", "ResourceChange": answer}


def _change(
    declared: Declared, old: StackResource | None, after: Mapping[str, Any], kinds: Mapping[str, Kind]
) -> Change | None:
    name, kind = declared.logical, kinds[declared.kind]
    if old is None:
        return Change(ADD, name, declared.kind, after=after)
    if old.kind != declared.kind:
        changed = tuple(sorted(old.properties.keys() | after.keys()))
        return Change(
            MODIFY,
            name,
            declared.kind,
            old.made.physical,
            old.properties,
            after,
            changed,
            changed,
            ("Properties",),
        )
    before = old.properties
    changed = tuple(
        each for each in sorted(before.keys() | after.keys()) if before.get(each) != after.get(each)
    )
    others = zip(
        _CHANGED,
        ((old.metadata, declared.metadata), (old.kept, declared.kept), (old.replaced, declared.replaced)),
        strict=True,
    )
    scope: tuple[str, ...] = tuple(name for name, (one, other) in others if one != other)
    scope = (("Tags",) if "Tags" in changed else ()) + scope
    scope = (("Properties",) if set(changed) - {"Tags"} else ()) + scope
    if not scope:
        return None
    replaced = tuple(each for each in changed if kind.replaces(each))
    causes = {each: _causes(declared, each) for each in changed}
    return Change(
        MODIFY, name, declared.kind, old.made.physical, before, after, changed, replaced, scope, causes
    )


def _causes(declared: Declared, name: str) -> tuple[str, ...]:
    found = named(declared.properties.get(name))
    return tuple(dict.fromkeys(f"{one}.{attribute}" if attribute else one for one, attribute in found))


def _details(change: Change) -> Iterator[dict[str, Any]]:
    for name in change.changed:
        unknown = LATER in json.dumps((change.after or {}).get(name))
        target = {
            "Attribute": "Tags" if name == "Tags" else "Properties",
            "Name": name,
            "RequiresRecreation": ("Conditionally" if unknown else "Always")
            if name in change.replaced
            else "Never",
        }
        detail = {"Target": target, "Evaluation": "Dynamic" if unknown else "Static"}
        causes = [each for each in change.causes.get(name, ()) if not each.startswith("AWS::")]
        source = {"ChangeSource": "DirectModification"}
        if causes:
            source = {
                "ChangeSource": "ResourceAttribute" if "." in causes[0] else "ParameterReference",
                "CausingEntity": causes[0],
            }
        yield {**detail, **source}
    for name in change.scope:
        if name in _CHANGED:
            target = {"Attribute": name, "RequiresRecreation": "Never"}
            yield {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}
