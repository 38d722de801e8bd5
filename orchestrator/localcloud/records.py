"""The rules of models, endpoint configs and tags.

Records are immutable and kept word for word, whatever they say; what the local cloud cannot serve is
refused when an endpoint is to serve it. Texts are AWS's where a public report shows them
(aws/sagemaker-python-sdk#101 and others); clients tell errors apart by them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.modeldata import model_data
from orchestrator.localcloud.world import CONFIG, ENDPOINT, MODEL, Content, Outcome, Record, World

_Item = TypeVar("_Item")
_MEMBERS = {MODEL: "Model", CONFIG: "EndpointConfig", ENDPOINT: "Endpoint"}

WORDS = {MODEL: "model", CONFIG: "endpoint configuration", ENDPOINT: "endpoint"}
"""What AWS calls each kind of resource in its messages."""


def create_model(world: World, request: Content, now: float) -> Outcome:
    """Record a model.

    Raises:
        ApiError: If the name is taken, or it is not said what the model runs in, or wrongly where it lies.
    """
    name = request["ModelName"]
    _check_free(world, MODEL, name)
    if bool(request.get("PrimaryContainer")) == bool(request.get("Containers")):
        raise invalid("Exactly one of PrimaryContainer and Containers must be specified.")
    for container in containers_of(request):
        model_data(container)
    made = replace(world, models={**world.models, name: Record(name, _untagged(request), now)})
    return _created(made, MODEL, name, request)


def containers_of(model: Content) -> list[Content]:
    """Return the containers of a CreateModel request, one or several."""
    return [*(model.get("Containers") or ()), *filter(None, [model.get("PrimaryContainer")])]


def create_endpoint_config(world: World, request: Content, now: float) -> Outcome:
    """Record an endpoint config.

    Raises:
        ApiError: If the name is taken, a model is missing, or two variants have one name.
    """
    name = request["EndpointConfigName"]
    _check_free(world, CONFIG, name)
    variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())]
    names = [variant["VariantName"] for variant in variants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise invalid(f'Variant names must be unique within an endpoint configuration: "{twice[0]}".')
    for variant in variants:
        if (model := variant.get("ModelName")) is not None:
            find(world, MODEL, model)
    made = replace(world, configs={**world.configs, name: Record(name, _untagged(request), now)})
    return _created(made, CONFIG, name, request)


def describe_model(world: World, request: Content) -> Content:
    """Return a model as it was created."""
    return _described(world, MODEL, request["ModelName"])


def describe_endpoint_config(world: World, request: Content) -> Content:
    """Return an endpoint config as it was created."""
    return _described(world, CONFIG, request["EndpointConfigName"])


def delete_model(world: World, request: Content) -> Outcome:
    """Forget a model. One that serves may be deleted: AWS does not refuse that either."""
    name = request["ModelName"]
    find(world, MODEL, name)
    return Outcome(_forget(replace(world, models=without(world.models, name)), MODEL, name))


def delete_endpoint_config(world: World, request: Content) -> Outcome:
    """Forget an endpoint config. AWS asks not to delete one that serves, and does not refuse it."""
    name = request["EndpointConfigName"]
    find(world, CONFIG, name)
    return Outcome(_forget(replace(world, configs=without(world.configs, name)), CONFIG, name))


def find(world: World, kind: str, name: str) -> Record:
    """Return the record of a model or an endpoint config.

    Raises:
        ApiError: If there is none.
    """
    record = (world.models if kind == MODEL else world.configs).get(name)
    if record is None:
        raise invalid(f'Could not find {WORDS[kind]} "{world.scope.arn(kind, name)}".')
    return record


def add_tags(world: World, request: Content) -> Outcome:
    """Add tags to one of our resources; a key that exists gets the new value."""
    arn = _tagged(world, request["ResourceArn"])
    tags = {**world.tags.get(arn, {}), **tags_of(request)}
    return Outcome(replace(world, tags={**world.tags, arn: tags}), {"Tags": _listed(tags)})


def list_tags(world: World, request: Content) -> Content:
    """Return all tags of one of our resources, on one page: there are at most 50."""
    return {"Tags": _listed(world.tags.get(_tagged(world, request["ResourceArn"]), {}))}


def delete_tags(world: World, request: Content) -> Outcome:
    """Remove tags by key; keys that are not there are ignored."""
    arn = _tagged(world, request["ResourceArn"])
    kept = {key: value for key, value in world.tags.get(arn, {}).items() if key not in request["TagKeys"]}
    return Outcome(replace(world, tags={**world.tags, arn: kept}))


def is_ours(arn: str) -> bool:
    """Tell whether ``arn`` names a resource that the local cloud keeps itself, existing or not.

    >>> is_ours("arn:aws:sagemaker:eu-west-1:123456789012:endpoint/digits")
    True
    >>> is_ours("arn:aws:sagemaker:eu-west-1:123456789012:model-package/digits/1")
    False
    """
    kind, separator, _ = arn.rpartition(":")[2].partition("/")
    return bool(separator) and kind in WORDS


def tags_of(request: Content) -> dict[str, str]:
    """Return the tags of a request by key.

    Raises:
        ApiError: If a key is there twice.
    """
    tags = request.get("Tags") or []
    found = {tag["Key"]: tag["Value"] for tag in tags}
    if len(found) != len(tags):
        raise invalid("Duplicate tag keys found.")
    return found


def without(items: Mapping[str, _Item], name: str) -> dict[str, _Item]:
    """Return ``items`` but for the one called ``name``."""
    return {key: item for key, item in items.items() if key != name}


def _check_free(world: World, kind: str, name: str) -> None:
    if name in (world.models if kind == MODEL else world.configs):
        raise invalid(f'Cannot create already existing {WORDS[kind]} "{world.scope.arn(kind, name)}".')


def _untagged(request: Content) -> Content:
    return without(request, "Tags")


def _created(world: World, kind: str, name: str, request: Content) -> Outcome:
    arn = world.scope.arn(kind, name)
    tagged = replace(world, tags={**world.tags, arn: tags_of(request)})
    return Outcome(tagged, {f"{_MEMBERS[kind]}Arn": arn})


def _described(world: World, kind: str, name: str) -> Content:
    record = find(world, kind, name)
    arn = world.scope.arn(kind, name)
    return {**record.content, f"{_MEMBERS[kind]}Arn": arn, "CreationTime": record.created}


def _forget(world: World, kind: str, name: str) -> World:
    return replace(world, tags=without(world.tags, world.scope.arn(kind, name)))


def _tagged(world: World, arn: str) -> str:
    """Return ``arn`` if it names one of our resources that exists in this account and region."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    existing = {MODEL: world.models, CONFIG: world.configs, ENDPOINT: world.endpoints}[kind]
    if name not in existing or world.scope.arn(kind, name) != arn:
        raise invalid(f'Could not find {WORDS[kind]} "{arn}".')
    return arn


def _listed(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
