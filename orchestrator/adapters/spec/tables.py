"""The tables of `orchestrator.toml`, as pydantic models.

Knows which keys there are and of which type; must not know where a value comes from.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from orchestrator.adapters.spec.endpoint import EndpointTable
from orchestrator.adapters.spec.fields import (
    PRINTABLE,
    REMOVABLE,
    DType,
    KmsKey,
    Level,
    Plain,
    PositiveInt,
    ReferenceText,
    RelativePath,
    ResourceName,
    Table,
    Text,
)
from orchestrator.adapters.spec.moving import AutoscalingTable, RolloutTable
from orchestrator.core import spec
from orchestrator.core.errors import SpecError
from orchestrator.core.tasks import check_options


class ModelTable(Table):
    """``[model]``: the trained model."""

    path: str = Field(description="The file or folder of the trained model, relative to the spec.")
    format: Literal[
        "auto",
        "safetensors",
        "sharded-safetensors",
        "state-dict",
        "module",
        "torchscript",
        "exported",
        "hugging-face",
    ] = "auto"
    class_: ReferenceText | None = Field(
        default=None,
        alias="class",
        description="The nn.Module, as folder/file.py:Name; needed where the file holds only weights.",
    )
    init_args: dict[str, Plain] = Field(default={}, description="Keyword arguments for the class.")
    license: str | None = Field(default=None, description="An SPDX expression.")
    state_dict_key: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="Where in a checkpoint the weights lie, with '.' between keys."
    )
    strip_prefix: str | None = Field(
        default=None, description="What every tensor's name loses; by default DataParallel's 'module.'."
    )
    allow_code: bool = Field(
        default=False, description="Whether a file that carries code may be loaded: it runs what it says."
    )


class EntryPointTable(Table):
    """``[entrypoint]``: what happens around the model."""

    task: Literal[
        "image-classification", "text-classification", "tabular", "audio", "embeddings", "custom"
    ] = "custom"
    preprocess: ReferenceText | None = None
    postprocess: ReferenceText | None = None
    labels: list[str] | None = Field(default=None, description="Of the classes, in the model's order.")
    top_k: PositiveInt | None = Field(default=None, description="How many classes an answer lists.")
    probabilities: bool | None = Field(default=None, description="Whether an answer lists probabilities.")
    tokenizer: RelativePath | None = Field(
        default=None, description="A vocabulary, one token a line, or a tokenizer.json."
    )
    max_tokens: PositiveInt | None = Field(default=None, description="How many tokens a text is cut to.")
    lowercase: bool | None = Field(default=None, description="Whether a vocabulary's texts are lower-cased.")
    features: list[str] | None = Field(default=None, description="The names of a row's cells, in order.")
    sample_rate: PositiveInt | None = Field(default=None, description="Of the audio, in hertz.")
    frame_length: PositiveInt | None = Field(default=None, description="Of a frame, in samples.")
    hop_length: PositiveInt | None = Field(default=None, description="Between frames, in samples.")
    center: bool | None = Field(default=None, description="Whether frames are centred on their time.")
    normalize: bool | None = Field(
        default=None, description="Audio: frames to mean 0, deviation 1. Embeddings: to length 1."
    )
    pooling: Literal["mean", "cls", "none"] | None = Field(
        default=None, description="How token vectors become one."
    )

    @model_validator(mode="after")
    def _known_to_the_task(self) -> "EntryPointTable":
        try:
            check_options(self.task, self.options)
        except SpecError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def options(self) -> dict[str, spec.Literal]:
        """What the task is told: the keys that the spec sets, but for those that every task knows."""
        given = self.model_dump(exclude={"task", "preprocess", "postprocess"}, exclude_none=True)
        return {key: value for key, value in given.items() if key in self.model_fields_set}


class TensorTable(Table):
    """One input in ``[schema.input]``; a length of -1 stands for any."""

    dtype: DType
    shape: list[Annotated[int, Field(ge=-1)]]


class SchemaTable(Table):
    """``[schema]``: the model's inputs, without the batch dimension."""

    input: dict[str, TensorTable] = Field(default={})


