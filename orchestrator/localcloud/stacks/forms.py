"""The forms of resource properties: which there are, and how they become members of AWS's requests.

Most properties are members of the operation that makes the resource, and are read off botocore's model. What
a form does not have is refused before anything is made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import Shape

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.stacks.intrinsics import function
from orchestrator.localcloud.stacks.query import model

_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}


@dataclass(frozen=True, slots=True)
class Form:
    """What a value may be.

    Attributes:
        kind: A type of botocore's models, or ``any`` for JSON of which the form says nothing.
        members: Of a structure, by their names in a template: the name in requests, and the form.
        each: Of a list or a map.
    """

    kind: str
    members: Mapping[str, tuple[str, "Form"]] = field(default_factory=dict)
    each: "Form | None" = None

    def and_also(self, **members: "Form") -> "Form":
        """Return the same structure with more members."""
        return Form(self.kind, {**self.members, **{name: (name, form) for name, form in members.items()}})

    def only(self, *names: str) -> "Form":
        """Return the same structure with no other members."""
        return Form(self.kind, {name: self.members[name] for name in names})

    def without(self, *names: str) -> "Form":
        """Return the same structure without some members."""
        return Form(self.kind, {name: each for name, each in self.members.items() if name not in names})


ANY, TEXT, WHOLE, TRUTH = Form("any"), Form("string"), Form("integer"), Form("boolean")


def structure(**members: Form) -> Form:
    """Return the form of an object whose members have the same names in requests."""
    return Form("structure", {name: (name, form) for name, form in members.items()})


def list_of(form: Form) -> Form:
    """Return the form of a list."""
    return Form("list", each=form)


TEXTS = list_of(TEXT)
TAGS = list_of(structure(Key=TEXT, Value=TEXT))


def request_of(service: str, operation: str) -> Form:
    """Return the form of an operation's request, its members with capitals as in templates."""
    shape = model(service).operation_model(operation).input_shape
    return _read(shape) if shape is not None else structure()


def _read(shape: Shape, above: tuple[str, ...] = ()) -> Form:
    if shape.name in above:
        return ANY  # it contains itself
    within = (*above, shape.name)
    match shape.type_name:
        case "structure":
            return Form(
                "structure",
                {
                    name[:1].upper() + name[1:]: (name, _read(each, within))
                    for name, each in shape.members.items()
                },
            )
        case "list":
            return list_of(_read(shape.member, within))
        case "map":
            return Form("map", each=_read(shape.value, within))
        case kind:
            return Form(kind)


def check(form: Form, found: Any, where: str) -> None:  # noqa: ANN401 - JSON
    """Check that a form has all that a property asks for, as far as its functions let it be seen.

    Raises:
        ApiError: That names the first that it does not have.
    """
    called = function(found)
    if called:
        for branch in called[1][1:] if called[0] == "Fn::If" and isinstance(called[1], list) else ():
            check(form, branch, where)
    elif isinstance(found, dict) and form.kind == "structure":
        for name, value in found.items():
            if name not in form.members:
                raise unsupported(f"the property {where}.{name}")
            check(form.members[name][1], value, f"{where}.{name}")
    elif isinstance(found, dict) and form.kind == "map" and form.each is not None:
        for name, value in found.items():
            check(form.each, value, f"{where}.{name}")
    elif isinstance(found, list) and form.kind == "list" and form.each is not None:
        for value in found:
            check(form.each, value, where)


def fitted(form: Form, found: Any, where: str = "") -> Any:  # noqa: ANN401 - JSON
    """Return a property as a request has it.

    Raises:
        ApiError: If it has another type.
    """
    match form.kind, found:
        case "any", _:
            return found
        case "structure", dict():
            return _structure(form, found, where)
        case "map", dict() if form.each is not None:
            return {name: fitted(form.each, value, f"{where}.{name}") for name, value in found.items()}
        case "list", list() if form.each is not None:
            return [fitted(form.each, value, where) for value in found]
        case "boolean", bool() | str():
            if str(found).lower() in {"true", "false"}:
                return str(found).lower() == "true"
        case ("integer" | "long" | "float" | "double") as kind, int() | float() | str():
            return _number(kind, found, where)
        case "string" | "timestamp", str():
            return found
        case "string" | "timestamp", bool() | int() | float():
            return str(found).lower() if isinstance(found, bool) else str(found)
    raise ApiError("ValidationError", f"Property {where} must be a {form.kind}, not {found!r}")


def _structure(form: Form, found: Mapping[str, Any], where: str) -> dict[str, Any]:
    answer = {}
    for name, value in found.items():
        if name not in form.members:
            raise unsupported(f"the property {where}.{name}")
        wire, below = form.members[name]
        answer[wire] = fitted(below, value, f"{where}.{name}")
    return answer


def _number(kind: str, found: Any, where: str) -> Any:  # noqa: ANN401 - a number
    number = _NUMBERS[kind]
    wrong = ApiError("ValidationError", f"Property {where} must be a number, not {found!r}")
    if number is int and isinstance(found, float) and not found.is_integer():
        raise wrong  # a part of it would be lost
    try:
        return number(found)
    except (OverflowError, ValueError) as error:
        raise wrong from error
