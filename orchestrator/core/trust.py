"""What the policies of a role and of a bucket let others do, as far as a deployment depends on it."""

import fnmatch
from collections.abc import Mapping
from typing import Any

SAGEMAKER = "sagemaker.amazonaws.com"
_ASSUME = "sts:assumerole"
_DEPUTY = {"aws:sourceaccount", "aws:sourcearn"}


def lets_sagemaker(policy: object) -> bool:
    """Tell whether a trust policy, parsed, lets SageMaker assume its role.

    >>> trust = {"Effect": "Allow", "Principal": {"Service": [SAGEMAKER]}, "Action": "sts:AssumeRole"}
    >>> lets_sagemaker({"Statement": trust}), lets_sagemaker({"Statement": []})
    (True, False)
    """
    matching = [one for one in statements(policy) if _is_about_sagemaker(one)]
    allowed = any(one.get("Effect") == "Allow" for one in matching)
    # A denial under a condition, such as those against confused deputies, may never apply.
    return allowed and not any(one.get("Effect") == "Deny" and not one.get("Condition") for one in matching)


def is_for_one_account(policy: object) -> bool:
    """Tell whether every statement that lets SageMaker assume the role says for which account or resource.

    Without ``aws:SourceAccount`` or ``aws:SourceArn``, SageMaker could be made to use the role for somebody
    else: SageMaker Developer Guide, "Cross-service confused deputy prevention".

    >>> open_to_all = {"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}
    >>> bound = {**open_to_all, "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}
    >>> is_for_one_account({"Statement": open_to_all}), is_for_one_account({"Statement": [bound]})
    (False, True)
    """
    matching = [one for one in statements(policy) if _is_about_sagemaker(one)]
    return all(_DEPUTY & _keys(one) for one in matching if one.get("Effect") == "Allow")


def refuses_plain_http(policy: object) -> bool:
    """Tell whether a bucket's policy, parsed, denies everybody what does not come by TLS.

    >>> deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*"}
    >>> refuses_plain_http({"Statement": {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}})
    True
    >>> refuses_plain_http({"Statement": deny})
    False
    """
    for one in statements(policy):
        condition = one.get("Condition", {})
        plain = {key.lower(): value for key, value in _pairs(condition, "bool")}.get("aws:securetransport")
        everybody = one.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
        said = [text.lower() for text in _several(str(plain) if isinstance(plain, bool) else plain)]
        everything = {"s3:*", "*"} & set(_several(one.get("Action", ())))
        if one.get("Effect") == "Deny" and everybody and everything and said == ["false"]:
            return True
    return False


def statements(policy: object) -> list[Mapping[str, Any]]:
    """Return the statements of a parsed policy, without what is none: a fake of IAM may have taken it."""
    found = policy.get("Statement") if isinstance(policy, Mapping) else None
    listed = found if isinstance(found, list) else [found]
    return [one for one in listed if isinstance(one, Mapping)]


def _keys(statement: Mapping[str, Any]) -> set[str]:
    condition = statement.get("Condition")
    operators = condition.values() if isinstance(condition, Mapping) else ()
    return {key.lower() for keys in operators if isinstance(keys, Mapping) for key in keys}


def _pairs(condition: object, operator: str) -> list[tuple[str, object]]:
    found = condition.items() if isinstance(condition, Mapping) else ()
    return [
        pair
        for name, keys in found
        if name.lower() == operator and isinstance(keys, Mapping)
        for pair in keys.items()
    ]


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
