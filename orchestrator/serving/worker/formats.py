"""The toolkit's own formats: JSON, CSV, npy and npz to arrays, and arrays to JSON, CSV and npy.

The rules, and the texts of errors, are those of `decoder.py` and `encoder.py` of sagemaker-pytorch-inference
2.0.25, except that pickles are refused unless they are asked for: they run the caller's code.
"""

import importlib
import io
import json
import pickle
import pickletools
import textwrap
from collections.abc import Callable
from typing import Any

JSON, CSV, OCTET_STREAM, ANY = "application/json", "text/csv", "application/octet-stream", "*/*"
NPY, NPZ = "application/x-npy", "application/x-npz"
_NUMPYS_OWN = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")
UTF8_TYPES = (JSON, CSV)
"""Bodies of these types reach handler functions as text."""


class UnsupportedFormatError(Exception):
    """A media type that the toolkit's own functions do not know."""

    __module__ = "sagemaker_inference.errors"  # the last line of its traceback says so, as in the container

    def __init__(self, content_type: object, **named: Any) -> None:  # noqa: ANN401 - the toolkit's signature
        self._message = textwrap.dedent(
            f"""Content type {content_type} is not supported by this framework.

            Please implement input_fn to to deserialize the request data or an output_fn to
            serialize the response. For more information, see the SageMaker Python SDK README."""
        )
        super().__init__(self._message, **named)


class PickleRefusedError(ValueError):
    """An npy body that holds a pickle, which the container would run."""


def decode(body: Any, content_type: object, *, allow_pickle: bool = False) -> Any:  # noqa: ANN401 - arrays of any library
    """Return the array, or the sparse matrix, that ``body`` holds.

    Raises:
        UnsupportedFormatError: If the type is not known, or the body's decoder raises a KeyError.
        PickleRefusedError: If the body holds a pickle, and they are not allowed.
        Exception: Whatever NumPy raises.
    """
    readers: dict[object, Callable[[Any], Any]] = {
        NPY: lambda npy: read_npy(npy, allow_pickle=allow_pickle),
        CSV: read_csv,
        JSON: read_json,
        NPZ: read_npz,
    }
    try:
        return readers[content_type](body)
    except KeyError:
        raise UnsupportedFormatError(content_type) from None


def read_json(text: Any, dtype: Any = None) -> Any:  # noqa: ANN401 - likewise
    """Return the array that a JSON array says."""
    import numpy as np  # noqa: PLC0415 - few entry points need it

    return np.array(json.loads(text), dtype=dtype)


def read_csv(text: Any, dtype: Any = None) -> Any:  # noqa: ANN401 - likewise
    """Return the array of the CSV's rows; one row gives one dimension."""
    import numpy as np  # noqa: PLC0415 - likewise

    return np.genfromtxt(io.StringIO(text), dtype=dtype, delimiter=",")


def read_npy(body: Any, *, allow_pickle: bool = False) -> Any:  # noqa: ANN401 - likewise
    """Return the array of an npy file.

    Raises:
        PickleRefusedError: If it holds a pickle, and they are not allowed.
        pickle.UnpicklingError: If it is no npy file, nor the pickle that NumPy then takes it for.
    """
    import numpy as np  # noqa: PLC0415 - likewise

    stream = io.BytesIO(body)
    if body and not bytes(body[:6]).startswith(_NUMPYS_OWN) and not (allow_pickle or _is_pickle(body)):
        raise pickle.UnpicklingError(f"Failed to interpret file {stream!r} as a pickle")
    try:
        return np.load(stream, allow_pickle=allow_pickle)
    except ValueError as error:
        # NumPy has no class of its own for this, and its words change.
        if allow_pickle or "pickle" not in str(error):
            raise
        raise PickleRefusedError(str(error)) from None


def _is_pickle(body: bytes) -> bool:
    """Tell whether ``body`` reads like a pickle, running nothing."""
    try:
        for _ in pickletools.genops(io.BytesIO(body)):
            pass
    except Exception:  # noqa: BLE001 - pickletools names no errors of its own
        return False
    return True


def read_npz(body: Any) -> Any:  # noqa: ANN401 - likewise
    """Return the sparse matrix of an npz file, or, without SciPy, an object whose type has that name."""
    stream = io.BytesIO(body)
    try:
        sparse = importlib.import_module("scipy.sparse")
    except ModuleNotFoundError:
        return _outline_of_npz(stream)
    return sparse.load_npz(stream)


def _outline_of_npz(stream: io.BytesIO) -> object:
    import numpy as np  # noqa: PLC0415 - few entry points need it

    # The default input_fn fails on every sparse matrix; all that shows is the name of its type.
    with np.load(stream, allow_pickle=False) as loaded:
        if "format" not in loaded:
            raise ValueError(f"The file {stream} does not contain a sparse array or matrix.")
        kind = loaded["format"].item()
        name = kind.decode() if isinstance(kind, bytes) else str(kind)
        return type(f"{name}_{'array' if '_is_array' in loaded else 'matrix'}", (), {})()


def parse_accept(accept: str) -> list[str]:
    """Return the types in an Accept header, with what else it says of each."""
    return accept.replace(" ", "").split(",")


def encode(prediction: Any, content_type: object) -> Any:  # noqa: ANN401 - text or bytes
    """Return ``prediction`` in the format of ``content_type``.

    Raises:
        UnsupportedFormatError: If the type is not known, or its encoder raises a KeyError.
        Exception: Whatever NumPy or json raise.
    """
    try:
        return _WRITERS[content_type](prediction)
    except KeyError:
        raise UnsupportedFormatError(content_type) from None


def write_json(prediction: Any) -> str:  # noqa: ANN401 - anything that lists numbers
    """Return the JSON of ``prediction``; NaN and Infinity are written as they are."""
    return json.dumps(prediction, default=_listed)


def _listed(value: Any) -> Any:  # noqa: ANN401 - likewise
    return value.tolist() if hasattr(value, "tolist") else json.JSONEncoder().default(value)


def write_npy(prediction: Any) -> bytes:  # noqa: ANN401 - likewise
    """Return an npy file; what is no array of numbers becomes a pickle."""
    import numpy as np  # noqa: PLC0415 - few entry points need it

    stream = io.BytesIO()
    np.save(stream, prediction)
    return stream.getvalue()


def write_csv(prediction: Any) -> str:  # noqa: ANN401 - likewise
    """Return a line of CSV for each row."""
    import numpy as np  # noqa: PLC0415 - likewise

    stream = io.StringIO()
    np.savetxt(stream, prediction, delimiter=",", fmt="%s")
    return stream.getvalue()


_WRITERS: dict[object, Callable[[Any], Any]] = {NPY: write_npy, CSV: write_csv, JSON: write_json}
SUPPORTED_CONTENT_TYPES = frozenset(map(str, _WRITERS))
"""What `encode` knows."""
