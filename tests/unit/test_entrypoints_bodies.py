import io
import json
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pytest

from entrypoints import npy, strictjson, table
from entrypoints.errors import InferenceError
from entrypoints.schema import Input, Schema, packed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[NaN]",
        b"[Infinity]",
        b"[1e999]",
        b"[-1E+0999]",
        b"[" + b"9" * 400 + b"]",
        b"[" + b"9" * 5000 + b"]",
        b'{"a": 1, "a": 2}',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'"\\ud800"',
        b"\xff",
        b"\xef\xbb\xbf[]",
        b'"' + b'\\"' * 100_000,
    ],
)
def test_a_body_that_is_not_strict_json_gets_400(body: bytes) -> None:
    with pytest.raises(InferenceError) as caught:
        strictjson.parse(body)
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'["[[[[\\"[", 1e30, -0.5, 12, true, null]', ['[[[["[', 1e30, -0.5, 12, True, None]),
        (b"[1e308, 1e-999, 1E0300]", [1e308, 0.0, 1e300]),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"[" * 64 + b"]" * 64, json.loads("[" * 64 + "]" * 64)),
        (b'["' + b"[" * 100 + b'"]', ["[" * 100]),
    ],
)
def test_strict_json_is_read_as_it_is_meant(body: bytes, value: object) -> None:
    assert strictjson.parse(body) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"a,b\n1,2",
        b"1,2\n3",
        b"1,\n",
        b"1,,2",
        b'"1",2',
        b"nan",
        b"1_0",
        b"1 2",
        b"1e999",
        b"0x1",
        b"\xff",
        b"1\n" * 100_001,
        b"1," * 100_000 + b"1",
    ],
)
def test_a_csv_that_is_not_rows_of_numbers_gets_400(body: bytes) -> None:
    with pytest.raises(InferenceError) as caught:
        table.parse(body)
    assert caught.value.status_code == 400


def npy_file(header: str, content: bytes = b"", version: int = 1) -> bytes:
    encoded = header.encode("latin-1")
    length = struct.pack("<H" if version == 1 else "<I", len(encoded))
    return b"\x93NUMPY" + bytes([version, 0]) + length + encoded + content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04",
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", b"\0" * 4),
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", b"\0" * 5),
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (100000000000,)}"),
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", b"\0" * 4),
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}", b"\0" * 4),
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': [1]}", b"\0" * 4),
        npy_file("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", b"\0" * 4),
        npy_file("{'descr': '<f4', 'fortran_order': False}", b"\0" * 4),
        npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}", b"\0" * 4),
        npy_file("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"\0" * 8),
        npy_file("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", b"\0" * 8),
        npy_file("{'descr': '<U1', 'fortran_order': False, 'shape': (1,)}", b"\0" * 4),
        npy_file("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", b"\0" * 8),
        npy_file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", b"\0" * 4),
        npy_file("{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}", b"\0" * 4),
        npy_file("{'descr': '(2,)<f4', 'fortran_order': False, 'shape': (1,)}", b"\0" * 8),
        npy_file("{'descr': 'f4,f4', 'fortran_order': False, 'shape': (1,)}", b"\0" * 8),
        npy_file(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({'1,' * 33})}}", b"\0" * 4),
        npy_file("__import__('os').abort()"),
        npy_file("(" * 9000, version=2),
        npy_file(" " * 10241, version=2),
        npy_file("{}", version=9),
    ],
)
def test_an_npy_body_that_breaks_a_rule_gets_400(body: bytes) -> None:
    with pytest.raises(InferenceError) as caught:
        npy.parse(body)
    assert caught.value.status_code == 400


def test_whole_numbers_of_more_than_64_bits_are_floats_whoever_parses() -> None:
    numbers = [2**64, -(2**63) - 1, 10**30]
    for body in (json.dumps(numbers), json.dumps({"a": numbers, "b": "two keys are not for orjson"})):
        value = strictjson.parse(body.encode())
        found = value if isinstance(value, list) else dict(value)["a"]  # type: ignore[call-overload]  # an object
        assert [type(number) for number in found] == [float] * 3
        assert found == [float(number) for number in numbers]
    exact = [2**64 - 1, -(2**63), 2**63]
    assert strictjson.parse(json.dumps(exact).encode()) == exact == orjson.loads(json.dumps(exact))


def test_a_number_of_thousands_of_digits_is_too_large_and_says_no_more() -> None:
    for body in (b"[" + b"9" * 5000 + b"]", b'{"a": -' + b"9" * 5000 + b', "b": 1}'):
        with pytest.raises(InferenceError, match="not valid JSON: a number is too large"):
            strictjson.parse(body)


def test_without_orjson_json_is_read_to_the_same_values() -> None:
    bodies = ['{"a": [1, 2.5, -0.0, 1e-999]}', f"[{2**64}, {2**64 - 1}, true, null]", '"\\u00e9"', "[[[1]]]"]
    program = (
        "import sys; sys.modules['orjson'] = None\n"
        "from entrypoints import strictjson\n"
        "assert strictjson._orjson is None\n"
        "for line in sys.stdin: print(repr(strictjson.parse(line.strip().encode())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="\n".join(bodies), check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [repr(strictjson.parse(body.encode())) for body in bodies]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [1.5],
        [[1.5, 2.5], [3.5, 4.5]],
        [[[1.5]], [[2.5]]],
        [1, 2],
        [1.5, 2, True],
        [[], []],
        [[1.5], []],
        ["a", "b"],
        [1.5, "a"],
        [True, False],
    ],
)
def test_nested_lists_become_what_numpy_makes_of_them(rows: list[object]) -> None:
    try:
        expected = np.asarray(rows)
    except ValueError:
        with pytest.raises(ValueError, match="inhomogeneous"):
            packed(rows)
        return
    found = packed(rows)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("rows", [[1.5, None], [1.5, [1.5]], [[1.5], 2.5], [[1.5], "a"], [[1.5], {"a": 1}]])
def test_lists_that_are_no_array_get_400(rows: list[object]) -> None:
    with pytest.raises(InferenceError) as caught:
        Schema({"x": Input("float32", (-1,))}).examples(rows)
    assert caught.value.status_code == 400


def in_npy(array: npt.NDArray[Any]) -> bytearray:
    file = io.BytesIO()
    np.save(file, array)
    return bytearray(file.getvalue())


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "float64"])
def test_an_npy_body_becomes_a_tensor_without_being_copied(dtype: str) -> None:
    body = in_npy(np.ones((2, 3), dtype=dtype))
    tensor = Schema({"x": Input(dtype, (3,))}).examples(npy.parse(body)).tensors["x"]
    begin = np.frombuffer(body, dtype=np.uint8).ctypes.data
    assert begin < tensor.data_ptr() < begin + len(body)
    assert tensor.shape == (2, 3)


def test_an_npy_body_that_may_not_be_written_to_is_copied_and_no_warning_said() -> None:
    body = bytes(in_npy(np.ones(3, dtype=np.float32)))
    tensor = Schema({"x": Input("float32", (3,))}).examples(npy.parse(body)).tensors["x"]
    tensor += 1
    assert npy.parse(body).tolist() == [1, 1, 1]


def test_rows_that_run_backwards_are_taken() -> None:
    tensor = (
        Schema({"x": Input("float32", (2,))}).examples(np.ones((3, 2), dtype=np.float32)[::-1]).tensors["x"]
    )
    assert tensor.shape == (3, 2)
