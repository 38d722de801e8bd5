"""What a CloudFormation template asks for, once its parameters are known: a reader of ours, for tests.

Independent of both engines that deploy them, so that neither is the judge of itself.
"""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cfnlint.decode  # type: ignore[import-untyped]  # it ships no types

FOLDER = Path(__file__).parents[2] / "infra"

_ABSENT = object()
_VARIABLE = re.compile(r"\$\{(!?)([^}]+)\}")


@functools.cache
def parsed(name: str) -> Mapping[str, Any]:
    """Return ``infra/NAME.yaml``, its short tags written out."""
    template, problems = cfnlint.decode.decode(str(FOLDER / f"{name}.yaml"))
    assert not problems, problems
    plain: dict[str, Any] = json.loads(json.dumps(template))
    return plain


@dataclass(frozen=True)
class Resolved:
    """A template with the values of its parameters, and what its resources are called.

    Attributes:
        physical: By logical id, what ``Ref`` gives.
        attributes: By ``LogicalId.Attribute``, what ``Fn::GetAtt`` gives.
    """

    template: Mapping[str, Any]
    parameters: Mapping[str, str]
    pseudo: Mapping[str, str]
    physical: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources that are made, by logical id: their conditions hold."""
        return {
            name: resource
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self._holds(resource["Condition"])
        }

    def properties(self, name: str) -> Any:  # noqa: ANN401 - a template's values have no types
        """Return the properties of one resource, all functions carried out."""
        return self.value(self.template["Resources"][name]["Properties"])

    def value(self, node: Any) -> Any:  # noqa: ANN401 - likewise
        """Return ``node`` with all functions carried out; what becomes ``AWS::NoValue`` is left out."""
        if isinstance(node, list):
            return [made for item in node if (made := self.value(item)) is not _ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((name, argument),) = node.items()
            if name in {"Ref", "Condition"} and isinstance(argument, str):
                return self._ref(argument) if name == "Ref" else self._holds(argument)
            if name.startswith("Fn::"):
                return self._call(name.removeprefix("Fn::"), argument)
        return {key: made for key, item in node.items() if (made := self.value(item)) is not _ABSENT}

    def _call(self, function: str, argument: Any) -> Any:  # noqa: ANN401 - likewise
        match function:
            case "GetAtt":
                return self.attributes[".".join(argument)]
            case "Sub":
                return self._sub(argument)
            case "If":
                return self.value(argument[1 if self._holds(argument[0]) else 2])
            case "Equals":
                return len({str(self.value(item)) for item in argument}) == 1
            case "Not":
                return not self.value(argument[0])
            case "And":
                return all(self.value(item) for item in argument)
            case "Or":
                return any(self.value(item) for item in argument)
            case "Join":
                return str(argument[0]).join(str(item) for item in self.value(argument[1]))
            case "FindInMap":
                first, second, third = (self.value(item) for item in argument)
                return self.template["Mappings"][first][second][third]
        raise NotImplementedError(f"the tests do not know Fn::{function}")

    def _ref(self, name: str) -> Any:  # noqa: ANN401 - likewise
        if name == "AWS::NoValue":
            return _ABSENT
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.physical:
            return self.physical[name]
        declared = self.template["Parameters"][name]
        given = str(self.parameters.get(name, declared.get("Default")))
        return given.split(",") if declared["Type"] == "CommaDelimitedList" else given

    def _sub(self, argument: Any) -> str:  # noqa: ANN401 - likewise
        text, names = argument if isinstance(argument, list) else (argument, {})

        def put(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            if name in names:
                return str(self.value(names[name]))
            return self.attributes[name] if "." in name else str(self._ref(name))

        return _VARIABLE.sub(put, text)

    def _holds(self, condition: str) -> bool:
        return bool(self.value(self.template["Conditions"][condition]))
