"""A template's text as JSON: JSON itself, or YAML with CloudFormation's short forms of its functions.

What CloudFormation does not take of YAML: user guide, "CloudFormation template format".
"""

import json
from typing import Any, NoReturn

import yaml  # type: ignore[import-untyped]  # it comes with moto, and has no types

from orchestrator.localcloud.apierrors import ApiError

_DOTTED, _BARE = "Fn::GetAtt", {"Ref": "Ref", "Condition": "Condition"}
_SHORT = (
    "And",
    "Base64",
    "Equals",
    "FindInMap",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
)
# So that a moment stays the text that it was written as: a policy's version is one.
_MOMENT = "tag:yaml.org,2002:timestamp"
_MERGE, _TEXT = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:str"


def read(body: str) -> dict[str, Any]:
    """Return the template that ``body`` has written.

    Raises:
        ApiError: If it is neither JSON nor YAML, or no object.
    """
    try:
        found = json.loads(body) if body.lstrip().startswith("{") else _read_yaml(body)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        # A flow mapping of YAML begins as JSON does.
        found = _second_try(body, error)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise malformed("unsupported structure.")
    return found


def malformed(why: str) -> ApiError:
    """Return what CloudFormation answers to a template that is none."""
    return ApiError("ValidationError", f"Template format error: {why}")


def _second_try(body: str, error: Exception) -> object:
    try:
        return _read_yaml(body)
    except (ValueError, RecursionError, yaml.YAMLError):
        form = "JSON" if body.lstrip().startswith("{") else "YAML"
        raise malformed(f"{form} not well-formed. ({_where(error)})") from error


def _where(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error)


def _read_yaml(body: str) -> object:
    # Otherwise a few lines can stand for more than any memory holds; CloudFormation refuses them as well.
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(body, Loader=_Loader)):
        raise malformed("YAML aliases are not allowed in CloudFormation templates")
    loader = _Loader(body)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


# The one in C is ten times as fast, and not everywhere.
_Safe: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Safe):  # type: ignore[misc]  # the library has no types
    """YAML as CloudFormation reads it."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the library's own name
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _MOMENT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 - the library's
        """Return a mapping in which no key is written twice."""
        keys = [key.value for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise yaml.constructor.ConstructorError(
                None, None, f"the key '{twice}' is written twice", node.start_mark
            )
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if key.tag == _MERGE:
                raise yaml.constructor.ConstructorError(
                    None, None, "hash merges are not taken", key.start_mark
                )
            if isinstance(key, yaml.ScalarNode):
                key.tag = _TEXT  # an account's number, or "on", is the text that it would be in JSON
        return super().construct_mapping(node, deep)


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = _BARE.get(suffix) or (f"Fn::{suffix}" if suffix in _SHORT else _unknown(suffix))
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == _DOTTED:
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


def _unknown(suffix: str) -> NoReturn:
    raise malformed(f"the local cloud does not support the function !{suffix}")


_Loader.add_multi_constructor("!", _function)
