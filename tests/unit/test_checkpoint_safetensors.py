"""The rules of safetensors files, which the header alone tells."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file

from orchestrator.adapters.checkpoints import safetensors
from orchestrator.core.errors import ArtifactError

F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def write(path: Path, header: object, content: bytes = b"\0" * 8) -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    return str(path)


def test_what_the_library_wrote_is_found_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    saved = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.empty(0, 4),
        "c": torch.tensor(1, dtype=torch.int8),
    }
    save_file(saved, path, {"format": "pt"})
    header = safetensors.read(str(path))
    content = path.read_bytes()
    for name, tensor in saved.items():
        found = header.tensors[name]
        assert found.shape == tuple(tensor.shape)
        assert content[found.offset : found.offset + found.size_bytes] == tensor.numpy().tobytes()
        assert found.is_contiguous
    assert header.metadata == {"format": "pt"}
    assert header.files == (str(path),)


@pytest.mark.parametrize(
    ("header", "content", "why"),
    [
        (b"", b"", "does not begin with '{'"),
        (b' {"a":1}', b"", "does not begin with '{'"),
        (b"[]", b"", "does not begin with '{'"),
        (b'{"a":', b"", "not valid JSON"),
        (b'{"a":' * 5000, b"", "not valid JSON"),
        (b'{"a":\xff}', b"", "not valid JSON"),
        ({}, b"", "holds no tensors"),
        ({"__metadata__": {"a": "b"}}, b"", "holds no tensors"),
        ({"__metadata__": {"a": 1}, "w": F32}, b"\0" * 8, "mapping of text to text"),
        (
            b'{"w":' + json.dumps(F32).encode() + b',"w":' + json.dumps(F32).encode() + b"}",
            b"\0" * 8,
            "twice",
        ),
        ({"w": {**F32, "more": 1}}, b"\0" * 8, "by other keys than"),
        ({"w": 7}, b"\0" * 8, "by other keys than"),
        ({"w": {**F32, "dtype": "C64"}}, b"\0" * 8, "dtype 'C64', not one of those served: BOOL, U8"),
        ({"w": {**F32, "dtype": ["F32"]}}, b"\0" * 8, "dtype a list"),
        ({"w": {**F32, "shape": [-2]}}, b"\0" * 8, "no valid shape"),
        ({"w": {**F32, "shape": [True]}}, b"\0" * 8, "no valid shape"),
        ({"w": {**F32, "shape": [10**400]}}, b"\0" * 8, "no valid shape"),
        ({"w": {**F32, "shape": [1] * 65}}, b"\0" * 8, "no valid shape"),
        ({"w": {**F32, "shape": [2**62, 2**62]}}, b"\0" * 8, "another number of bytes"),
        ({"w": {**F32, "data_offsets": [0]}}, b"\0" * 8, "no valid shape and offsets"),
        ({"w": {**F32, "data_offsets": [0, 16]}}, b"\0" * 8, "another number of bytes"),
        ({"w": {**F32, "data_offsets": [4, 12]}}, b"\0" * 12, "a gap or an overlap"),
        ({"v": F32, "w": F32}, b"\0" * 8, "a gap or an overlap before tensor 'w'"),
        ({"v": F32, "w": {**F32, "data_offsets": [4, 12]}}, b"\0" * 12, "a gap or an overlap"),
        ({"v": F32, "w": {**F32, "data_offsets": [9, 17]}}, b"\0" * 17, "a gap or an overlap"),
        ({"w": F32}, b"\0" * 7, "its header describes"),
        ({"w": F32}, b"\0" * 9, "its header describes"),
        ({"w" * 256: F32}, b"\0" * 8, "at most 255 bytes"),
        ({"w\n": F32}, b"\0" * 8, "no control characters"),
        ({"\ud800": F32}, b"\0" * 8, "no control characters"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_the_rule(
    tmp_path: Path, header: object, content: bytes, why: str
) -> None:
    with pytest.raises(ArtifactError, match="can be served") as caught:
        safetensors.read(write(tmp_path / "m.safetensors", header, content))
    assert why in str(caught.value)


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 9 * 1024**2, 100])
def test_a_header_that_claims_too_much_is_refused_unread(tmp_path: Path, length: int) -> None:
    (tmp_path / "m.safetensors").write_bytes(length.to_bytes(8, "little") + b'{"a":1}')
    with pytest.raises(ArtifactError, match=f"claims a header of {length} bytes"):
        safetensors.read(str(tmp_path / "m.safetensors"))


def test_a_file_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    content = save({"a": torch.zeros(2), "b": torch.ones(1, dtype=torch.uint8)})
    for length in range(len(content)):
        (tmp_path / "m.safetensors").write_bytes(content[:length])
        with pytest.raises(ArtifactError):
            safetensors.read(str(tmp_path / "m.safetensors"))


def sharded(folder: Path, weight_map: object) -> str:
    save_file({"a": torch.zeros(2)}, folder / "one.safetensors")
    save_file({"b": torch.ones(3)}, folder / "two.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 20}, "weight_map": weight_map}))
    return str(index)


def test_shards_are_read_as_one_model_in_the_order_of_the_index(tmp_path: Path) -> None:
    header = safetensors.read_sharded(sharded(tmp_path, {"b": "two.safetensors", "a": "one.safetensors"}))
    assert {name: Path(tensor.path).name for name, tensor in header.tensors.items()} == {
        "b": "two.safetensors",
        "a": "one.safetensors",
    }
    assert list(header.tensors) == ["b", "a"]
    assert [Path(file).name for file in header.files] == ["one.safetensors", "two.safetensors"]


@pytest.mark.parametrize(
    ("weight_map", "why"),
    [
        ({"a": "one.safetensors"} | {"b": "one.safetensors"}, "'b' is missing in 'one.safetensors'"),
        ({"a": "one.safetensors", "c": "two.safetensors"}, "in 'two.safetensors', and not as the index says"),
        ({"a": "one.safetensors", "b": "absent.safetensors"}, "No such file"),
        ({"a": "../one.safetensors"}, "no '*.safetensors' file beside it"),
        ({"a": "sub/one.safetensors"}, "no '*.safetensors' file beside it"),
        ({"a": "/etc/passwd"}, "no '*.safetensors' file beside it"),
        ({"a": "one.bin"}, "no '*.safetensors' file beside it"),
        ({"a": 1}, "it names a int"),
        ({}, "has no 'weight_map'"),
        ([], "has no 'weight_map'"),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_refused(
    tmp_path: Path, weight_map: object, why: str
) -> None:
    with pytest.raises(ArtifactError) as caught:
        safetensors.read_sharded(sharded(tmp_path, weight_map))
    assert why in str(caught.value)


def test_an_index_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"[1")
    with pytest.raises(ArtifactError, match="not valid JSON"):
        safetensors.read_sharded(str(tmp_path / "x.json"))


ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["U8", "F32", "I64", "X", None]),
        "shape": st.lists(st.integers(-1, 3) | st.integers(), max_size=3) | st.none(),
        "data_offsets": st.lists(st.integers(0, 24) | st.integers(), max_size=3) | st.text(max_size=2),
    }
)
# One or two tensors of bytes that cover what follows, and what is not at all like that.
SOUND = st.integers(0, 24).map(
    lambda end: {"a": {"dtype": "U8", "shape": [end], "data_offsets": [0, end]}}
) | st.integers(0, 8).map(
    lambda end: {
        "a": {"dtype": "U8", "shape": [end], "data_offsets": [0, end]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [end, end + 8]},
    }
)
HEADERS = SOUND | st.dictionaries(
    st.sampled_from(["a", "b", "__metadata__"]) | st.text(max_size=4),
    ENTRY | st.none() | st.integers() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text()),
    max_size=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(header={"a": F32}, tensors=bytes(8), claimed=None)
@given(header=HEADERS, tensors=st.binary(max_size=24), claimed=st.none() | st.integers(0, 2**64 - 1))
def test_any_header_is_read_or_refused(
    tmp_path: Path, header: object, tensors: bytes, claimed: int | None
) -> None:
    text = json.dumps(header).encode()
    length = len(text) if claimed is None else claimed
    path = tmp_path / "m.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + text + tensors)
    try:
        found = safetensors.read(str(path))
    except ArtifactError:
        return
    assert sum(tensor.size_bytes for tensor in found.tensors.values()) == len(tensors)
