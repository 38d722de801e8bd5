"""The rules of models and endpoint configs.

Records are immutable and kept word for word, whatever they say; what the local cloud cannot serve is
refused when an endpoint is to serve it. Texts are AWS's where a public report shows them
(aws/sagemaker-python-sdk#101 and others); clients tell errors apart by them.
"""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.localcloud.apierrors import invalid
from orchestrator.localcloud.rules.modeldata import model_data
from orchestrator.localcloud.rules.packages import resolved
from orchestrator.localcloud.rules.tagging import retagged, tags_of, untagged
from orchestrator.localcloud.rules.variants import check_variants
from orchestrator.localcloud.world import CONFIG, MODEL, Content, Outcome, Record, World, without

_MEMBERS = {MODEL: "Model", CONFIG: "EndpointConfig"}
# What AWS calls each kind of resource in its messages.
_WORDS = {MODEL: "model", CONFIG: "endpoint configuration"}


def create_model(world: World, request: Content, now: float) -> Outcome:
    """Record a model.

    Raises:
        ApiError: If the name is taken, or it is not said what the model runs in, or wrongly where it lies, or
            a model package is missing.
    """
    name = request["ModelName"]
    _check_free(world, MODEL, name)
    if bool(request.get("PrimaryContainer")) == bool(request.get("Containers")):
        raise invalid("Exactly one of PrimaryContainer and Containers must be specified.")
    for container in containers_of(world, request):
        model_data(container)
    made = replace(world, models={**world.models, name: Record(name, untagged(request), now)})
    return _created(made, MODEL, name, request)


def containers_of(world: World, model: Content) -> list[Content]:
    """Return the containers of a model, one or several, as they are once their model packages are looked up.

    Raises:
        ApiError: If a model package is missing.
    """
    named = [*(model.get("Containers") or ()), *filter(None, [model.get("PrimaryContainer")])]
    return [resolved(world, container) for container in named]


def create_endpoint_config(world: World, request: Content, now: float) -> Outcome:
    """Record an endpoint config.

    Raises:
        ApiError: If the name is taken, a model is missing, two variants have one name, or one breaks a rule.
    """
    name = request["EndpointConfigName"]
    _check_free(world, CONFIG, name)
    variants = [*request["ProductionVariants"], *request.get("ShadowProductionVariants", ())]
    names = [variant["VariantName"] for variant in variants]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise invalid(f'Variant names must be unique within an endpoint configuration: "{twice[0]}".')
    check_variants(request)
    for variant in variants:
        if (model := variant.get("ModelName")) is not None:
            find(world, MODEL, model)
    made = replace(world, configs={**world.configs, name: Record(name, untagged(request), now)})
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
    kept = replace(world, models=without(world.models, name))
    return Outcome(retagged(kept, world.scope.arn(MODEL, name), None))


def delete_endpoint_config(world: World, request: Content) -> Outcome:
    """Forget an endpoint config. AWS asks not to delete one that serves, and does not refuse it."""
    name = request["EndpointConfigName"]
    find(world, CONFIG, name)
    kept = replace(world, configs=without(world.configs, name))
    return Outcome(retagged(kept, world.scope.arn(CONFIG, name), None))


def find(world: World, kind: str, name: str) -> Record:
    """Return the record of a model or an endpoint config.

    Raises:
        ApiError: If there is none.
    """
    record = _records(world, kind).get(name)
    if record is None:
        raise invalid(f'Could not find {_WORDS[kind]} "{world.scope.arn(kind, name)}".')
    return record


def _records(world: World, kind: str) -> Mapping[str, Record]:
    return world.models if kind == MODEL else world.configs


def _check_free(world: World, kind: str, name: str) -> None:
    if name in _records(world, kind):
        raise invalid(f'Cannot create already existing {_WORDS[kind]} "{world.scope.arn(kind, name)}".')


def _created(world: World, kind: str, name: str, request: Content) -> Outcome:
    arn = world.scope.arn(kind, name)
    return Outcome(retagged(world, arn, tags_of(request)), {f"{_MEMBERS[kind]}Arn": arn})


def _described(world: World, kind: str, name: str) -> Content:
    record = find(world, kind, name)
    arn = world.scope.arn(kind, name)
    return {**record.content, f"{_MEMBERS[kind]}Arn": arn, "CreationTime": record.created}
