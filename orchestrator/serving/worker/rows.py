"""Which rows of tensors and arrays are whose: join several requests' values, and part what came of them.

A value is a tensor, an array, ``None``, or a dict, list or tuple of values. torch and numpy are never
imported here: only user code does, and where it has not, there is nothing to join. Runs in a worker process
only.
"""

import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

Outline = tuple[object, ...]
"""What values of one structure have in common: types, dtypes and shapes but for the first dimension."""

# Sums of another order: the relative difference that one kernel's answer may have from another's.
_CLOSE = 1e-4
_CLOSE_IN_16_BITS = 2e-2
_CLOSE_TO_NOTHING = 1e-6
_16_BITS = 2
_PLAIN = (type(None), bool, int, float, complex, str, bytes)
# Whatever is longer or deeper holds decoded text, not tensors by name.
_MAX_LENGTH, _MAX_DEPTH = 64, 8
_MAX_COMPARED_DEPTH = 32


class UnfitError(Exception):
    """A value that has no row for each request."""


def outline(value: Any, depth: int = 0) -> Outline:  # noqa: ANN401 - what user code returned
    """Return what every value that can be joined with ``value`` has, too; it can be a key."""
    if _is_numeric(value):
        shape = tuple(value.shape[1:]) if value.ndim else None
        return (type(value), value.dtype, getattr(value, "device", None), shape)
    items = _held(value)
    if items is None or len(items) > _MAX_LENGTH or depth > _MAX_DEPTH:
        return (type(value),)
    return (type(value), _names(value), tuple(outline(item, depth + 1) for item in items))


def numeric(found: Outline) -> tuple[Outline, ...]:
    """Return the tensors and arrays in an outline, in order.

    >>> numeric((list, None, ((int,), (float,))))
    ()
    """
    match found:
        case (_, _, tuple() as inner):
            return tuple(leaf for one in inner for leaf in numeric(one))
        case (_, _, _, _):
            return (found,)
    return ()


def is_one_row(value: Any, depth: int = 0) -> bool:  # noqa: ANN401 - what user code returned
    """Tell whether ``value`` holds tensors and arrays, each with one row, and nothing else."""
    if _is_numeric(value):
        return bool(value.shape[:1] == (1,))
    held = [item for item in _items(value) or () if item is not None]
    return bool(held) and depth < _MAX_DEPTH and all(is_one_row(item, depth + 1) for item in held)


def joined(values: Sequence[Any]) -> Any:  # noqa: ANN401 - what the first value is
    """Return one value with the rows of all ``values``, which have the same `outline`, each one row.

    The rows are copies: a function that writes into its input does not write into theirs.
    """
    first = values[0]
    if first is None:
        return None
    if _is_tensor(first):
        return sys.modules["torch"].cat(list(values))
    if _is_array(first):
        return sys.modules["numpy"].concatenate(list(values))
    columns = zip(*(_items(value) or () for value in values), strict=True)
    return _like(first, [joined(column) for column in columns])


def parted(answer: Any, pattern: Outline, count: int) -> list[Any]:  # noqa: ANN401 - what user code returned
    """Return the ``count`` parts of ``answer``, each as an answer to one request of one row would be.

    Every part is a copy: whoever writes a tensor's memory must not write its neighbours' rows.

    Args:
        answer: What came of a joined value.
        pattern: The `outline` of what came of a single one.
        count: How many were joined; at least two.

    Raises:
        UnfitError: If the answer does not have a row for each, or is unlike the pattern otherwise.
    """
    if _is_numeric(answer):
        if outline(answer) != pattern or answer.shape[:1] != (count,):
            raise UnfitError(f"an answer has shape {tuple(answer.shape)} for {count} requests")
        return [_copied(answer[place : place + 1]) for place in range(count)]
    if answer is None and pattern == (type(None),):
        return [None] * count
    return _inner_parts(answer, pattern, count)


def _inner_parts(answer: object, pattern: Outline, count: int) -> list[Any]:
    items = _items(answer)
    match pattern:
        case (kind, names, tuple() as inner) if items is not None and kind is type(answer):
            if kind is list and len(inner) == 1 and len(items) == count:
                return [[_owned(item)] for item in items]
            if names == _names(answer) and len(items) == len(inner):
                columns = [parted(item, one, count) for item, one in zip(items, inner, strict=True)]
                return [_like(answer, list(parts)) for parts in zip(*columns, strict=True)]
    raise UnfitError(f"an answer has a {type(answer).__name__} that has no row for each request")


