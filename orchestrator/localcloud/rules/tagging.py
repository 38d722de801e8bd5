"""Tags of the resources that are ours."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.world import (
    COMPONENT,
    CONFIG,
    ENDPOINT,
    GROUP,
    MODEL,
    PACKAGE,
    TRANSFORM,
    Content,
    Outcome,
    World,
    without,
)

# "The maximum number of tags": SageMaker API reference, AddTags.
_MOST = 50
_KINDS: Mapping[str, tuple[str, Callable[[World], Collection[str]]]] = {
    MODEL: ("model", lambda world: world.models),
    CONFIG: ("endpoint configuration", lambda world: world.configs),
    ENDPOINT: ("endpoint", lambda world: world.endpoints),
    GROUP: ("model package group", lambda world: world.groups),
    PACKAGE: ("model package", lambda world: world.packages),
    COMPONENT: ("inference component", lambda world: world.components),
    TRANSFORM: ("transform job", lambda world: world.transforms),
}


def add_tags(world: World, request: Content) -> Outcome:
    """Add tags to one of our resources; a key that exists gets the new value.

    Raises:
        ApiError: If there is no such resource, or it would have too many.
    """
    arn = _tagged(world, request["ResourceArn"])
    tags = {**world.tags.get(arn, {}), **tags_of(request)}
    if len(tags) > _MOST:
        raise invalid(f"The number of tags must not be more than {_MOST}.")
    return Outcome(retagged(world, arn, tags), {"Tags": _listed(tags)})


def list_tags(world: World, request: Content) -> Content:
    """Return all tags of one of our resources, on one page: there are at most 50, and no page is smaller."""
    if request.get("NextToken"):
        raise invalid("Invalid pagination token.")
    return {"Tags": _listed(world.tags.get(_tagged(world, request["ResourceArn"]), {}))}


def delete_tags(world: World, request: Content) -> Outcome:
    """Remove tags by key; keys that are not there are ignored."""
    arn = _tagged(world, request["ResourceArn"])
    kept = {key: value for key, value in world.tags.get(arn, {}).items() if key not in request["TagKeys"]}
    return Outcome(retagged(world, arn, kept))


def is_ours(arn: object) -> bool:
    """Tell whether ``arn`` names a resource that the local cloud keeps itself, or is for it to refuse.

    >>> is_ours("arn:aws:sagemaker:eu-west-1:123456789012:endpoint/digits")
    True
    >>> is_ours("arn:aws:sagemaker:eu-west-1:123456789012:pipeline/digits")
    False
    >>> is_ours("digits")
    True
    """
    kind, separator, _ = str(arn).rpartition(":")[2].partition("/")
    return not separator or kind in _KINDS


def tags_of(request: Content) -> dict[str, str]:
    """Return the tags of a request by key.

    Raises:
        ApiError: If a key is there twice, or one is reserved.
    """
    tags = request.get("Tags") or []
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) != len(tags):
        raise invalid("Duplicate tag keys found.")
    # Tagging AWS resources user guide: "aws:" in any case is reserved.
    if reserved := sorted(key for key in found if key.lower().startswith("aws:")):
        raise invalid(f'Tag keys must not begin with "aws:", which is reserved: "{reserved[0]}".')
    return found


def untagged(request: Content) -> Content:
    """Return a request without its tags, which are kept apart from what they are on."""
    return without(request, "Tags")


def retagged(world: World, arn: str, tags: Mapping[str, str] | None) -> World:
    """Return the world in which a resource has these tags, or with ``None`` is not known for any."""
    if tags is None:
        return replace(world, tags=without(world.tags, arn))
    return replace(world, tags={**world.tags, arn: tags})


def _tagged(world: World, arn: str) -> str:
    """Return ``arn`` if it names one of our resources that exists in this account and region."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind not in _KINDS:
        raise invalid(f'Could not find resource "{arn}".')
    words, existing = _KINDS[kind]
    if name not in existing(world) or world.scope.arn(kind, name) != arn:
        raise invalid(f'Could not find {words} "{arn}".')
    return arn


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
