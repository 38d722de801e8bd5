import json
import struct

import pytest

from entrypoints import npy, strictjson, table
from entrypoints.errors import InferenceError


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