class PackageTable(Table):
    """``[package]``: what else goes into the archive."""

    requirements: RelativePath | None = None
    include: list[RelativePath] = Field(default=[])
    layout: Literal["tar.gz", "s3-prefix"] = "tar.gz"


class ContainerTable(Table):
    """``[container]``: the serving image, by profile or by address."""

    profile: str | None = None
    image: Annotated[str, Field(pattern=r"^\S+$"), PRINTABLE] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ContainerTable":
        if self.profile is not None and self.image is not None:
            raise ValueError("give either profile or image, not both")
        return self


class ServingTable(Table):
    """``[serving]``: how `local-serve`, or an image of our own, answers."""

    workers: PositiveInt | None = Field(default=None, description="Processes, each with a copy of the model.")
    batch_size: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=1, description="How many requests at most share one call of the model; 1 turns it off."
    )
    batch_delay_ms: Annotated[float, Field(ge=0, le=60_000)] = Field(
        default=2.0, description="How long a request waits for others, in milliseconds."
    )


class PolicyTable(Table):
    """``[policy]``: what a finding about the container or its requirements leads to."""

    end_of_patch: Level | None = Field(default=None, description="AWS no longer patches the image [warn].")
    newer_torch: Level | None = Field(
        default=None, description="The model was saved by a newer torch than the image has [warn; see docs]."
    )
    replaced_torch: Level | None = Field(
        default=None, description="The requirements replace the image's torch [refuse]."
    )
    unpinned_requirements: Level | None = Field(
        default=None, description="A requirement is not pinned to one version [warn]."
    )


class GoldenTable(Table):
    """``[golden]``: requests with the answers they must get."""

    cases: RelativePath | None = None
    atol: Annotated[float, Field(ge=0)] = 1e-4


class SettingsTable(Table):
    """``[defaults]``, ``[env.NAME]`` and ``[endpoints.NAME]``: where and how to deploy."""

    region: Text | None = None
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    role_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/\S+$")] | None = None
    assume_role_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/\S+$")] | None = None
    # How long keys, values and images may be is told with its source: by the service model, in a plan.
    tags: dict[Text, Annotated[str, PRINTABLE]] = Field(default={})
    keep_revisions: PositiveInt | None = None
    kms_key: KmsKey | None = Field(
        default=None, description="The KMS key that S3 encrypts artifacts with: an ID, an ARN or an alias."
    )
    bucket_owner: Annotated[str, Field(pattern=r"^\d{12}$")] | None = Field(
        default=None, description="The account that has to own the bucket."
    )
    prices: RelativePath | None = Field(default=None, description="A table of what instances cost an hour.")
    endpoint: EndpointTable = EndpointTable()
    rollout: RolloutTable = RolloutTable()
    autoscaling: Annotated[AutoscalingTable | None, REMOVABLE] = AutoscalingTable()


class Document(Table):
    """A whole `orchestrator.toml`."""

    version: Literal[1] = Field(description="The version of this format.")
    name: ResourceName = Field(description="The project's name, and its endpoint's.")
    model: ModelTable
    entrypoint: EntryPointTable = EntryPointTable()
    schema_: SchemaTable = Field(default=SchemaTable(), alias="schema")
    package: PackageTable = PackageTable()
    container: ContainerTable = ContainerTable()
    serving: ServingTable = ServingTable()
    golden: GoldenTable = GoldenTable()
    policy: PolicyTable = PolicyTable()
    defaults: SettingsTable = SettingsTable()
    env: dict[Text, SettingsTable] = Field(default={})
    endpoints: dict[ResourceName, SettingsTable] = Field(
        default={}, description="Several endpoints of one model, by name; without any there is one."
    )

    @model_validator(mode="after")
    def _no_twins(self) -> "Document":
        folded: dict[str, str] = {}
        for name in self.endpoints:
            if (twin := folded.setdefault(name.lower(), name)) != name:
                # Reference of InvokeEndpoint and CreateEndpoint: a name is unique whatever its case.
                raise ValueError(f"the endpoints '{twin}' and '{name}' are one to SageMaker")
        return self
