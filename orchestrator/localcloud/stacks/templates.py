"""A template, checked as far as it can be without knowing any kind of resource."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.stacks.intrinsics import named
from orchestrator.localcloud.stacks.reading import malformed, read

PSEUDO = (
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
)
_SECTIONS = {
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
}
_ABSENT_SECTIONS = {"Hooks", "Rules", "Transform"}
_ATTRIBUTES = {
    "Condition",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdateReplacePolicy",
}
_ABSENT_ATTRIBUTES = {"CreationPolicy", "UpdatePolicy"}
_POLICIES = {
    "DeletionPolicy": ("Delete", "Retain", "RetainExceptOnCreate"),
    "UpdateReplacePolicy": ("Delete", "Retain"),
}
_VERSION = "2010-09-09"


@dataclass(frozen=True, slots=True)
class Declared:
    """A resource as the template has it.

    Attributes:
        needs: The logical ids of those that have to be there first.
        condition: The condition under which it is there; empty for always.
    """

    logical: str
    kind: str
    properties: Mapping[str, Any]
    needs: tuple[str, ...]
    condition: str
    kept: str
    replaced: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """A template.

    Attributes:
        resources: By logical id, each behind those that it needs.
    """

    description: str
    metadata: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resources: Mapping[str, Declared]
    outputs: Mapping[str, Mapping[str, Any]]


@functools.lru_cache(maxsize=64)
def template(body: str) -> Template:
    """Return the template that a text has written; the same for the same text, and not to be changed.

    Raises:
        ApiError: If it is none, or asks for what the local cloud does not have.
    """
    found = read(body)
    _check_sections(found)
    raw = _objects(found, "Resources")
    if not raw:
        raise malformed("At least one Resources member must be defined.")
    names = {*_objects(found, "Parameters"), *PSEUDO, *raw}
    declared = {logical: _declared(logical, resource) for logical, resource in raw.items()}
    outputs = {name: _output(name, output) for name, output in _objects(found, "Outputs").items()}
    conditions = found.get("Conditions") or {}
    _check_names({"Resources": raw, "Outputs": outputs, "Conditions": conditions}, names, frozenset(raw))
    _check_conditions(declared, outputs, conditions)
    return Template(
        str(found.get("Description") or ""),
        found.get("Metadata") or {},
        _objects(found, "Parameters"),
        _objects(found, "Mappings"),
        conditions,
        {each.logical: each for each in _ordered(declared)},
        outputs,
    )


def _check_sections(found: Mapping[str, Any]) -> None:
    if unknown := sorted(found.keys() - _SECTIONS - _ABSENT_SECTIONS):
        raise malformed(f"Invalid template property or properties [{', '.join(unknown)}]")
    if absent := sorted(found.keys() & _ABSENT_SECTIONS):
        raise unsupported(f"templates with {absent[0]}")
    for section in ("Conditions", "Mappings", "Metadata"):
        if not isinstance(found.get(section) or {}, dict):
            raise malformed(f"{section} must be an object.")
    if str(found.get("AWSTemplateFormatVersion", _VERSION)) != _VERSION:
        raise malformed(f"the version of a template is {_VERSION}")


def _objects(found: Mapping[str, Any], section: str) -> Mapping[str, Mapping[str, Any]]:
    entries = found.get(section) or {}
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise malformed(f"Every {section} member must be an object.")
    return entries


def _declared(logical: str, raw: Mapping[str, Any]) -> Declared:
    if not logical.isalnum() or not logical.isascii():
        raise malformed(f"Resource name {logical} is non alphanumeric.")
    if not isinstance(raw.get("Type"), str):
        raise malformed(f"Every Resources member must contain a Type: [/Resources/{logical}]")
    if absent := sorted(raw.keys() & _ABSENT_ATTRIBUTES):
        raise unsupported(f"{absent[0]} of a resource ({logical})")
    if unknown := sorted(raw.keys() - _ATTRIBUTES):
        raise malformed(f"Invalid template resource property '{unknown[0]}' [/Resources/{logical}]")
    for attribute, choices in _POLICIES.items():
        if raw.get(attribute, "Delete") not in choices:
            raise malformed(f"Unrecognized {attribute} {raw[attribute]} for resource {logical}")
    for member in ("Properties", "Metadata"):
        if not isinstance(raw.get(member) or {}, dict):
            raise malformed(f"{member} of {logical} must be an object")
    needs = raw.get("DependsOn") or []
    listed = needs if isinstance(needs, list) else [needs]
    if not all(isinstance(need, str) for need in listed):
        raise malformed(f"DependsOn of {logical} must be the name of a resource, or a list of names")
    used = [name for name, _ in named(raw.get("Properties") or {})]
    return Declared(
        logical,
        raw["Type"],
        raw.get("Properties") or {},
        tuple(dict.fromkeys([*listed, *used])),
        str(raw.get("Condition") or ""),
        str(raw.get("DeletionPolicy", "Delete")),
        str(raw.get("UpdateReplacePolicy", "Delete")),
        raw.get("Metadata") or {},
    )


def _output(name: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
    if "Value" not in raw:
        raise malformed(f"Output {name} is malformed. Every Outputs member must contain a Value object")
    if unknown := sorted(raw.keys() - {"Condition", "Description", "Export", "Value"}):
        raise malformed(f"Output {name} has an unknown member {unknown[0]}")
    export = raw.get("Export")
    if export is not None and (not isinstance(export, dict) or export.keys() != {"Name"}):
        raise malformed(f"Export of output {name} must be an object with a Name")
    return raw


def _check_names(sections: Mapping[str, Any], names: set[str], resources: frozenset[str]) -> None:
    for section, content in sections.items():
        places = content.values() if section != "Conditions" else [content]
        found = [each for place in places for each in _used(section, place)]
        bad = {name for name, _ in found if name not in names}
        bad |= {name for name, attribute in found if attribute and name not in resources}
        if section == "Conditions":
            bad |= {name for name, _ in found if name in resources}
        if bad:
            listed = ", ".join(sorted(bad))
            raise malformed(
                f"Unresolved resource dependencies [{listed}] in the {section} block of the template"
            )


def _used(section: str, place: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if section != "Resources":
        yield from named(place)
        return
    yield from named(place.get("Properties") or {})
    needs = place.get("DependsOn") or []
    yield from ((need, "") for need in ([needs] if isinstance(needs, str) else needs))


def _check_conditions(
    declared: Mapping[str, Declared], outputs: Mapping[str, Mapping[str, Any]], conditions: Mapping[str, Any]
) -> None:
    for each in declared.values():
        if each.condition and each.condition not in conditions:
            raise malformed(f"Unresolved condition dependency {each.condition} in the Resources block")
    for output in outputs.values():
        if "Condition" in output and str(output["Condition"]) not in conditions:
            raise malformed(f"Unresolved condition dependency {output['Condition']} in the Outputs block")


def _ordered(declared: Mapping[str, Declared]) -> Iterator[Declared]:
    """Yield resources, each behind those that it needs, as the template has them otherwise."""
    left, there = dict(declared), set[str]()
    while left:
        free = [
            each
            for each in left.values()
            if all(need in there or need not in declared for need in each.needs)
        ]
        if not free:
            listed = ", ".join(left)
            raise ApiError("ValidationError", f"Circular dependency between resources: [{listed}]")
        for each in free:
            there.add(each.logical)
            yield left.pop(each.logical)
