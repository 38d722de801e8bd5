"""What a request asks of a stack: its template, parameters and tags, checked before anything is done."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.stacks.catalogue import check_acknowledged, check_resources
from orchestrator.localcloud.stacks.kind import Kind
from orchestrator.localcloud.stacks.parameters import check_parameters, given
from orchestrator.localcloud.stacks.templates import Template, template
from orchestrator.localcloud.stackworld import Stack, Wanted

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{0,127}")
_MOST_BYTES, _MOST_BYTES_IN_S3 = 51_200, 1_000_000
_MOST_TAGS = 50
_HOSTED = re.compile(r"(?P<bucket>.+)\.s3[.-]")
_TEMPLATE = {"TemplateBody", "TemplateURL"}
_ASKED = {*_TEMPLATE, "StackName", "Parameters", "Capabilities", "Tags", "RoleARN", "ClientRequestToken"}
_TAKEN: Mapping[str, set[str]] = {
    "CreateStack": {
        *_ASKED,
        "DisableRollback",
        "EnableTerminationProtection",
        "OnFailure",
        "RetainExceptOnCreate",
    },
    "UpdateStack": {*_ASKED, "UsePreviousTemplate", "DisableRollback", "RetainExceptOnCreate"},
    "DeleteStack": {"StackName", "RetainResources", "RoleARN", "ClientRequestToken"},
    "CreateChangeSet": {
        *_ASKED,
        "ChangeSetName",
        "ChangeSetType",
        "ClientToken",
        "Description",
        "ImportExistingResources",
        "IncludeNestedStacks",
        "OnStackFailure",
        "UsePreviousTemplate",
    },
    "ExecuteChangeSet": {
        "ChangeSetName",
        "ClientRequestToken",
        "DisableRollback",
        "RetainExceptOnCreate",
        "StackName",
    },
    "ValidateTemplate": _TEMPLATE,
    "GetTemplateSummary": {*_TEMPLATE, "StackName"},
}


def check_taken(operation: str, request: Mapping[str, Any]) -> None:
    """Check that nothing is asked for that would have no effect.

    Raises:
        ApiError: That names the first member of the request that would have none.
    """
    taken = _TAKEN.get(operation)
    for name, value in request.items():
        if taken is not None and name not in taken and value not in (False, [], {}, "STANDARD"):
            raise unsupported(f"{name} of {operation}")


def check_name(name: str, member: str = "stackName") -> None:
    """Check what a stack or a change set is to be called.

    Raises:
        ApiError: If it cannot be called so.
    """
    if not _NAME.fullmatch(name):
        raise ApiError(
            "ValidationError",
            f"1 validation error detected: Value '{name}' at '{member}' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*",
        )


def in_s3(request: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the bucket and the key of the template that a request names; ``None`` if it names none.

    Raises:
        ApiError: If it names it by another kind of address.
    """
    url = request.get("TemplateURL")
    if not url:
        return None
    parts = urlsplit(str(url))
    host, path = parts.hostname or "", unquote(parts.path).lstrip("/")
    hosted = _HOSTED.match(host)
    bucket, key = (hosted["bucket"], path) if hosted else path.partition("/")[::2]
    if parts.scheme not in {"http", "https"} or not bucket or not key:
        raise ApiError("ValidationError", "TemplateURL must be a supported URL.")
    return bucket, key


def body_of(request: Mapping[str, Any], fetched: str | None, stack: Stack | None) -> str:
    """Return the text of the template that a request asks for.

    Args:
        request: It.
        fetched: What is where ``TemplateURL`` points, if it does.
        stack: The stack whose template may be used again.

    Raises:
        ApiError: If there is none, or more than one, or it is too large.
    """
    if request.get("UsePreviousTemplate"):
        if stack is None or not stack.wanted.body:
            raise ApiError("ValidationError", "UsePreviousTemplate needs a stack that has a template.")
        return stack.wanted.body
    if (fetched is None) == ("TemplateBody" not in request):
        raise ApiError("ValidationError", "Either Template URL or Template Body must be specified.")
    body = str(request["TemplateBody"]) if fetched is None else fetched
    most, size = _MOST_BYTES if fetched is None else _MOST_BYTES_IN_S3, len(body.encode())
    if not 0 < size <= most:
        where = "at 'templateBody' failed to satisfy constraint: Member must have length "
        raise ApiError("ValidationError", f"{size} bytes {where}less than or equal to {most}")
    return body


def checked(body: str, kinds: Mapping[str, Kind]) -> Template:
    """Return the template that a text has written, if the local cloud can carry it out.

    Raises:
        ApiError: If it cannot.
    """
    found = template(body)
    check_parameters(found.parameters)
    check_resources(found, kinds)
    return found


def wanted(request: Mapping[str, Any], found: Template, body: str, stack: Stack | None) -> Wanted:
    """Return what a request asks a stack to be.

    Raises:
        ApiError: If a parameter is not right, or something has not been acknowledged.
    """
    capabilities = tuple(request.get("Capabilities") or ())
    check_acknowledged(found, capabilities)
    previous = stack.wanted.parameters if stack else {}
    tags = stack.wanted.tags if stack and "Tags" not in request else _tags(request.get("Tags") or ())
    return Wanted(
        body,
        given(found.parameters, request.get("Parameters") or (), previous),
        tags,
        capabilities,
        str(request.get("RoleARN") or (stack.wanted.role if stack else "")),
    )


def _tags(asked: Any) -> dict[str, str]:  # noqa: ANN401 - a list of tags
    found = {str(tag["Key"]): str(tag["Value"]) for tag in asked}
    if len(found) > _MOST_TAGS or len(found) != len(asked):
        raise ApiError("ValidationError", f"a stack has at most {_MOST_TAGS} tags, each with another key")
    if reserved := next((key for key in found if key.lower().startswith("aws:")), ""):
        raise ApiError("ValidationError", f"aws: prefixed tag key names are not allowed: {reserved}")
    return found
