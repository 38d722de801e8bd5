"""The parameters of a template: what they may be, and what they are.

Rules: user guide, "Parameters section".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.stacks.reading import malformed

_MEMBERS = {
    "AllowedPattern",
    "AllowedValues",
    "ConstraintDescription",
    "Default",
    "Description",
    "MaxLength",
    "MaxValue",
    "MinLength",
    "MinValue",
    "NoEcho",
    "Type",
}
_LISTS = ("List<", "CommaDelimitedList")
_HIDDEN = "****"
Parameters = Mapping[str, Mapping[str, Any]]


def check_parameters(declared: Parameters) -> None:
    """Check what a template says of its parameters.

    Raises:
        ApiError: If it says what no parameter has, or has a type that looks its values up elsewhere.
    """
    for name, each in declared.items():
        kind = each.get("Type")
        if not isinstance(kind, str):
            raise malformed(f"Every Parameters object must contain a Type member. [/Parameters/{name}]")
        if unknown := sorted(each.keys() - _MEMBERS):
            raise malformed(f"Invalid template parameter property '{unknown[0]}' [/Parameters/{name}]")
        if kind.startswith("AWS::SSM::Parameter::Value"):
            raise unsupported(f"parameters of the type {kind} ({name})")
        if kind not in {"String", "Number", "CommaDelimitedList", "List<Number>"} and "AWS::" not in kind:
            raise malformed(f"Unrecognized parameter type: {kind}")


def given(
    declared: Parameters, asked: Iterable[Mapping[str, Any]], previous: Mapping[str, str]
) -> dict[str, str]:
    """Return the value of each parameter of a template, as a text.

    Args:
        declared: The template's parameters.
        asked: The request's: ``ParameterKey`` with ``ParameterValue`` or ``UsePreviousValue``.
        previous: What they are in the stack, if there is one.

    Raises:
        ApiError: If one is missing, unknown, or not what it may be.
    """
    values: dict[str, str] = {}
    for each in asked:
        name = str(each.get("ParameterKey", ""))
        if name in values:
            raise ApiError("ValidationError", f"Duplicate parameter key {name}")
        if not each.get("UsePreviousValue"):
            values[name] = str(each.get("ParameterValue", ""))
        elif name in previous:
            values[name] = previous[name]
        else:
            raise ApiError(
                "ValidationError", f"Invalid input for parameter key {name}. Cannot use previous value"
            )
    if unknown := sorted(values.keys() - declared.keys()):
        raise ApiError("ValidationError", f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    defaults = {name: _written(each["Default"]) for name, each in declared.items() if "Default" in each}
    if missing := [name for name in declared if name not in {**defaults, **values}]:
        raise ApiError("ValidationError", f"Parameters: [{', '.join(missing)}] must have values")
    found = {name: values.get(name, defaults.get(name, "")) for name in declared}
    for name, value in found.items():
        _check(name, declared[name], value)
    return found


def typed(declared: Parameters, values: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``Ref`` gives for each parameter: a text, or a list of texts."""
    return {
        name: [part.strip() for part in value.split(",")] if _is_list(declared[name]) else value
        for name, value in values.items()
        if name in declared
    }


def shown(declared: Parameters, values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return parameters as they are shown: not those that must not be."""
    return [
        {"ParameterKey": name, "ParameterValue": _HIDDEN if is_hidden(declared.get(name, {})) else value}
        for name, value in values.items()
    ]


def is_hidden(declared: Mapping[str, Any]) -> bool:
    """Tell whether a parameter's value must not be shown."""
    return str(declared.get("NoEcho", "")).lower() == "true"


def _is_list(declared: Mapping[str, Any]) -> bool:
    return str(declared["Type"]).startswith(_LISTS)


def _written(value: object) -> str:
    """Return a default as a text; YAML makes numbers and booleans of some."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _check(name: str, declared: Mapping[str, Any], value: str) -> None:
    each = [part.strip() for part in value.split(",")] if _is_list(declared) else [value]
    if why := next((why for part in each if (why := _problem(name, declared, part))), ""):
        told = declared.get("ConstraintDescription")
        words = f"Parameter {name} failed to satisfy constraint: {told}" if told else why
        raise ApiError("ValidationError", words)


def _problem(name: str, declared: Mapping[str, Any], value: str) -> str:
    """Return which of its constraints a value does not satisfy; empty if it satisfies all."""
    allowed = [_written(choice) for choice in declared.get("AllowedValues") or ()]
    if allowed and value not in allowed:
        return f"Parameter '{name}' must be one of AllowedValues"
    pattern = declared.get("AllowedPattern")
    if pattern is not None and not _matches(name, str(pattern), value):
        return f"Parameter '{name}' must match pattern {pattern}"
    length, least, most = len(value), declared.get("MinLength"), declared.get("MaxLength")
    if (least is not None and length < int(least)) or (most is not None and length > int(most)):
        return f"Parameter '{name}' must contain from {least or 0} to {most or 'any number of'} characters"
    return _number_problem(name, declared, value) if "Number" in str(declared["Type"]) else ""


def _matches(name: str, pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(pattern, value) is not None
    except re.error as error:
        raise malformed(f"AllowedPattern of {name} is no regular expression: {error}") from error


def _number_problem(name: str, declared: Mapping[str, Any], value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return f"Parameter '{name}' must be a number"
    least, most = declared.get("MinValue"), declared.get("MaxValue")
    if least is not None and number < float(least):
        return f"Parameter '{name}' must be a number not less than {least}"
    if most is not None and number > float(most):
        return f"Parameter '{name}' must be a number not greater than {most}"
    return ""
