"""Specs as nobody would write them: read, or refused as a spec that is wrong; nothing else comes out."""

import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.adapters.spec import reading
from orchestrator.adapters.spec.endpoint import EndpointTable
from orchestrator.adapters.spec.moving import AutoscalingTable, RolloutTable
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import Spec
from tests.support.commands import SPEC

SETTINGS = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
_WORDS = (
    "version name model path class format init_args license state_dict_key strip_prefix "
    "allow_code entrypoint task labels tokenizer features top_k schema input image dtype shape "
    "package include layout container profile golden cases atol policy end_of_patch defaults "
    "endpoint instance_count env local tags endpoints mode pools environment vpc subnets serverless capture "
    "async output variants weight shadow rollout size_percent judge generate_alarms autoscaling min max "
    "tracking steps schedules adjustments"
)
_TEXTS = (
    "../x /etc/passwd src/net.py:Net custom audio 1 model.pt auto serverless async canary rolling s3://b/x "
    "ml.m5.large"
)
KEYS = st.sampled_from(_WORDS.split()) | st.text(max_size=12)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*_TEXTS.split(), "rate(1 day)"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


def toml(value: object) -> str:
    """Spell ``value`` as TOML, which has no word for nothing."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(letter):08X}" for letter in value) + '"'
        case list():
            return f"[{', '.join(toml(item) for item in value if item is not None)}]"
        case dict():
            pairs = (f"{toml(key)} = {toml(item)}" for key, item in value.items() if item is not None)
            return f"{{{', '.join(pairs)}}}"
    return str(value)


def read(folder: Path, content: bytes, environment: str = "local") -> Spec | None:
    """Read a spec; ``None`` if it is refused."""
    file = folder / "orchestrator.toml"
    file.write_bytes(content)
    try:
        found = reading.read(file, environment, flags={}, environ={})
        for name in found.endpoints:
            reading.read(file, environment, flags={}, environ={}, endpoint=name)
    except SpecError:
        return None
    return found.spec


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spec")


def test_the_spec_that_is_damaged_here_can_be_read(folder: Path) -> None:
    assert read(folder, SPEC.encode()) is not None


@SETTINGS
@given(
    content=st.dictionaries(KEYS, VALUES, max_size=8),
    environment=st.sampled_from(["local", "prod"]) | st.text(),
)
def test_tables_of_any_keys_and_values_are_read_or_refused(
    folder: Path, content: dict[str, object], environment: str
) -> None:
    lines = (f"{toml(key)} = {toml(value)}\n" for key, value in content.items() if value is not None)
    text = "".join(lines).encode("utf-8", "surrogatepass")
    read(folder, text, environment)


@SETTINGS
@given(
    table=st.sampled_from(["model", "entrypoint", "schema", "package", "golden", "policy", "defaults"]),
    data=st.data(),
)
def test_a_table_of_any_content_in_a_sound_spec_is_read_or_refused(
    folder: Path, table: str, data: st.DataObject
) -> None:
    content = data.draw(st.dictionaries(KEYS, VALUES, max_size=5))
    before, _, rest = SPEC.partition(f"[{table}]")
    after = rest[rest.find("\n[") + 1 :] if "\n[" in rest else ""
    lines = (f"{toml(key)} = {toml(value)}" for key, value in content.items() if value is not None)
    text = "\n".join([before, f"[{table}]", *lines, after])
    read(folder, text.encode("utf-8", "surrogatepass"))


@SETTINGS
@given(
    layer=st.sampled_from(["defaults", "env.local", "endpoints.other"]),
    table=st.sampled_from(["endpoint", "rollout", "autoscaling"]),
    data=st.data(),
)
def test_settings_of_any_content_are_read_or_refused(
    folder: Path, layer: str, table: str, data: st.DataObject
) -> None:
    fields = {
        "endpoint": EndpointTable.model_fields,
        "rollout": RolloutTable.model_fields,
        "autoscaling": AutoscalingTable.model_fields,
    }
    known = st.sampled_from([field.alias or key for key, field in fields[table].items()])
    content = data.draw(st.dictionaries(known, VALUES | st.just(value=False), max_size=4))
    lines = (f"{toml(key)} = {toml(value)}" for key, value in content.items() if value is not None)
    text = "\n".join(["version = 1\nname = 'x'\nmodel.path = 'x'", f"[{layer}.{table}]", *lines])
    read(folder, text.encode("utf-8", "surrogatepass"))


@SETTINGS
@given(
    place=st.integers(0, len(SPEC)),
    removed=st.integers(0, 12),
    put=st.binary(max_size=8) | st.text(string.printable, max_size=8).map(str.encode),
)
def test_a_damaged_spec_is_read_or_refused(folder: Path, place: int, removed: int, put: bytes) -> None:
    whole = SPEC.encode()
    read(folder, whole[:place] + put + whole[place + removed :])


@pytest.mark.parametrize(
    "deep", ["[" * 50_000, "a = " + "[" * 50_000, "a = " + "{b=" * 20_000, "a." * 20_000 + "a=1"]
)
def test_a_spec_that_is_nested_without_end_is_refused(folder: Path, deep: str) -> None:
    assert read(folder, deep.encode()) is None
