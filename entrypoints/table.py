"""CSV as this runtime accepts and writes it: rows of numbers, commas between them, no quotes.

Only the names of features that `parse_named` knows may stand above them.
"""

import csv
import io
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .errors import InferenceError

MAX_ROWS = 100_000
MAX_COLUMNS = 100_000

_BAD_REQUEST = 400
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # which spreadsheets begin their files with
_HEADER = "only its first row may name the features"
_NUMBERS_ONLY = re.compile(r"[0-9eE+\-., \t\r\n]*")


def parse(body: bytes, header: str = "it takes no header") -> npt.NDArray[np.float64]:
    """Return the rows of ``body`` (UTF-8), in two dimensions even if there is one row.

    Args:
        body: The CSV, without a header.
        header: What to tell a caller who may have sent one.

    Raises:
        InferenceError: 400 if there is no row, a cell is no finite number, or the rows differ in length.
    """
    text = body.decode("ascii", "replace")
    if _NUMBERS_ONLY.fullmatch(text) is None:
        raise InferenceError(_BAD_REQUEST, f"the CSV holds something other than numbers; {header}")
    lines = text.strip().splitlines()
    columns = lines[0].count(",") + 1 if lines else 0
    if not 0 < len(lines) <= MAX_ROWS or columns > MAX_COLUMNS:
        raise InferenceError(
            _BAD_REQUEST, f"the CSV needs 1 to {MAX_ROWS} rows of at most {MAX_COLUMNS} cells"
        )
    if any(line.count(",") + 1 != columns for line in lines):
        raise InferenceError(_BAD_REQUEST, "the rows of the CSV have different lengths")
    try:
        cells = np.array(",".join(lines).split(","), dtype=np.float64)
    except ValueError:
        raise InferenceError(_BAD_REQUEST, "a cell of the CSV is empty or no number") from None
    if not np.isfinite(cells).all():
        raise InferenceError(_BAD_REQUEST, "a number of the CSV is too large")
    return cells.reshape(len(lines), columns)


def parse_named(body: bytes, features: Sequence[str]) -> npt.NDArray[np.float64]:
    """Return the rows of ``body`` with their cells in the order of ``features``.

    The first line may name them, in any order; without such a line, the cells are in order already.

    Raises:
        InferenceError: 400 as `parse`; if the first line names other features; if a row has another length.
    """
    line, _, below = body.removeprefix(_BYTE_ORDER_MARK).partition(b"\n")
    if _NUMBERS_ONLY.fullmatch(line.decode("latin-1")):
        rows, order = parse(body, _HEADER), list(range(len(features)))
    else:
        order = _order(line, features)
        rows = parse(below, _HEADER)
    if rows.shape[1] != len(features):
        raise InferenceError(_BAD_REQUEST, f"the CSV has rows of {rows.shape[1]} cells, not {len(features)}")
    return rows[:, order]


def _order(line: bytes, features: Sequence[str]) -> list[int]:
    try:
        names = [name.strip() for name in next(csv.reader([line.decode()]), [])]
    except (ValueError, csv.Error):
        names = []
    if sorted(names) != sorted(features):
        raise InferenceError(_BAD_REQUEST, f"the first row of the CSV does not name {', '.join(features)}")
    return [names.index(name) for name in features]


def write(numbers: npt.NDArray[np.float32]) -> bytes:
    """Return a line for each example; what an example holds is flattened into the line.

    Args:
        numbers: One example per entry of the first dimension.
    """
    rows = numbers.reshape(len(numbers), -1) if numbers.ndim and numbers.size else numbers.reshape(-1, 1)
    text = io.StringIO()
    # Nine significant digits give every float32 back.
    np.savetxt(text, rows, fmt="%.9g", delimiter=",")
    return text.getvalue().encode()
