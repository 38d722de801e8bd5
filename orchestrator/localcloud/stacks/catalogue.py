"""All kinds of resources that a stack can have, and what CloudFormation wants acknowledged of them."""

from collections.abc import Iterable, Mapping

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.stacks.forms import check
from orchestrator.localcloud.stacks.intrinsics import function, named
from orchestrator.localcloud.stacks.kind import Kind
from orchestrator.localcloud.stacks.kinds import (
    buckets,
    identities,
    keys,
    logs,
    messages,
    serving,
    watching,
)
from orchestrator.localcloud.stacks.reading import malformed
from orchestrator.localcloud.stacks.templates import Declared, Template

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for module in (buckets, identities, keys, logs, messages, serving, watching)
    for kind in module.KINDS
}
# User guide, "Acknowledging IAM resources in CloudFormation templates"; OIDC providers are not among them.
_IAM = {"AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::IAM::Role"}
_ANONYMOUS, _NAMED = "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"


def check_resources(found: Template, kinds: Mapping[str, Kind] = KINDS) -> None:
    """Check that there is everything that a template's resources ask for.

    Raises:
        ApiError: That names the first type or property that there is not.
    """
    types = sorted({each.kind for each in found.resources.values()} - kinds.keys())
    if types:
        raise malformed(f"Unrecognized resource types: [{', '.join(types)}]")
    for each in found.resources.values():
        _check_properties(each, kinds[each.kind])
        _check_attributes(each.logical, each.properties, found, kinds)
    for output in found.outputs.values():
        _check_attributes("Outputs", output, found, kinds)


def _check_properties(declared: Declared, kind: Kind) -> None:
    for name in kind.required:
        if name not in declared.properties:
            where = f"of {kind.name} {declared.logical}"
            raise ApiError("ValidationError", f"Property validation failure: {name} {where} is required")
    check(kind.form(), declared.properties, f"{declared.kind} ({declared.logical})")


def _check_attributes(place: str, found: object, template: Template, kinds: Mapping[str, Kind]) -> None:
    for name, attribute in named(found):
        declared = template.resources.get(name)
        if declared is None or not attribute or attribute == "?":
            continue
        if attribute not in kinds[declared.kind].attributes:
            raise unsupported(f"Fn::GetAtt {name}.{attribute} of {declared.kind} (in {place})")


def needed(found: Template) -> tuple[str, tuple[str, ...]]:
    """Return the capability that a template needs, and which types need it; empty if it needs none."""
    of_iam = [each for each in found.resources.values() if each.kind in _IAM]
    types = tuple(dict.fromkeys(each.kind for each in of_iam))
    has_names = any(_names(each) for each in of_iam)
    return (_NAMED if has_names else _ANONYMOUS) if of_iam else "", types


def _names(declared: Declared) -> bool:
    """Tell whether a resource of IAM may get a name of its own; an inline policy's is none."""
    given = declared.properties.get({"AWS::IAM::Policy": ""}.get(declared.kind, KINDS[declared.kind].named))
    called = function(given)
    if called and called[0] == "Ref" and called[1] == "AWS::NoValue":
        return False
    return given is not None


def check_acknowledged(found: Template, capabilities: Iterable[str]) -> None:
    """Check that who asks knows that a template makes resources of IAM.

    Raises:
        ApiError: ``InsufficientCapabilitiesException``.
    """
    capability, _ = needed(found)
    enough = {_NAMED} if capability == _NAMED else {_NAMED, _ANONYMOUS}
    if capability and not enough & set(capabilities):
        raise ApiError("InsufficientCapabilitiesException", f"Requires capabilities : [{capability}]")
