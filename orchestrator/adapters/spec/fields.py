"""What the tables of `orchestrator.toml` are made of: a table of known keys, and the kinds of its values."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from orchestrator.core import spec
from orchestrator.core.errors import SpecError
from orchestrator.core.names import is_valid


class Table(BaseModel):
    """A table in which every key is known and every value is of its type as written."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, populate_by_name=False, allow_inf_nan=False
    )


class Removable:
    """Lets ``false`` in a table take away what a less specific one gives; it is read as ``None``.

    TOML has no word for nothing, and a key that is left out says nothing.
    """

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_nothing, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        return {"anyOf": [*found.get("anyOf", [found]), {"const": False}]}


def _nothing(value: object) -> object:
    return None if value is False else value


def _checked(rule: Callable[[str], object], message: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not rule(text):
            raise ValueError(message)
        return text

    return check


def _is_reference(text: str) -> bool:
    try:
        spec.Reference.parse(text)
    except SpecError:
        return False
    return True


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and ".." not in path.split("/")


REMOVABLE = Removable()
_REFERENCES = "a class or function is named as folder/file.py:Name, each part a Python name"
ReferenceText = Annotated[str, AfterValidator(_checked(_is_reference, _REFERENCES))]
RelativePath = Annotated[
    str, AfterValidator(_checked(_is_inside, "a path inside the project is needed, relative to the spec"))
]
ResourceName = Annotated[
    str, AfterValidator(_checked(is_valid, "SageMaker takes 1 to 63 letters, digits and inner hyphens"))
]
DType = Literal[
    "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"
]
PositiveInt = Annotated[int, Field(ge=1)]
Level = Literal["allow", "warn", "refuse"]
Plain = None | bool | int | float | str | list[Any] | dict[str, Any]
PRINTABLE = AfterValidator(_checked(str.isprintable, "it should have no control characters"))
Text = Annotated[str, Field(min_length=1), PRINTABLE]
KmsKey = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^\S+$"), PRINTABLE]
S3Address = Annotated[str, Field(pattern=r"^s3://\S+$"), PRINTABLE]
InstanceType = Annotated[str, Field(pattern=r"^ml\.\S+$"), PRINTABLE]
