"""Laws of what the runtime reads and writes, against numpy, json and safetensors."""

import contextlib
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.torch import save

from entrypoints import npy, strictjson, table
from entrypoints.audio import Audio
from entrypoints.custom import Custom
from entrypoints.embeddings import Embeddings
from entrypoints.entrypoint import EntryPoint
from entrypoints.errors import InferenceError, WeightsError, safe_text
from entrypoints.image_classification import ImageClassification
from entrypoints.loaders import FromClass
from entrypoints.schema import Input, Schema
from entrypoints.tabular import Tabular
from entrypoints.text_classification import TextClassification
from entrypoints.weights import read

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)
NUMBERS = st.sampled_from(["?", "<i1", ">i2", "<i4", ">i8", "<u1", ">u8", "<f2", ">f4", "<f8"])
FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
KINDS = st.sampled_from(["application/json", "text/csv", "application/x-npy", "image/png", "", None, "x;y"])


@settings(deadline=None)
@given(JSON_VALUES, st.booleans())
def test_what_json_writes_is_read_as_the_same_value(value: object, plain: bool) -> None:  # noqa: FBT001 - drawn
    assert strictjson.parse(json.dumps(value, ensure_ascii=plain).encode()) == value
    assert strictjson.parse(strictjson.write(value)) == value


@settings(deadline=None)
@given(NUMBERS.flatmap(lambda dtype: arrays(dtype, array_shapes(min_dims=0, min_side=0))), st.booleans())
def test_npy_is_read_as_numpy_wrote_it(array: npt.NDArray[Any], fortran: bool) -> None:  # noqa: FBT001 - drawn
    file = io.BytesIO()
    np.save(file, np.asarray(array, order="F" if fortran else "C"), allow_pickle=False)
    found = npy.parse(file.getvalue())
    assert found.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f")


@settings(deadline=None)
@given(arrays(np.float32, array_shapes(min_dims=0, min_side=0), elements=FLOAT32))
def test_what_npy_writes_numpy_reads(array: npt.NDArray[np.float32]) -> None:
    found = np.load(io.BytesIO(npy.write(array)), allow_pickle=False)
    assert found.dtype == np.float32
    assert np.array_equal(found, array)


@settings(deadline=None)
@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2), elements=FLOAT32))
def test_csv_gives_every_float32_back(array: npt.NDArray[np.float32]) -> None:
    assert np.array_equal(table.parse(table.write(array)).astype(np.float32), array)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: b"\x93NUMPY\1\0" + tail), KINDS)
def test_no_body_gets_anything_out_of_the_entry_point_but_an_inference_error(
    body: bytes, kind: str | None
) -> None:
    entry = EntryPoint(loader=FromClass(torch.nn.Identity), schema=Schema({"x": Input("float32", (2,))}))
    with contextlib.suppress(InferenceError):
        entry.decode(body, kind)


TASKS = (
    Custom(),
    ImageClassification(),
    TextClassification(),
    Tabular(features=("a", "b")),
    Audio(sample_rate=8000, frame_length=2, hop_length=1, center=True, normalize=True),
    Embeddings(),
)
SCHEMAS = (
    Schema(),
    Schema({"x": Input("float32", (2,))}),
    Schema({"x": Input("int64", (-1, 1))}),
    Schema({"a": Input("bool", ()), "b": Input("float16", (1, 1))}),
)
KEYS = st.sampled_from(["a", "b", "x", "X", "text", "texts", "image", "audio", "inputs", "instances"])
REQUESTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
CELLS = st.sampled_from(["1", "-2.5", "1e999", "nan", "a", "b", '"a"', "", " ", "\ufeff", "é"])
BODIES = (
    REQUESTS.map(lambda value: (json.dumps(value).encode(), "application/json"))
    | st.lists(st.lists(CELLS, max_size=3).map(",".join), max_size=3).map(
        lambda lines: ("\n".join(lines).encode(), "text/csv")
    )
    | st.tuples(st.binary(max_size=60).map(lambda tail: b"RIFF" + tail), st.just("audio/wav"))
    | st.tuples(st.binary(max_size=20), st.sampled_from(["text/plain", "image/png", "image/jpeg"]))
)


@settings(deadline=None, max_examples=300)
@given(BODIES, st.sampled_from(TASKS), st.sampled_from(SCHEMAS))
def test_whatever_a_request_holds_it_is_taken_or_it_is_the_callers_mistake(
    body: tuple[bytes, str], task: Custom, schema: Schema
) -> None:
    entry = EntryPoint(FromClass(torch.nn.Identity), task, schema)
    try:
        examples = entry.decode(*body)
    except InferenceError as error:
        assert error.status_code in {400, 415}  # noqa: PT017 - either outcome will do
    else:
        assert examples.texts or all(tensor.numel() for tensor in examples.tensors.values())


@settings(deadline=None)
@given(st.text())
def test_an_error_is_one_short_line_of_printable_ascii(text: str) -> None:
    safe = safe_text(text)
    assert safe.isascii()
    assert safe.isprintable()
    assert 1 <= len(safe) <= 200


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text("abc.", min_size=1, max_size=5), array_shapes(min_dims=0, min_side=0), min_size=1
    ),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool]),
)
def test_weights_are_read_bit_for_bit(shapes: dict[str, tuple[int, ...]], dtype: torch.dtype) -> None:
    tensors = {name: torch.randint(0, 2, shape).to(dtype) for name, shape in shapes.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        path.write_bytes(save(tensors))
        found = read(path)
        assert set(found) == set(tensors)
        assert all(found[name].dtype == dtype and torch.equal(found[name], tensors[name]) for name in tensors)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_file_of_weights_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(save({"a": torch.ones(2), "b": torch.zeros(1, dtype=torch.uint8)}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        with contextlib.suppress(WeightsError):
            read(path)
