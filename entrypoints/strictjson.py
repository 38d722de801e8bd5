"""JSON as this runtime accepts and writes it.

`json.loads` alone lets ``NaN``, infinite numbers and duplicate keys pass, and ends in a RecursionError where
brackets are nested too deeply.
"""

import json
import re

import numpy as np
import torch

from .errors import InferenceError

MAX_DEPTH = 64

_BAD_REQUEST, _UNANSWERABLE = 400, 422
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# Only a number with an exponent of three digits, or with this many digits, can be too large for a double.
# One pattern for each spelling, because one that begins with a plain letter is searched for much faster.
_LARGE_EXPONENTS = (re.compile(rb"e\+?0*[0-9]{3}"), re.compile(rb"E\+?0*[0-9]{3}"))
_MANY_DIGITS = b"0" * 309
_DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_MAYBE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> object:
    """Return what the JSON text ``body`` (UTF-8) says.

    Raises:
        InferenceError: 400 if it is not JSON, is nested deeper than 64, or holds NaN, an infinite number,
            a key twice in one object, or half a surrogate pair.
    """
    if _depth(body) > MAX_DEPTH:
        raise InferenceError(_BAD_REQUEST, f"the body is nested deeper than {MAX_DEPTH}")
    try:
        check = _finite if _may_overflow(body) else None
        value = json.loads(
            body.decode(),
            parse_constant=_refuse,
            parse_float=check,
            parse_int=check,
            object_pairs_hook=_unique,
        )
        if _MAYBE_SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise InferenceError(_BAD_REQUEST, f"the body is not valid JSON: {error}") from None
    return value


def _depth(body: bytes) -> int:
    # Vectorised, because image bodies have thousands of brackets.
    brackets = (_STRING.sub(b"", body) if b'"' in body else body).translate(None, _NO_BRACKETS)
    codes = np.frombuffer(brackets, dtype=np.uint8)
    steps = np.where((codes == ord("[")) | (codes == ord("{")), 1, -1)
    return int(steps.cumsum().max(initial=0))


def _may_overflow(body: bytes) -> bool:
    # Looking at each number costs more than parsing does, so only a suspicious body pays for it.
    exponent = any(pattern.search(body) for pattern in _LARGE_EXPONENTS)
    return exponent or _MANY_DIGITS in body.translate(_DIGITS_AS_ZEROS)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> int | float:
    if not np.isfinite(float(text)):
        raise ValueError("a number is too large")
    return int(text) if text.lstrip("-").isdigit() else float(text)


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
