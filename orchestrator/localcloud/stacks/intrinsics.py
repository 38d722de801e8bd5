"""CloudFormation's functions: what a value of a template comes to.

Forms and rules: user guide, "Intrinsic function reference".
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, unsupported

ABSENT: Any = object()
"""What ``AWS::NoValue`` comes to: whatever would have it goes without."""

CONDITIONAL = {"Fn::And", "Fn::Or", "Fn::Not", "Fn::Equals", "Condition"}
FUNCTIONS = {
    "Ref",
    "Fn::Base64",
    "Fn::FindInMap",
    "Fn::GetAtt",
    "Fn::If",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Select",
    "Fn::Split",
    "Fn::Sub",
} | CONDITIONAL
_PLACE = re.compile(r"\$\{(!?)([^}]*)\}")


def failed(why: str) -> ApiError:
    """Return what CloudFormation answers where a function cannot be carried out."""
    return ApiError("ValidationError", f"Template error: {why}")


@dataclass(frozen=True, slots=True)
class Sight:
    """What the functions of a template see.

    Attributes:
        values: Of parameters and pseudo parameters, by name: texts and lists of texts.
        mappings: As the template has them.
        conditions: As the template has them.
        resource: Returns what ``Ref`` gives for a resource, or, with an attribute, what ``Fn::GetAtt`` gives.
        exported: Returns what another stack exports by a name.
    """

    values: Mapping[str, Any]
    mappings: Mapping[str, Any]
    conditions: Mapping[str, Any]
    resource: Callable[[str, str], Any]
    exported: Callable[[str], str]

    def holds(self, condition: str) -> bool:
        """Tell whether a condition of the template holds.

        Raises:
            ApiError: If there is none of that name, or it looks at itself.
        """
        if condition not in self.conditions:
            raise failed(f"unresolved condition dependency {condition}")
        try:
            return self.truth(self.conditions[condition])
        except RecursionError as error:
            raise failed(f"the condition {condition} depends on itself") from error

    def truth(self, found: Any) -> bool:  # noqa: ANN401 - JSON
        """Tell whether what a condition says holds.

        Raises:
            ApiError: If it says none.
        """
        name, inside = function(found) or ("", None)
        items = inside if isinstance(inside, list) else []
        match name:
            case "Condition" if isinstance(inside, str):
                return self.holds(inside)
            case "Fn::And" if items:
                return all(map(self.truth, items))
            case "Fn::Or" if items:
                return any(map(self.truth, items))
            case "Fn::Not" if len(items) == 1:
                return not self.truth(items[0])
            case "Fn::Equals" if len(items) == 2:  # noqa: PLR2004 - what is compared
                return _text(self.value(items[0])) == _text(self.value(items[1]))
        raise failed(f"every condition must be one of Fn::And, Fn::Or, Fn::Not, Fn::Equals, not {found!r}")

    def value(self, found: Any) -> Any:  # noqa: ANN401 - JSON
        """Return what a value of the template comes to; `ABSENT` for no value.

        Raises:
            ApiError: If one of its functions cannot be carried out.
        """
        if isinstance(found, list):
            return [each for each in map(self.value, found) if each is not ABSENT]
        if not isinstance(found, dict):
            return found
        if called := function(found):
            return self._called(*called)
        below = {key: self.value(value) for key, value in found.items()}
        return {key: value for key, value in below.items() if value is not ABSENT}

    def _called(self, name: str, inside: Any) -> Any:  # noqa: ANN401 - JSON
        match name, inside:
            case "Ref", str():
                return self._ref(inside)
            case "Fn::GetAtt", (str(resource), attribute):
                return self.resource(resource, str(self.value(attribute)))
            case "Fn::GetAtt", str():
                resource, _, attribute = inside.partition(".")
                return self.resource(resource, attribute)
            case "Fn::If", (str(condition), positive, negative):
                return self.value(positive if self.holds(condition) else negative)
            case "Fn::Sub", _:
                return self._sub(inside)
            case "Fn::FindInMap", (first, second, third):
                return self._mapped(*map(self.value, (first, second, third)))
            case "Fn::ImportValue", _:
                return self.exported(str(self.value(inside)))
            case "Fn::Base64", _:
                return base64.b64encode(_text(self.value(inside)).encode()).decode()
            case (("Fn::Join" | "Fn::Select" | "Fn::Split"), (first, second)):
                return _of_list(name, self.value(first), self.value(second))
        raise failed(f"{name} object has not the form that it must have: {inside!r}")

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - a text or a list of texts
        if name == "AWS::NoValue":
            return ABSENT
        return self.values[name] if name in self.values else self.resource(name, "")

    def _sub(self, inside: Any) -> str:  # noqa: ANN401 - JSON
        text, own = inside if isinstance(inside, list) and len(inside) == 2 else (inside, {})  # noqa: PLR2004 - text and values
        if not isinstance(text, str) or not isinstance(own, dict):
            raise failed("One or more Fn::Sub intrinsic functions don't specify expected arguments.")
        values = {key: self.value(value) for key, value in own.items()}

        def put(place: re.Match[str]) -> str:
            literal, name = place.groups()
            if literal:
                return f"${{{name}}}"
            if name in values:
                return _text(values[name])
            resource, dot, attribute = name.strip().partition(".")
            return _text(self.resource(resource, attribute) if dot else self._ref(resource))

        return _PLACE.sub(put, text)

    def _mapped(self, name: str, first: str, second: str) -> Any:  # noqa: ANN401 - JSON
        try:
            return self.mappings[name][first][second]
        except (KeyError, TypeError) as error:
            raise failed(f"Unable to get mapping for {name}::{first}::{second}") from error


def function(found: Any) -> tuple[str, Any] | None:  # noqa: ANN401 - JSON
    """Return the function that a value calls, and with what; ``None`` if it calls none.

    Raises:
        ApiError: If it calls one that the local cloud does not have.
    """
    if not isinstance(found, dict) or len(found) != 1:
        return None
    (name, inside), *_ = found.items()
    if name == "Condition" and not isinstance(inside, str):
        return None  # that of a policy's statement
    if name.startswith("Fn::") and name not in FUNCTIONS:
        raise failed(f"the local cloud does not support the function {name}")
    return (name, inside) if name in FUNCTIONS else None


def check_literal(found: Any, where: str) -> None:  # noqa: ANN401 - JSON
    """Check that a value is what it says, and nothing that CloudFormation looks up elsewhere.

    User guide, "Get values stored in other services using dynamic references".

    Raises:
        ApiError: If there is a dynamic reference in it.
    """
    if "{{resolve:" in json.dumps(found, default=str):
        raise unsupported(f"dynamic references ({{{{resolve:...}}}}, in {where})")


def named(found: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - JSON
    """Yield everything that the functions in a value refer to, with the attribute that they ask for."""
    if isinstance(found, list):
        for each in found:
            yield from named(each)
    if not isinstance(found, dict):
        return
    name, inside = function(found) or ("", None)
    match name, inside:
        case "Ref", str():
            yield inside, ""
        case "Fn::GetAtt", (str(resource), attribute):
            yield resource, attribute if isinstance(attribute, str) else "?"
        case "Fn::GetAtt", str():
            resource, _, attribute = inside.partition(".")
            yield resource, attribute
        case "Fn::Sub", str():
            yield from _placed(inside, ())
        case "Fn::Sub", (str(text), dict(own)):
            yield from _placed(text, tuple(own))
            yield from named(list(own.values()))
        case _:
            yield from named(list(found.values()))


def _placed(text: str, own: Sequence[str]) -> Iterator[tuple[str, str]]:
    for literal, name in _PLACE.findall(text):
        if not literal and name not in own:
            resource, _, attribute = name.strip().partition(".")
            yield resource, attribute


def _of_list(name: str, first: Any, second: Any) -> Any:  # noqa: ANN401 - JSON
    match name:
        case "Fn::Join" if isinstance(first, str) and isinstance(second, list):
            return first.join(map(_text, second))
        case "Fn::Split" if isinstance(first, str) and first and isinstance(second, str):
            return second.split(first)
        case "Fn::Select" if isinstance(second, list) and str(first).isdecimal() and int(first) < len(second):
            return second[int(first)]
    raise failed(f"{name} cannot work on {first!r} and {second!r}")


def _text(found: Any) -> str:  # noqa: ANN401 - a scalar of a template
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, (list, dict)) or found is ABSENT:
        raise failed(f"a text is expected here, not {'nothing' if found is ABSENT else found!r}")
    return str(found)
