"""Requests checked against botocore's own service model, in AWS's words.

botocore checks required members and types before it sends, but neither patterns nor upper limits nor
enums, and other clients check nothing. What is checked is `orchestrator.core.shapes`; here are the words.
"""

import functools
from collections.abc import Mapping
from typing import Any

from botocore.loaders import Loader

from orchestrator.core.shapes import Entry, Item, Member, Path, Problem, Rule, problems
from orchestrator.localcloud.apierrors import ApiError, invalid


@functools.cache
def _model() -> Mapping[str, Any]:
    loaded: Mapping[str, Any] = Loader().load_service_model("sagemaker", "service-2")
    return loaded


def is_known(operation: str) -> bool:
    """Tell whether SageMaker has an operation of that name."""
    return operation in _model()["operations"]


def check(operation: str, request: object) -> Mapping[str, object]:
    """Return ``request`` if it is a valid input of ``operation``.

    Raises:
        ApiError: ``ValidationException`` that lists every constraint that does not hold, or
            ``SerializationException`` if a value has the wrong type.
    """
    shape = _model()["operations"][operation]["input"]["shape"]
    found = list(problems(_model(), shape, request))
    for problem in found:
        if problem.rule in {Rule.TYPE, Rule.KNOWN}:
            raise _unreadable(problem)
    if found:
        count = f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected"
        raise invalid(f"{count}: {'; '.join(map(_constraint, found))}")
    if not isinstance(request, dict):
        raise _unreadable(Problem((), request, Rule.TYPE, "structure"))
    return request


def _unreadable(problem: Problem) -> ApiError:
    if problem.rule is Rule.KNOWN:
        words = f"the member '{_words(problem.path)}' is not in the service model of this local cloud"
        return ApiError("SerializationException", words)
    kind, where = type(problem.value).__name__, _words(problem.path) or "the request"
    return ApiError("SerializationException", f"{kind} at '{where}' can not be converted to {problem.bound}")


def _constraint(problem: Problem) -> str:
    where = _words(problem.path)
    if problem.rule is Rule.REQUIRED:
        return f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    rule = f"Member must {_rule(problem)}"
    return f"Value '{problem.value}' at '{where}' failed to satisfy constraint: {rule}"


def _rule(problem: Problem) -> str:
    match problem.rule, problem.bound:
        case Rule.ENUM, tuple(choices):
            return f"satisfy enum value set: [{', '.join(choices)}]"
        case Rule.PATTERN, pattern:
            return f"satisfy regular expression pattern: {pattern}"
        case Rule.MAXIMUM, most:
            return f"have value less than or equal to {most}"
        case Rule.MINIMUM, least:
            return f"have value greater than or equal to {least}"
        case Rule.MAX_LENGTH, most:
            return f"have length less than or equal to {most}"
        case _, least:
            return f"have length greater than or equal to {least}"


def _words(path: Path) -> str:
    """Return a path as AWS writes it: ``productionVariants.1.member.variantName``."""
    return ".".join(map(_step, path))


def _step(step: Member | Item | Entry) -> str:
    match step:
        case Member(_, name):
            return name[:1].lower() + name[1:]
        case Item(number):
            return f"{number}.member"
        case Entry(key, is_key):
            return f"{key}.{'key' if is_key else 'member'}"
