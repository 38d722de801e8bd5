"""JSON as this runtime accepts and writes it.

`json.loads` alone lets ``NaN``, infinite numbers and duplicate keys pass, and ends in a RecursionError where
brackets are nested too deeply. `orjson`, where the container has it, is several times faster and lets only
duplicate keys pass: it gets the bodies that have one key at most, such as those of images. A whole number of
more than 64 bits is a float, because orjson has it so and an answer must not depend on who has parsed.
"""

import importlib
import importlib.util
import json
import math
import re
from typing import Any

import numpy as np
import torch

from .errors import InferenceError

MAX_DEPTH = 64

_BAD_REQUEST, _UNANSWERABLE = 400, 422
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
# Only a number with an exponent of three digits, or with very many digits, can be too large for a double.
# One pattern for each spelling, because one that begins with a plain letter is searched for much faster.
_LARGE_EXPONENTS = (re.compile(rb"e\+?0*[0-9]{3}"), re.compile(rb"E\+?0*[0-9]{3}"))
_MANY_DIGITS = b"0" * 309
_DIGITS_OF_64_BITS = b"0" * 19
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_MIN_WHOLE, _MAX_WHOLE = -(2**63), 2**64 - 1
_LONGEST_WHOLE = len(str(_MIN_WHOLE))
_MAYBE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_ALIKE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BETWEEN = (ord("[") + ord("]")) // 2  # so that what opens is a step of 1, and what closes of -1

_orjson: Any = importlib.import_module("orjson") if importlib.util.find_spec("orjson") else None


def parse(body: bytes) -> object:
    """Return what the JSON text ``body`` (UTF-8) says.

    Raises:
        InferenceError: 400 if it is not JSON, is nested deeper than 64, or holds NaN, an infinite number,
            a key twice in one object, or half a surrogate pair.
    """
    if _is_deep(body):
        raise InferenceError(_BAD_REQUEST, f"the body is nested deeper than {MAX_DEPTH}")
    if _orjson is not None and _has_one_key(body):
        try:
            value: object = _orjson.loads(body)
        except ValueError:
            return _parsed(body)  # which says what is wrong in the same words everywhere
        return value
    return _parsed(body)


def _parsed(body: bytes) -> object:
    try:
        # Looking at each number costs more than parsing does, so only a suspicious body pays for it.
        zeros = body.translate(_DIGITS_AS_ZEROS)
        value = json.loads(
            body.decode(),
            parse_constant=_refuse,
            parse_float=_finite if _may_overflow(body, zeros) else None,
            parse_int=_whole if _DIGITS_OF_64_BITS in zeros else None,
            object_pairs_hook=_unique,
        )
        if _MAYBE_SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InferenceError(_BAD_REQUEST, f"the body is not valid JSON: {error}") from None
    return value


def _has_one_key(body: bytes) -> bool:
    """Tell whether ``body`` has too few strings for two keys."""
    second_quote = body.find(b'"', body.find(b'"') + 1)
    return second_quote == body.rfind(b'"')


def _is_deep(body: bytes) -> bool:
    end = body.rfind(b'"') + 1
    # Vectorised, because this looks at every byte; what is below "[" is numbers, commas and blanks.
    codes = np.frombuffer(memoryview(body)[end:], dtype=np.uint8)
    rest = codes[codes >= ord("[")].tobytes()
    brackets = (_STRING.sub(b"", body[:end]) + rest).translate(_ALIKE, _NO_BRACKETS)
    # A bracket that closes right before another opens changes no depth, and without such pairs few are left.
    if brackets.replace(b"][", b"").count(b"[") <= MAX_DEPTH:
        return False
    steps = _BETWEEN - np.frombuffer(brackets, dtype=np.uint8).astype(np.int64)
    return bool(steps.cumsum().max() > MAX_DEPTH)


def _may_overflow(body: bytes, zeros: bytes) -> bool:
    return any(pattern.search(body) for pattern in _LARGE_EXPONENTS) or _MANY_DIGITS in zeros


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _whole(text: str) -> int | float:
    # Python refuses to make an int of thousands of digits, in words that are no caller's business.
    number = int(text) if len(text) <= _LONGEST_WHOLE else math.inf
    return number if _MIN_WHOLE <= number <= _MAX_WHOLE else _finite(text)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return unique


def write(value: object) -> bytes:
    """Return ``value`` as JSON; tensors and arrays in it become nested lists.

    Raises:
        InferenceError: 422 if a number is NaN or infinite: JSON has no word for them.
        TypeError: If JSON has no form for a part of ``value``.
    """
    try:
        return json.dumps(value, allow_nan=False, default=_lists, separators=(",", ":")).encode()
    except ValueError:
        raise InferenceError(_UNANSWERABLE, "the model's answer has NaN or infinite numbers") from None


def _lists(value: object) -> object:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().tolist()
    if isinstance(value, (np.ndarray, np.generic)):
        plain: object = value.tolist()
        return plain
    raise TypeError(f"{type(value).__name__} has no form in JSON")
