"""What all reading operations of CloudFormation share: pages, and members that are left out if empty."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.parameters import shown
from orchestrator.localcloud.stacks.templates import template

_PAGE = 100
Request = Mapping[str, Any]
Answer = dict[str, Any]


def said(**members: object) -> Answer:
    """Return members without those that are empty."""
    return {name: value for name, value in members.items() if value not in (None, "")}


def listed(tags: Mapping[str, str]) -> list[Answer]:
    """Return tags as they are shown."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def parameters(body: str, values: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the parameters of a template as they are shown."""
    return shown(template(body).parameters, values) if values else []


def paged(member: str, items: Sequence[Any], request: Request) -> Answer:
    """Return one page of a list, and how to ask for the next.

    Raises:
        ApiError: If the token is none.
    """
    token = str(request.get("NextToken") or "0")
    if not token.isdecimal():
        raise ApiError("ValidationError", f"The NextToken {token} is not valid.")
    first = int(token)
    following = {"NextToken": str(first + _PAGE)} if len(items) > first + _PAGE else {}
    return {member: list(items[first : first + _PAGE]), **following}
