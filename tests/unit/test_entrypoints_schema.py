import numpy as np
import pytest
import torch

from entrypoints.errors import InferenceError
from entrypoints.schema import DTYPES, Input, Schema

PAIR = Schema({"a": Input("float32", (2,)), "b": Input("int64", ())})
ROW = Schema({"x": Input("float32", (2,))})


def refused(schema: Schema, value: object) -> str:
    with pytest.raises(InferenceError) as caught:
        schema.examples(value)
    assert caught.value.status_code == 400
    message: str = caught.value.message
    return message


@pytest.mark.parametrize(
    "value",
    [[1, 2], {"x": [1, 2]}, {"inputs": [1, 2]}, {"input": {"x": [1, 2]}}, {"X": [1.0, 2]}, np.array([1, 2])],
)
def test_one_example_gets_a_batch_dimension(value: object) -> None:
    examples = ROW.examples(value)
    assert examples.single
    assert torch.equal(examples.tensors["x"], torch.tensor([[1.0, 2.0]]))


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        {"instances": [[1, 2], [3, 4]]},
        {"instances": [{"x": [1, 2]}, {"x": [3, 4]}]},
        [{"x": [1, 2]}, {"x": [3, 4]}],
        torch.tensor([[1, 2], [3, 4]]),
    ],
)
def test_a_batch_stays_a_batch(value: object) -> None:
    examples = ROW.examples(value)
    assert not examples.single
    assert torch.equal(examples.tensors["x"], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


def test_a_batch_of_one_stays_a_batch() -> None:
    assert not ROW.examples([[1, 2]]).single


def test_several_inputs_come_by_name() -> None:
    examples = PAIR.examples({"b": [5, 6], "a": [[1, 2], [3, 4]]})
    assert examples.tensors["b"].dtype == torch.int64
    assert list(examples.tensors) == ["a", "b"]


def test_an_input_called_like_a_wrapper_is_not_unwrapped() -> None:
    schema = Schema({"inputs": Input("float32", (1,))})
    assert schema.examples({"inputs": [1]}).tensors["inputs"].shape == (1, 1)


def test_a_length_of_minus_one_takes_any() -> None:
    schema = Schema({"x": Input("int64", (-1,))})
    assert schema.examples([1, 2, 3]).tensors["x"].shape == (1, 3)
    assert schema.examples([[1], [2]]).tensors["x"].shape == (2, 1)


def test_without_a_schema_a_request_is_one_float32_batch() -> None:
    examples = Schema().examples([[1, 2], [3, 4]])
    assert not examples.single
    assert examples.tensors["input"].dtype == torch.float32


@pytest.mark.parametrize("dtype", [*DTYPES])
def test_every_dtype_of_the_spec_is_made(dtype: str) -> None:
    value = [True, False] if dtype == "bool" else [1, 0]
    assert Schema({"x": Input(dtype, (2,))}).examples(value).tensors["x"].dtype == DTYPES[dtype]


@pytest.mark.parametrize(
    "value",
    [
        [1, 2, 3],
        [[[1, 2]]],
        [],
        [[]],
        7,
        None,
        "text",
        ["1", "2"],
        [1, None],
        [[1, 2], [3]],
        [10**30, 1],
        [True, False],
        {},
        {"y": [1, 2]},
        {"x": [1, 2], "y": 1},
        [{"x": [1, 2]}, {"y": [1, 2]}],
        [1e300, 0],
        np.array([1 + 2j, 0]),
        np.array(["a", "b"]),
    ],
)
def test_what_is_not_of_the_schema_gets_400(value: object) -> None:
    assert refused(ROW, value)


def test_the_message_names_the_input_and_both_shapes() -> None:
    assert refused(ROW, [1, 2, 3]) == "input 'x' has shape [3], not [2] or a batch of that"


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("uint8", [256]),
        ("uint8", [-1]),
        ("int64", [1.5]),
        ("int64", [2**64]),
        ("int64", [9.1e15]),
        ("int32", [float(2**31)]),
        ("int64", [True]),
        ("bool", [1]),
        ("int8", np.array([np.nan])),
        ("float16", [70000.0]),
        ("bfloat16", [1e39]),
    ],
)
def test_a_number_that_its_dtype_cannot_hold_gets_400(dtype: str, value: object) -> None:
    assert "input 'x'" in refused(Schema({"x": Input(dtype, (1,))}), value)


def test_whole_floats_are_integers_too() -> None:
    tensor = Schema({"x": Input("uint8", (2,))}).examples([255.0, 0.0]).tensors["x"]
    assert tensor.tolist() == [[255, 0]]


def test_inputs_of_different_batches_get_400() -> None:
    assert "different numbers" in refused(PAIR, {"a": [[1, 2]], "b": [1, 2]})
    assert "different numbers" in refused(PAIR, {"a": [[1, 2]], "b": 1})


def test_bare_numbers_for_several_inputs_get_400_with_their_names() -> None:
    assert refused(PAIR, [1, 2]) == "the body has to be an object with 'a', 'b'"


def test_an_unknown_dtype_is_found_when_the_entry_point_is_built() -> None:
    with pytest.raises(ValueError, match="'float7'"):
        Schema.of({"x": {"dtype": "float7", "shape": [1]}})