def alike(one: Any, other: Any, *, exactly: bool = False, depth: int = 0) -> bool:  # noqa: ANN401 - see parted
    """Tell whether two values are the same but for rounding, or ``exactly``.

    What cannot be looked into is not alike.
    """
    if type(one) is not type(other) or depth > _MAX_COMPARED_DEPTH:
        return False
    if _is_numeric(one):
        return one.shape == other.shape and one.dtype == other.dtype and _close(one, other, exactly=exactly)
    if isinstance(one, float):
        near = not exactly and math.isclose(one, other, rel_tol=_CLOSE, abs_tol=_CLOSE_TO_NOTHING)
        return near or one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, _PLAIN):
        return bool(one == other)
    mine, others = _inside(one), _inside(other)
    if mine is None or others is None or len(mine) != len(others) or _names(one) != _names(other):
        return False
    pairs = zip(mine, others, strict=True)
    return all(alike(left, right, exactly=exactly, depth=depth + 1) for left, right in pairs)


def _close(one: Any, other: Any, *, exactly: bool) -> bool:  # noqa: ANN401 - see parted
    if _is_tensor(one):
        one, other = one.detach(), other.detach()
    library = sys.modules["torch" if _is_tensor(one) else "numpy"]
    wide = one.dtype.itemsize > _16_BITS
    if exactly or not _is_fractional(one) or not math.prod(one.shape):
        return bool(((one == other) | ((one != one) & (other != other))).all())  # noqa: PLR0124 - NaN is itself here
    tolerance = _CLOSE if wide else _CLOSE_IN_16_BITS
    finite = library.where(library.isfinite(one), one, library.zeros_like(one))
    floor = tolerance * max(float(abs(finite).max()), _CLOSE_TO_NOTHING)
    return bool(library.allclose(one, other, rtol=tolerance, atol=floor, equal_nan=True))


def _is_fractional(value: Any) -> bool:  # noqa: ANN401 - a tensor or an array
    if _is_tensor(value):
        return bool(value.dtype.is_floating_point or value.dtype.is_complex)
    return value.dtype.kind in "fc"


def _is_numeric(value: Any) -> bool:  # noqa: ANN401 - anything
    return _is_tensor(value) or _is_array(value)


def _is_tensor(value: Any) -> bool:  # noqa: ANN401 - anything
    torch = sys.modules.get("torch")
    return (
        torch is not None
        and type(value) is torch.Tensor
        and value.layout is torch.strided
        and not value.is_quantized
    )


def _is_array(value: Any) -> bool:  # noqa: ANN401 - anything
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray and value.dtype.kind in "biufc"


def _copied(rows: Any) -> Any:  # noqa: ANN401 - a tensor or an array
    return rows.clone() if _is_tensor(rows) else rows.copy()


def _owned(value: object) -> object:
    if isinstance(value, _PLAIN):
        return value
    if _is_numeric(value):
        return _copied(value)
    items = _items(value)
    if items is None:
        raise UnfitError(f"an answer has a list of {type(value).__name__}")
    return _like(value, [_owned(item) for item in items])


def _items(value: Any) -> list[Any] | None:  # noqa: ANN401 - anything
    """Return the values in a dict, list or tuple that can be made again from such, else ``None``."""
    if type(value) in {list, tuple} or _is_named(value):
        return list(value)
    return list(value.values()) if _is_mapping(value) else None


def _is_named(value: object) -> bool:
    return isinstance(value, tuple) and hasattr(value, "_fields")


def _is_mapping(value: object) -> bool:
    # What transformers answers with is a dict and a dataclass at once, and leaves out what is None.
    return type(value) in {dict, OrderedDict} or (isinstance(value, dict) and is_dataclass(value))


def _names(value: object) -> tuple[object, ...] | None:
    return tuple(value) if isinstance(value, dict) and _is_mapping(value) else None


def _like(value: Any, items: list[Any]) -> Any:  # noqa: ANN401 - what value is
    make: Callable[..., Any] = type(value)
    if _is_named(value):
        return make(*items)
    if not _is_mapping(value):
        return make(items)
    named = dict(zip(value, items, strict=True))
    return make(**named) if is_dataclass(value) else make(named)


def _held(value: Any) -> list[Any] | None:  # noqa: ANN401 - anything
    """Return what `_items` does, and the fields of any other dataclass."""
    items = _items(value)
    if items is None and is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, one.name) for one in fields(value)]
    return items


def _inside(value: Any) -> list[Any] | None:  # noqa: ANN401 - anything
    """Return what `_held` does, and the attributes of any other object."""
    held = _held(value)
    return [vars(value)] if held is None and hasattr(value, "__dict__") else held
