"""Requests checked against botocore's own service model, in AWS's words.

botocore checks required members and types before it sends, but neither patterns nor upper limits nor
enums, and other clients check nothing. The rules are read from the model file that clients ship, so
there is no table of ours to maintain.
"""

import functools
import re
from collections.abc import Iterator, Mapping

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

from orchestrator.localcloud.apierrors import ApiError, invalid

# The model's patterns are Java's. Python has no \p classes; these stand-ins accept the same letters,
# separators and digits, and besides only characters that the same bracket names anyway.
_JAVA_CLASSES = {r"\p{L}": r"\w", r"\p{Z}": r"\s", r"\p{N}": r"\d"}
_PYTHON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}


@functools.cache
def sagemaker() -> ServiceModel:
    """Return botocore's model of SageMaker's control plane."""
    return ServiceModel(Loader().load_service_model("sagemaker", "service-2"), "sagemaker")


def check(operation: str, request: object) -> Mapping[str, object]:
    """Return ``request`` if it is a valid input of ``operation``.

    Raises:
        ApiError: ``ValidationException`` that lists every constraint that does not hold, or
            ``SerializationException`` if a value has the wrong type.
    """
    problems = list(_problems(sagemaker().operation_model(operation).input_shape, request, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise invalid(f"{count}: {'; '.join(problems)}")
    if not isinstance(request, dict):
        raise _mistyped("the request", request, "structure")
    return request


def _problems(shape: Shape, value: object, path: str) -> Iterator[str]:
    expected = shape.type_name
    is_boolean = isinstance(value, bool)
    if is_boolean != (expected == "boolean") or not isinstance(value, _PYTHON_TYPES[expected]):
        raise _mistyped(path or "the request", value, expected)
    if isinstance(value, dict) and expected == "structure":
        yield from _structure(shape, value, path)
    elif isinstance(value, dict):
        yield from _map(shape, value, path)
    elif isinstance(value, list):
        yield from _limits("length", shape, len(value), value, path)
        for index, item in enumerate(value, start=1):
            yield from _problems(shape.member, item, f"{path}.{index}.member")
    elif isinstance(value, str):
        yield from _string(shape, value, path)
    elif isinstance(value, (int, float)) and not is_boolean:
        yield from _limits("value", shape, value, value, path)


def _structure(shape: Shape, value: Mapping[str, object], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if value.get(name) is None:
            yield f"Value null at '{_join(path, name)}' failed to satisfy constraint: Member must not be null"
    for name, member in value.items():
        if name not in shape.members:
            raise ApiError(
                "SerializationException",
                f"the member '{_join(path, name)}' is not in the service model of this local cloud",
            )
        if member is not None:
            yield from _problems(shape.members[name], member, _join(path, name))


def _map(shape: Shape, value: Mapping[str, object], path: str) -> Iterator[str]:
    yield from _limits("length", shape, len(value), value, path)
    for key, item in value.items():
        yield from _problems(shape.key, key, f"{path}.{key}.key")
        yield from _problems(shape.value, item, f"{path}.{key}.member")


def _string(shape: Shape, value: str, path: str) -> Iterator[str]:
    yield from _limits("length", shape, len(value), value, path)
    if shape.enum and value not in shape.enum:
        yield _constraint(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compiled(pattern).fullmatch(value):
        yield _constraint(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _limits(kind: str, shape: Shape, measure: float, value: object, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and measure > most:
        yield _constraint(value, path, f"Member must have {kind} less than or equal to {most}")
    if least is not None and measure < least:
        yield _constraint(value, path, f"Member must have {kind} greater than or equal to {least}")


def _constraint(value: object, path: str, rule: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {rule}"


def _mistyped(path: str, value: object, expected: str) -> ApiError:
    return ApiError(
        "SerializationException", f"{type(value).__name__} at '{path}' can not be converted to {expected}"
    )


def _join(path: str, member: str) -> str:
    """Return the path of a member as AWS writes it: ``productionVariants.1.member.variantName``."""
    lowered = member[:1].lower() + member[1:]
    return f"{path}.{lowered}" if path else lowered


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    return re.compile(pattern)
