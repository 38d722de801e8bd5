"""The npy format, read without numpy's own reader and its pickles.

Layout: magic, version, header length, a Python literal, the numbers
(https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html).
"""

import ast
import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InferenceError

_BAD_REQUEST = 400
_MAGIC = b"\x93NUMPY"
_VERSION_BYTES = 2
_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_MAX_HEADER_BYTES = 10 * 1024
_KEYS = {"descr", "fortran_order", "shape"}
_MAX_DIMENSIONS = 32


def parse(body: bytes | bytearray) -> npt.NDArray[Any]:
    """Return the array in ``body``: numbers or booleans, in the machine's byte order and C's.

    Where the file already has both orders, and its memory may be written to, the array lies in that memory.

    Raises:
        InferenceError: 400 if it is no npy file, has objects, complex numbers or structures in it, or is not
            exactly as long as its header says, which is compared before anything is allocated.
    """
    start, header = _header(body)
    dtype, shape, order = _described(header)
    if math.prod(shape) * dtype.itemsize != len(body) - start:
        raise _bad(f"it has {len(body) - start} bytes of numbers, its header describes another number")
    flat = np.frombuffer(body, dtype=dtype, offset=start)
    array = flat.reshape(shape, order=order).astype(dtype.newbyteorder("="), order="C", copy=False)
    # torch warns about memory that it must not write to, and reads numbers only where they are aligned.
    return np.require(array, requirements=("ALIGNED", "WRITEABLE"))


def _header(body: bytes | bytearray) -> tuple[int, str]:
    version = body[len(_MAGIC)] if len(body) > len(_MAGIC) else 0
    if not body.startswith(_MAGIC) or version not in _LENGTH_BYTES:
        raise _bad("it does not begin as versions 1 to 3 of the format do")
    lengths_at = len(_MAGIC) + _VERSION_BYTES
    header_at = lengths_at + _LENGTH_BYTES[version]
    length = int.from_bytes(body[lengths_at:header_at], "little")
    if length > _MAX_HEADER_BYTES or header_at + length > len(body):
        raise _bad("its header is incomplete or too long")
    return header_at + length, body[header_at : header_at + length].decode("latin-1")


def _described(header: str) -> tuple[np.dtype[Any], tuple[int, ...], Any]:
    try:
        content = ast.literal_eval(header.strip())
        if not isinstance(content, dict) or set(content) != _KEYS or not isinstance(content["descr"], str):
            raise _bad("its header has other keys than descr, fortran_order and shape, or a structured dtype")
        dtype, shape, fortran = np.dtype(content["descr"]), content["shape"], content["fortran_order"]
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise _bad("its header is no literal or has no known dtype") from None
    if dtype.kind not in "biuf" or dtype.itemsize == 0 or dtype.subdtype is not None:
        raise _bad(f"it holds {dtype.name}, not numbers or booleans")
    if not isinstance(shape, tuple) or not all(type(length) is int and length >= 0 for length in shape):
        raise _bad("its shape is no tuple of lengths")
    if len(shape) > _MAX_DIMENSIONS or not isinstance(fortran, bool):
        raise _bad("its shape has too many dimensions, or its order is not a boolean")
    return dtype, shape, "F" if fortran else "C"


def _bad(why: str) -> InferenceError:
    return InferenceError(_BAD_REQUEST, f"the body is not a usable npy file: {why}")


def write(numbers: npt.NDArray[np.float32]) -> bytes:
    """Return ``numbers`` as an npy file of version 1.0."""
    file = io.BytesIO()
    np.lib.format.write_array(file, numbers, version=(1, 0), allow_pickle=False)
    return file.getvalue()
