"""The tables of `orchestrator.toml`, as pydantic models.

Knows which keys there are and of which type; must not know where a value comes from. What the design
names and this version does not carry out is refused here by name, never accepted and ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from orchestrator.core import spec
from orchestrator.core.errors import SpecError
from orchestrator.core.names import is_valid


def _reference(text: str) -> str:
    try:
        spec.Reference.parse(text)
    except SpecError as error:
        raise ValueError(
            "a class or function is named as folder/file.py:Name, each part a Python name"
        ) from error
    return text


def _endpoint_name(name: str) -> str:
    if not is_valid(name):
        raise ValueError("SageMaker takes 1 to 63 letters, digits and inner hyphens")
    return name


def _relative(path: str) -> str:
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError("a path inside the project is needed, relative to the spec")
    return path


ReferenceText = Annotated[str, AfterValidator(_reference)]
RelativePath = Annotated[str, AfterValidator(_relative)]
DType = Literal[
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"
]
Plain = None | bool | int | float | str | list[Any] | dict[str, Any]


class Table(BaseModel):
    """A table in which every key is known and every value is of its type as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=False)


class ModelTable(Table):
    """``[model]``: the trained model."""

    path: str = Field(description="The file with the weights, relative to the spec.")
    format: Literal["auto", "safetensors", "state-dict"] = "auto"
    class_: ReferenceText = Field(alias="class", description="The nn.Module, as folder/file.py:Name.")
    init_args: dict[str, Plain] = Field(default={}, description="Keyword arguments for the class.")
    license: str | None = Field(default=None, description="An SPDX expression.")


class EntryPointTable(Table):
    """``[entrypoint]``: what happens around the model."""

    task: Literal["image-classification", "custom"] = "custom"
    labels: list[str] = []
    preprocess: ReferenceText | None = None
    postprocess: ReferenceText | None = None


class TensorTable(Table):
    """One input in ``[schema.input]``; a length of -1 stands for any."""

    dtype: DType
    shape: list[Annotated[int, Field(ge=-1)]]


class SchemaTable(Table):
    """``[schema]``: the model's inputs, without the batch dimension."""

    input: dict[str, TensorTable] = {}


class PackageTable(Table):
    """``[package]``: what else goes into the archive."""

    requirements: RelativePath | None = None
    include: list[RelativePath] = []
    layout: Literal["tar.gz"] = "tar.gz"


class ContainerTable(Table):
    """``[container]``: the serving image, by profile or by address."""

    profile: str | None = None
    image: Annotated[str, Field(max_length=255, pattern=r"^\S+$")] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ContainerTable":
        if self.profile is not None and self.image is not None:
            raise ValueError("give either profile or image, not both")
        return self


class GoldenTable(Table):
    """``[golden]``: requests with the answers they must get."""

    cases: RelativePath | None = None
    atol: Annotated[float, Field(ge=0)] = 1e-4


class EndpointTable(Table):
    """``[defaults.endpoint]``: the fleet."""

    mode: Literal["realtime"] | None = None
    instance_type: Annotated[str, Field(pattern=r"^ml\.\S+$")] | None = None
    instance_count: Annotated[int, Field(ge=1)] | None = None


class RolloutTable(Table):
    """``[defaults.rollout]``: how traffic moves."""

    type: Literal["all-at-once"] | None = None


class SettingsTable(Table):
    """``[defaults]`` and ``[env.NAME]``: where and how to deploy."""

    region: str | None = None
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")] | None = None
    role_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/\S+$")] | None = None
    assume_role_arn: Annotated[str, Field(pattern=r"^arn:aws[a-z\-]*:iam::\d{12}:role/\S+$")] | None = None
    tags: dict[
        Annotated[str, Field(min_length=1, max_length=128)], Annotated[str, Field(max_length=256)]
    ] = {}
    keep_revisions: Annotated[int, Field(ge=1)] | None = None
    endpoint: EndpointTable = EndpointTable()
    rollout: RolloutTable = RolloutTable()


class Document(Table):
    """A whole `orchestrator.toml`."""

    version: Literal[1] = Field(description="The version of this format.")
    name: Annotated[str, AfterValidator(_endpoint_name)] = Field(
        description="The project's name, and its endpoint's."
    )
    model: ModelTable
    entrypoint: EntryPointTable = EntryPointTable()
    schema_: SchemaTable = Field(default=SchemaTable(), alias="schema")
    package: PackageTable = PackageTable()
    container: ContainerTable = ContainerTable()
    golden: GoldenTable = GoldenTable()
    defaults: SettingsTable = SettingsTable()
    env: dict[str, SettingsTable] = {}


# What the design of the spec has and this version does not carry out yet: refused with these words, so
# that nobody takes a silently ignored key for a promise.
LATER = {
    "defaults.autoscaling": "autoscaling",
    "env.*.autoscaling": "autoscaling",
    "defaults.rollout.size_percent": "a rollout in steps",
    "defaults.rollout.bake_seconds": "a rollout in steps",
    "defaults.rollout.alarms": "a rollout with alarms",
}
