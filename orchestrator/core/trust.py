"""Whether a role's trust policy lets SageMaker assume it."""

import fnmatch
from collections.abc import Mapping
from typing import Any

SAGEMAKER = "sagemaker.amazonaws.com"
_ASSUME = "sts:assumerole"


def lets_sagemaker(policy: object) -> bool:
    """Tell whether a trust policy, parsed, lets SageMaker assume its role.

    >>> trust = {"Effect": "Allow", "Principal": {"Service": [SAGEMAKER]}, "Action": "sts:AssumeRole"}
    >>> lets_sagemaker({"Statement": trust}), lets_sagemaker({"Statement": []})
    (True, False)
    """
    statements = policy.get("Statement") if isinstance(policy, Mapping) else None
    listed = statements if isinstance(statements, list) else [statements]
    # What is no statement lets nobody do anything: a fake of IAM may have taken it.
    matching = [one for one in listed if isinstance(one, Mapping) and _is_about_sagemaker(one)]
    allowed = any(one.get("Effect") == "Allow" for one in matching)
    # A denial under a condition, such as those against confused deputies, may never apply.
    return allowed and not any(one.get("Effect") == "Deny" and not one.get("Condition") for one in matching)


def _is_about_sagemaker(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    services = principal.get("Service", ()) if isinstance(principal, Mapping) else principal
    actions = _several(statement.get("Action", ()))
    # IAM user guide, Action: case does not count, and `*` and `?` stand for others.
    assumes = any(fnmatch.fnmatchcase(_ASSUME, action.lower()) for action in actions)
    return assumes and bool(set(_several(services)) & {SAGEMAKER, "*"})


def _several(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [str(one) for one in value] if isinstance(value, list) else []
