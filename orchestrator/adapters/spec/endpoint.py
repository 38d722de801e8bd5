"""The tables of `orchestrator.toml` about what an endpoint consists of.

Ranges that SageMaker checks itself are not repeated here: the plan is checked against the service model.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from orchestrator.adapters.spec.fields import (
    REMOVABLE,
    InstanceType,
    KmsKey,
    PositiveInt,
    ResourceName,
    S3Address,
    Table,
    Text,
)


class VpcTable(Table):
    """``endpoint.vpc``: the network that the containers are in."""

    subnets: Annotated[list[Text], Field(min_length=1)]
    security_groups: Annotated[list[Text], Field(min_length=1)]


class ServerlessTable(Table):
    """``endpoint.serverless``: capacity without instances."""

    memory_mb: int = Field(default=2048, description="1024 to 6144, in steps of 1024.")
    max_concurrency: int = Field(default=5, description="How many requests at most run at a time.")
    provisioned_concurrency: PositiveInt | None = Field(
        default=None, description="How many containers are kept warm; none by default."
    )


class CaptureTable(Table):
    """``endpoint.capture``: which requests and answers SageMaker writes to S3."""

    destination: S3Address
    percent: int = Field(description="The share of requests, 0 to 100.")
    modes: Annotated[list[Literal["Input", "Output", "InputAndOutput"]], Field(min_length=1)] = Field(
        default=["Input", "Output"]
    )
    kms_key: KmsKey | None = None
    csv_types: list[Text] = Field(default=[], description="Content types that are written as CSV.")
    json_types: list[Text] = Field(default=[], description="Content types that are written as JSON.")


class AsyncTable(Table):
    """``endpoint.async``: where answers of asynchronous invocations go."""

    output: S3Address = Field(description="For answers.")
    failure: S3Address | None = Field(default=None, description="For errors.")
    kms_key: KmsKey | None = None
    success_topic: Text | None = Field(default=None, description="The ARN of an SNS topic.")
    error_topic: Text | None = Field(default=None, description="The ARN of an SNS topic.")
    max_concurrent: PositiveInt | None = Field(
        default=None, description="How many requests an instance gets at a time."
    )


class InstancesTable(Table):
    """What an endpoint says about instances, and each of its variants may say otherwise."""

    instance_type: InstanceType | None = None
    instance_count: PositiveInt | None = None
    pools: Annotated[list[InstanceType], Field(min_length=1)] | None = Field(
        default=None, description="Instance types in the order in which they are tried; for instance_type."
    )
    volume_gb: int | None = Field(default=None, description="Of each instance's disk.")
    download_timeout_seconds: int | None = Field(default=None, description="For the artifact to arrive.")
    startup_timeout_seconds: int | None = Field(default=None, description="For the first good ping.")
    provision_timeout_seconds: int | None = Field(
        default=None, description="For instances to be found when AWS is short of them."
    )
    ami: Text | None = Field(default=None, description="An inference AMI version.")
    routing: Text | None = Field(default=None, description="A routing strategy, in SageMaker's words.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.instance_type is not None and self.pools is not None:
            raise ValueError("give either instance_type or pools, not both")
        return self


class VariantTable(InstancesTable):
    """``endpoint.variants.NAME``: one of several variants; what it leaves out is as the endpoint says."""

    weight: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Its share of the traffic is this divided by the sum of all; 1 by default."
    )
    model: ResourceName | None = Field(
        default=None, description="A model that exists already; by default the project's own."
    )


class ShadowTable(VariantTable):
    """``endpoint.shadow``: a variant that gets copies of requests and answers nobody."""

    name: ResourceName = "shadow"


class EndpointTable(InstancesTable):
    """``[defaults.endpoint]``: what the endpoint consists of."""

    mode: Literal["realtime", "serverless", "async"] | None = None
    variant: ResourceName | None = Field(
        default=None, description="The name of the one variant; blue/green updates must keep it."
    )
    environment: dict[Text, str] = Field(
        default={}, description="The container's variables. No secrets: SageMaker shows them."
    )
    network_isolation: bool | None = None
    kms_key: KmsKey | None = Field(default=None, description="What the instances' disks are encrypted with.")
    vpc: Annotated[VpcTable | None, REMOVABLE] = None
    serverless: ServerlessTable | None = None
    capture: Annotated[CaptureTable | None, REMOVABLE] = None
    async_: AsyncTable | None = Field(default=None, alias="async")
    variants: dict[ResourceName, Annotated[VariantTable | None, REMOVABLE]] = Field(default={})
    shadow: Annotated[ShadowTable | None, REMOVABLE] = None

    @model_validator(mode="after")
    def _variants_say_something(self) -> Self:
        for name, variant in self.variants.items():
            if variant is not None and not variant.model_fields_set:
                raise ValueError(f"the variant '{name}' is empty; give it at least its weight")
        return self
