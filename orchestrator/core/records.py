"""Frozen dataclasses of plain values as JSON-serialisable records, and back.

Whatever is written down for later (the journal, saved plans) or has a digest taken of it goes through here,
so that a field that is added to a value is written, read and digested without anybody thinking of it. Knows
types, not what they mean: a record that fits is not thereby true.
"""

import enum
import functools
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from orchestrator.core.names import canonical

_Value = TypeVar("_Value")


def to_record(value: object) -> dict[str, object]:
    """Return every field of a dataclass, nested ones as objects, tuples and frozen sets as lists.

    Frozen sets are sorted, so that equal values have equal records.

    Raises:
        TypeError: If ``value`` is no dataclass, or holds what is no plain value.
    """
    return _fields(value, lambda _: True)


def content(value: object) -> dict[str, object]:
    """Return what a digest of ``value`` is taken of: its record without the fields that say nothing.

    Those are ``None``, ``False`` and what is empty; zeros stay. A name that is a digest thus remains what it
    was when a class gets another optional field.

    Raises:
        TypeError: As `to_record`.
    """
    return _fields(value, lambda item: item is not None and item is not False and item not in ("", []))


def from_record(cls: type[_Value], record: object) -> _Value:
    """Return the ``cls`` that `to_record` wrote; a field that an older version did not know gets its default.

    Raises:
        KeyError: If a field without a default is absent.
        TypeError: If a value is not of its field's type.
        ValueError: If there is a field that ``cls`` does not have, or a value that its type does not have.
    """
    built = _build(cls, record, cls.__name__)
    assert isinstance(built, cls)  # noqa: S101 - says to the type checker what `_build` has just done
    return built


def _fields(value: object, keep: Callable[[object], bool]) -> dict[str, object]:
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"a record is made of a dataclass, not of {type(value).__name__}")
    plain = {field.name: _plain(getattr(value, field.name), keep) for field in fields(value)}
    return {name: item for name, item in plain.items() if keep(item)}


def _plain(value: object, keep: Callable[[object], bool]) -> object:
    match value:
        case enum.Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case tuple():
            return [_plain(item, keep) for item in value]
        case frozenset():
            return sorted((_plain(item, keep) for item in value), key=canonical)
        case _:
            return _fields(value, keep)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _build(cls: Any, record: object, place: str) -> object:  # noqa: ANN401 - any dataclass
    if not isinstance(record, Mapping):
        raise _unfit(place, "an object", record)
    known = {field.name: field for field in fields(cls)}
    if unknown := sorted(str(name) for name in record if name not in known):
        raise ValueError(f"{place} has no field '{unknown[0]}'")
    given: dict[str, object] = {}
    for name, field in known.items():
        if name in record:
            given[name] = _value(_hints(cls)[name], record[name], f"{place}.{name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"{place}.{name}")
    return cls(**given)


def _value(hint: Any, value: object, place: str) -> object:  # noqa: ANN401 - a type, or what stands for several
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return None if value is None else _value(inner, value, place)
    if origin in (tuple, frozenset):
        return origin(_items(arguments, value, place))
    if is_dataclass(hint):
        return _build(hint, value, place)
    return _scalar(hint, value, place)


def _items(arguments: tuple[Any, ...], value: object, place: str) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise _unfit(place, "a list", value)
    fixed = len(arguments) > 1 and arguments[-1] is not Ellipsis
    if fixed and len(value) != len(arguments):
        raise ValueError(f"{place}: expected {len(arguments)} items, not {len(value)}")
    hints = arguments if fixed else (arguments[0],) * len(value)
    pairs = enumerate(zip(hints, value, strict=True))
    return [_value(hint, item, f"{place}[{index}]") for index, (hint, item) in pairs]


def _scalar(hint: type, value: object, place: str) -> object:
    if issubclass(hint, enum.Enum):
        if not any(value == member.value for member in hint):
            raise ValueError(f"{place}: no such {hint.__name__}")
        return hint(value)
    if hint is float:
        return _number(value, place)
    # In Python a bool is an int; in a record it is not.
    if not isinstance(value, hint) or isinstance(value, bool) is not (hint is bool):
        raise _unfit(place, _WORDS[hint], value)
    return value


def _number(value: object, place: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _unfit(place, "a number", value)
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"{place}: the number is too large") from error
    if not math.isfinite(number):
        raise ValueError(f"{place}: expected a finite number")
    return number


_WORDS: dict[type, str] = {bool: "true or false", int: "a whole number", str: "a text"}


def _unfit(place: str, wanted: str, value: object) -> TypeError:
    # Not the value itself: it comes from a damaged file, and may be long.
    return TypeError(f"{place}: expected {wanted}, not {type(value).__name__}")
