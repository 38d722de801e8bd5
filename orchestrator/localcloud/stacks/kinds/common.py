"""What most kinds of resources need: documents as text, tags, and answers that say that nothing is there."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.world import Scope

_ABSENT = {
    "404",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchBucketPolicy",
    "NoSuchEntity",
    "NotFound",
    "NotFoundException",
    "ObjectNotFoundException",
    "ParameterNotFound",
    "QueueDoesNotExist",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_NOT_FOUND = ("Could not find", "does not exist")


def arn(scope: Scope, service: str, rest: str) -> str:
    """Return the ARN of a resource of a service.

    >>> arn(Scope("123456789012", "eu-west-1"), "sns", "alarms")
    'arn:aws:sns:eu-west-1:123456789012:alarms'
    """
    return f"arn:{scope.partition}:{service}:{scope.region}:{scope.account}:{rest}"


def absent(error: ClientError) -> bool:
    """Tell whether an error says that what was asked for is not there."""
    said = error.response["Error"]
    return said["Code"] in _ABSENT or any(words in said["Message"] for words in _NOT_FOUND)


def is_there(call: Callable[..., Any], **request: Any) -> bool:  # noqa: ANN401 - members of requests
    """Tell whether a request finds what it asks for."""
    try:
        call(**request)
    except ClientError as error:
        if absent(error):
            return False
        raise
    return True


def without_fail(call: Callable[..., Any], **request: Any) -> None:  # noqa: ANN401 - members of requests
    """Delete something, whether it is there or not."""
    is_there(call, **request)


@contextlib.contextmanager
def or_undone(undo: Callable[..., object], *arguments: object) -> Iterator[None]:
    """Delete what was made if what makes it complete fails: no stack would have it, and delete it, then."""
    try:
        yield
    except Exception:
        undo(*arguments)
        raise


def check_new(name: str, *, taken: bool) -> None:
    """Check that nobody else has made what a stack is to make.

    Raises:
        ApiError: If somebody has.
    """
    if taken:
        raise ApiError("AlreadyExists", f"{name} already exists")


def document(found: Any) -> str:  # noqa: ANN401 - JSON
    """Return a policy or the like as the text that requests have."""
    return found if isinstance(found, str) else json.dumps(found)


def tags_of(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a resource."""
    tags = properties.get("Tags") or {}
    return dict(tags) if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Return tags as a list of objects."""
    return [{key: name, value: content} for name, content in tags.items()]


def retag(
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    put: Callable[[dict[str, str]], object],
    drop: Callable[[list[str]], object],
) -> None:
    """Let a resource have the tags that it is to have."""
    before, after = tags_of(old), tags_of(new)
    if gone := [name for name in before if name not in after]:
        drop(gone)
    if changed := {name: value for name, value in after.items() if before.get(name) != value}:
        put(changed)


def chosen(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return some of the properties, as far as they are there."""
    return {name: properties[name] for name in names if name in properties}


def but(properties: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the properties without some."""
    return {name: value for name, value in properties.items() if name not in names}
