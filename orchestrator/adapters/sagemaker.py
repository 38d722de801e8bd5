"""SageMaker's control plane.

Knows the shapes of its requests and answers; hands out `orchestrator.core.resources` values. Creating
what exists with the same content and deleting what is gone succeed, so that a call whose answer was lost
can be made again.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients, message_of, tags_to_api, translated
from orchestrator.core.errors import ConflictError
from orchestrator.core.names import is_content_name, stem
from orchestrator.core.resources import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Model,
    Pairs,
    State,
    Variant,
    VariantStatus,
)
from orchestrator.core.revision import ENDPOINT_TAG

# SageMaker answers ValidationException for nearly everything, told apart by the beginning of its words
# only: quoting differs between AWS and its emulators.
_MISSING = "Could not find"
_EXISTS = "Cannot create already existing"
_BUSY = "Cannot update in-progress endpoint"


class SageMaker:
    """The `Cloud` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._api = clients("sagemaker")
        self._sts = clients("sts")

    def identity(self) -> str:
        """Return the caller's ARN."""
        with translated("asking AWS who we are"):
            return str(self._sts.get_caller_identity()["Arn"])

    def observe(self, endpoint: str) -> State:
        """Return the endpoint, and every model and endpoint config that carries its tag."""
        with translated(f"looking at endpoint '{endpoint}'"):
            models = (self._model(name, arn, endpoint) for name, arn in self._ours("models", endpoint))
            configs = (self._config(name, arn, endpoint) for name, arn in self._ours("configs", endpoint))
            return State(
                models=frozenset(model for model in models if model is not None),
                configs=frozenset(config for config in configs if config is not None),
                endpoint=self.endpoint(endpoint),
            )

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint as DescribeEndpoint shows it, or ``None``."""
        with translated(f"looking at endpoint '{name}'"):
            answer = _unless_missing(self._api.describe_endpoint, EndpointName=name)
            if answer is None:
                return None
            tags = self._tags(answer["EndpointArn"])
        pending = answer.get("PendingDeploymentSummary", {}).get("EndpointConfigName")
        return Endpoint(
            name=name,
            config=answer["EndpointConfigName"],
            status=EndpointStatus(answer["EndpointStatus"]),
            pending=pending,
            last_modified=answer["LastModifiedTime"].timestamp(),
            failure_reason=answer.get("FailureReason", ""),
            variants=tuple(map(_variant_status, answer.get("ProductionVariants", []))),
            owned=tags.get(ENDPOINT_TAG) == name,
        )

    def create_model(self, model: Model) -> None:
        """Create a model; succeed if it exists."""
        with translated(f"creating model '{model.name}'"):
            _unless_it_exists(
                self._api.create_model,
                ModelName=model.name,
                ExecutionRoleArn=model.role,
                PrimaryContainer={
                    "Image": model.image,
                    **_artifact_to_api(model),
                    "Environment": dict(model.environment),
                },
                Tags=tags_to_api(dict(model.tags)),
            )

    def create_endpoint_config(self, config: EndpointConfig) -> None:
        """Create an endpoint config; succeed if it exists."""
        with translated(f"creating endpoint config '{config.name}'"):
            _unless_it_exists(
                self._api.create_endpoint_config,
                EndpointConfigName=config.name,
                ProductionVariants=[
                    {
                        "VariantName": variant.name,
                        "ModelName": variant.model,
                        "InstanceType": variant.instance_type,
                        "InitialInstanceCount": variant.instance_count,
                        "InitialVariantWeight": variant.weight,
                    }
                    for variant in config.variants
                ],
                Tags=tags_to_api(dict(config.tags)),
            )

    def create_endpoint(self, name: str, config: str, tags: Pairs) -> None:
        """Start the creation of an endpoint; succeed if ours has begun already."""
        with translated(f"creating endpoint '{name}'"):
            _unless_it_exists(
                self._api.create_endpoint,
                EndpointName=name,
                EndpointConfigName=config,
                Tags=tags_to_api(dict(tags)),
            )

    def update_endpoint(self, name: str, config: str) -> None:
        """Start an update, all at once.

        UpdateEndpoint has no client token: if an answer is lost, botocore's retry is refused as in progress.
        Then our own call has won if the endpoint is on its way to our endpoint config.
        """
        with translated(f"updating endpoint '{name}'"):
            try:
                self._api.update_endpoint(
                    EndpointName=name,
                    EndpointConfigName=config,
                    DeploymentConfig={
                        "BlueGreenUpdatePolicy": {
                            "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
                        }
                    },
                )
            except ClientError as error:
                if not message_of(error).startswith(_BUSY):
                    raise
                seen = self.endpoint(name)
                if seen is None or seen.target != config:
                    raise _busy(name, seen) from error

    def delete_endpoint(self, name: str) -> None:
        """Start the deletion of an endpoint; succeed if it is gone or going."""
        with translated(f"deleting endpoint '{name}'"):
            try:
                _unless_missing(self._api.delete_endpoint, EndpointName=name)
            except ClientError:
                seen = self.endpoint(name)
                if seen is not None and seen.status is not EndpointStatus.DELETING:
                    raise

    def delete_endpoint_config(self, name: str) -> None:
        """Delete an endpoint config; succeed if it is gone."""
        with translated(f"deleting endpoint config '{name}'"):
            _unless_missing(self._api.delete_endpoint_config, EndpointConfigName=name)

    def delete_model(self, name: str) -> None:
        """Delete a model; succeed if it is gone."""
        with translated(f"deleting model '{name}'"):
            _unless_missing(self._api.delete_model, ModelName=name)

    def _ours(self, kind: str, endpoint: str) -> Iterator[tuple[str, str]]:
        """Yield name and ARN of what has the form of our names; `_tags` then has the last word."""
        operation, member, prefix = {
            "models": ("list_models", "Models", "Model"),
            "configs": ("list_endpoint_configs", "EndpointConfigs", "EndpointConfig"),
        }[kind]
        for page in self._api.get_paginator(operation).paginate(NameContains=stem(endpoint)):
            for found in page[member]:
                if is_content_name(found[f"{prefix}Name"], endpoint):
                    yield found[f"{prefix}Name"], found[f"{prefix}Arn"]

    def _model(self, name: str, arn: str, endpoint: str) -> Model | None:
        answer = _unless_missing(self._api.describe_model, ModelName=name)
        tags = self._tags(arn)
        if answer is None or tags.get(ENDPOINT_TAG) != endpoint:
            return None
        container = answer.get("PrimaryContainer", {})
        return Model(
            name=name,
            image=container.get("Image", ""),
            artifact=_artifact_of(container),
            role=answer.get("ExecutionRoleArn", ""),
            environment=_sorted_pairs(container.get("Environment", {})),
            tags=_sorted_pairs(tags),
        )

    def _config(self, name: str, arn: str, endpoint: str) -> EndpointConfig | None:
        answer = _unless_missing(self._api.describe_endpoint_config, EndpointConfigName=name)
        tags = self._tags(arn)
        if answer is None or tags.get(ENDPOINT_TAG) != endpoint:
            return None
        variants = tuple(map(_variant, answer["ProductionVariants"]))
        return EndpointConfig(name, variants, _sorted_pairs(tags))

    def _tags(self, arn: str) -> dict[str, str]:
        pages = self._api.get_paginator("list_tags").paginate(ResourceArn=arn)
        try:
            # AWS's own tags may stand beside ours; they are not what we asked for.
            found = [(tag["Key"], tag["Value"]) for page in pages for tag in page["Tags"]]
        except ClientError as error:
            if _is_missing(error):
                return {}
            raise
        return {key: value for key, value in found if not key.startswith("aws:")}


def _busy(name: str, seen: Endpoint | None) -> ConflictError:
    state = f"{seen.status}, moving to '{seen.target}'" if seen else "gone"
    return ConflictError(
        f"somebody else is changing endpoint '{name}'",
        details=[("state", f"it is {state}; nothing of ours moves")],
        hint=f"orchestrator status {name}",
    )


def _unless_missing(call: Any, **arguments: object) -> Any:  # noqa: ANN401 - boto3's calls have no types
    try:
        return call(**arguments)
    except ClientError as error:
        if _is_missing(error):
            return None
        raise


def _unless_it_exists(call: Any, **arguments: object) -> None:  # noqa: ANN401 - boto3's calls have no types
    try:
        call(**arguments)
    except ClientError as error:
        # The name is the digest of the content: what has our name has our content.
        if not message_of(error).startswith(_EXISTS):
            raise


def _is_missing(error: ClientError) -> bool:
    return message_of(error).startswith(_MISSING)


def _artifact_to_api(model: Model) -> dict[str, object]:
    # ModelDataUrl is for one compressed object only; serverless endpoints take nothing else.
    if not model.is_uncompressed:
        return {"ModelDataUrl": model.artifact}
    source = {"S3Uri": model.artifact, "S3DataType": "S3Prefix", "CompressionType": "None"}
    return {"ModelDataSource": {"S3DataSource": source}}


def _artifact_of(container: dict[str, Any]) -> str:
    source = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return str(container.get("ModelDataUrl") or source.get("S3Uri", ""))


def _variant(answer: dict[str, Any]) -> Variant:
    return Variant(
        name=answer["VariantName"],
        model=answer.get("ModelName", ""),
        instance_type=answer.get("InstanceType", ""),
        instance_count=answer.get("InitialInstanceCount", 0),
        weight=answer.get("InitialVariantWeight", 1.0),
    )


def _variant_status(answer: dict[str, Any]) -> VariantStatus:
    return VariantStatus(
        name=answer["VariantName"],
        current_count=answer.get("CurrentInstanceCount", 0),
        desired_count=answer.get("DesiredInstanceCount", 0),
        current_weight=answer.get("CurrentWeight", 1.0),
        desired_weight=answer.get("DesiredWeight", 1.0),
    )


def _sorted_pairs(mapping: dict[str, str]) -> Pairs:
    return tuple(sorted(mapping.items()))
