"""Bucket policies: whether a document is one, and what it says of a request. Pure.

The rules are those of the IAM user guide ("Policy evaluation logic", "IAM JSON policy elements: condition
operators"). Operators that are not known here are no part of a policy: `parsed` refuses them.
"""

import fnmatch
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any

from orchestrator.localcloud.apierrors import ApiError

Statement = Mapping[str, Any]


class Decision(StrEnum):
    """What a policy says of a request."""

    ALLOWED = "allowed"
    DENIED = "denied"
    NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as policies see it.

    Attributes:
        action: Such as ``s3:GetObject``.
        resource: Its ARN.
        principals: Whatever a policy may name the caller by; empty if nobody signed.
        context: The condition keys, in lower case, that the request has; a sequence for one with many values.
    """

    action: str
    resource: str
    principals: frozenset[str]
    context: Mapping[str, str | Sequence[str]] = field(default_factory=dict)


def parsed(document: bytes, bucket_arn: str) -> Mapping[str, Any]:
    """Return a bucket policy.

    Raises:
        ApiError: If S3 would not take it: it says what is wrong with it.
    """
    try:
        policy = json.loads(document)
    except ValueError as error:
        raise _malformed("Policies must be valid JSON and the first byte must be '{'") from error
    if not isinstance(policy, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if policy.get("Version", "2008-10-17") not in {"2008-10-17", "2012-10-17"}:
        raise _malformed("The policy must contain a valid version string")
    if unknown := set(policy) - {"Version", "Id", "Statement"}:
        raise _malformed(f"Unknown field {min(unknown)}")
    statements = _listed(policy.get("Statement"))
    if not statements:
        raise _malformed("Missing required field Statement")
    for statement in statements:
        _check(statement, bucket_arn)
    return policy


def _malformed(why: str) -> ApiError:
    return ApiError("MalformedPolicy", why)


def _check(statement: object, bucket_arn: str) -> None:
    if not isinstance(statement, dict):
        raise _malformed("Statement must be an object")
    if statement.get("Effect") not in {"Allow", "Deny"}:
        raise _malformed(f"Invalid effect: {statement.get('Effect')}")
    for name, opposite in (
        ("Principal", "NotPrincipal"),
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
    ):
        if (name in statement) == (opposite in statement):
            raise _malformed(f"Missing required field {name}")
    _check_principal(statement.get("Principal", statement.get("NotPrincipal")))
    actions = _texts(statement.get("Action", statement.get("NotAction")), "action")
    if not all(action == "*" or action.lower().startswith("s3:") for action in actions):
        raise _malformed("Policy has invalid action")
    for resource in _texts(statement.get("Resource", statement.get("NotResource")), "resource"):
        if resource != "*" and not _within(resource, bucket_arn):
            raise _malformed("Policy has invalid resource")
    _check_conditions(statement.get("Condition", {}))


def _check_conditions(conditions: object) -> None:
    if not isinstance(conditions, dict) or not all(isinstance(each, dict) for each in conditions.values()):
        raise _malformed("Conditions must be an object")
    for operator in conditions:
        if _operator(operator) is None:
            raise _malformed(f"Invalid Condition type : {operator}")


def _within(resource: str, bucket_arn: str) -> bool:
    """Return whether a resource is the bucket or may be in it."""
    named, _, _ = resource.partition("/")
    return _matches(named, bucket_arn)


def _check_principal(principal: object) -> None:
    if principal == "*":
        return
    if not isinstance(principal, dict) or not principal:
        raise _malformed("Invalid principal in policy")
    for kind, names in principal.items():
        if kind not in {"AWS", "Service", "Federated", "CanonicalUser"}:
            raise _malformed("Invalid principal in policy")
        _texts(names, "principal")


def _texts(given: object, what: str) -> Sequence[str]:
    texts = _listed(given)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _malformed(f"Policy has invalid {what}")
    return texts


def _listed(given: object) -> list[Any]:
    if given is None:
        return []
    return given if isinstance(given, list) else [given]


def decide(policy: Mapping[str, Any], asked: Asked) -> Decision:
    """Return what ``policy``, which `parsed` has let through, says of a request: a Deny wins."""
    found = {statement["Effect"] for statement in _listed(policy["Statement"]) if _applies(statement, asked)}
    if "Deny" in found:
        return Decision.DENIED
    return Decision.ALLOWED if "Allow" in found else Decision.NEUTRAL


def _applies(statement: Statement, asked: Asked) -> bool:
    return (
        _either(statement, "Action", lambda names: _any(names, asked.action, ignoring_case=True))
        and _either(statement, "Resource", lambda names: _any(names, asked.resource))
        and (
            _names_nobody(statement)
            or _either(statement, "Principal", lambda names: _is_caller(names, asked))
        )
        and all(
            _holds(operator, key, _listed(wanted), asked)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _names_nobody(statement: Statement) -> bool:
    """Return whether it is one of a user's or a role's own policies, which name no principal."""
    return "Principal" not in statement and "NotPrincipal" not in statement


def unmet_keys(policy: Mapping[str, Any], asked: Asked) -> frozenset[str]:
    """Return the condition keys that ``policy`` asks for and the request does not have."""
    return frozenset(
        key
        for statement in _listed(policy.get("Statement"))
        for keys in statement.get("Condition", {}).values()
        for key in keys
        if key.lower() not in asked.context
    )


def _either(statement: Statement, name: str, found: Callable[[Any], bool]) -> bool:
    return found(statement[name]) if name in statement else not found(statement[f"Not{name}"])


def _any(patterns: object, value: str, *, ignoring_case: bool = False) -> bool:
    return any(_matches(each, value, ignoring_case=ignoring_case) for each in _listed(patterns))


def _is_caller(principal: object, asked: Asked) -> bool:
    if principal == "*":
        return True
    names = _listed(principal.get("AWS")) if isinstance(principal, dict) else []
    return "*" in names or not asked.principals.isdisjoint(names)


def _matches(pattern: str, value: str, *, ignoring_case: bool = False) -> bool:
    """Return whether ``value`` is like ``pattern``, where only ``*`` and ``?`` stand for others.

    >>> _matches("arn:aws:s3:::models/*", "arn:aws:s3:::models/a/b"), _matches("[ab]", "a")
    (True, False)
    """
    return _compiled(pattern, re.IGNORECASE if ignoring_case else 0).match(value) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")), flags)


def _arn_matches(pattern: str, value: str) -> bool:
    """Return whether an ARN is like ``pattern``, each of its six parts by itself."""
    parts, theirs = pattern.split(":", 5), value.split(":", 5)
    return pattern == "*" or (len(parts) == len(theirs) and all(map(_matches, parts, theirs)))


def _numeric(compare: Callable[[float, float], bool]) -> Callable[[str, str], bool]:
    return lambda wanted, value: compare(float(value), float(wanted))


def _moment(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        # Without a zone it is UTC, wherever this machine is.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "Equals": lambda value, wanted: value == wanted,
    "LessThan": lambda value, wanted: value < wanted,
    "LessThanEquals": lambda value, wanted: value <= wanted,
    "GreaterThan": lambda value, wanted: value > wanted,
    "GreaterThanEquals": lambda value, wanted: value >= wanted,
}
_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringEqualsIgnoreCase": lambda wanted, value: wanted.lower() == value.lower(),
    "StringLike": _matches,
    "ArnEquals": _arn_matches,
    "ArnLike": _arn_matches,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "BinaryEquals": lambda wanted, value: wanted == value,
    "IpAddress": lambda wanted, value: ip_address(value) in ip_network(wanted, strict=False),
    **{f"Numeric{name}": _numeric(compare) for name, compare in _COMPARISONS.items()},
    **{
        f"Date{name}": lambda wanted, value, compare=compare: compare(_moment(value), _moment(wanted))  # type: ignore[misc]  # mypy cannot say what a default binds
        for name, compare in _COMPARISONS.items()
    },
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
_SETS = ("ForAllValues:", "ForAnyValue:")


def _operator(name: str) -> Callable[[str, str], bool] | None:
    bare = _bare(name)
    return _OPERATORS.get(_NEGATED.get(bare, bare)) if bare != "Null" else lambda _, __: True


def _bare(operator: str) -> str:
    for prefix in _SETS:
        operator = operator.removeprefix(prefix)
    return operator.removesuffix("IfExists")


def _holds(operator: str, key: str, wanted: Iterable[Any], asked: Asked) -> bool:
    """Return whether one line of a condition holds.

    Without its key: with ``IfExists`` or ``ForAllValues``, or negated and without ``ForAnyValue``.
    """
    found = asked.context.get(key.lower())
    bare = _bare(operator)
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in wanted]
    if bare == "Null":
        return any((found is None) == (text.lower() == "true") for text in texts)
    for_all, for_any = (operator.startswith(prefix) for prefix in _SETS)
    negated = bare in _NEGATED
    if found is None:
        return operator.endswith("IfExists") or for_all or (negated and not for_any)
    compare = _OPERATORS[_NEGATED.get(bare, bare)]
    holding = (
        any(_compared(compare, text, value) for text in texts) != negated
        for value in ([found] if isinstance(found, str) else found)
    )
    return all(holding) if for_all else any(holding)


def _compared(compare: Callable[[str, str], bool], wanted: str, value: str) -> bool:
    try:
        return compare(wanted, value)
    except ValueError:  # a number, a moment or a network that is none
        return False
