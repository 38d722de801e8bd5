"""Media types: what a Content-Type means, and which type an Accept header asks for (RFC 9110, 12.5.1)."""

from collections.abc import Sequence

from .errors import InferenceError

JSON = "application/json"
CSV = "text/csv"
NPY = "application/x-npy"
PNG = "image/png"
JPEG = "image/jpeg"
TEXT = "text/plain"
WAV = ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave")
"""The names that the one format goes by (RFC 2361 has the last)."""

OFFERED = (JSON, CSV, NPY)
"""What answers can be written as, and every task reads."""

_BAD_REQUEST, _NOT_ACCEPTABLE = 400, 406


def essence(content_type: str) -> str:
    """Return the type without parameters, in lower case.

    >>> essence("Application/JSON; charset=utf-8")
    'application/json'
    """
    return content_type.partition(";")[0].strip().lower()


def choose(accept: str | None, offered: Sequence[str]) -> str:
    """Return the one of ``offered`` that ``accept`` likes best; between equals, the first offered.

    A missing or empty header accepts anything.

    >>> choose("text/csv;q=0.5, application/json", ["application/json", "text/csv"])
    'application/json'

    Raises:
        InferenceError: 406 if it accepts none, 400 if a q-value is no number from 0 to 1.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = dict(_range(part) for part in accept.split(",") if part.strip())
    best = max(offered, key=lambda kind: _liking(kind, ranges))
    if _liking(best, ranges) == 0:
        raise InferenceError(_NOT_ACCEPTABLE, f"the answer can be {', '.join(offered)}")
    return best


def _range(part: str) -> tuple[str, float]:
    for parameter in part.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            return essence(part), _quality(value.strip())
    return essence(part), 1.0


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        quality = -1.0
    if not 0 <= quality <= 1:
        raise InferenceError(_BAD_REQUEST, "a q-value in the accept header is no number from 0 to 1")
    return quality


def _liking(kind: str, ranges: dict[str, float]) -> float:
    group = kind.partition("/")[0]
    patterns = (kind, f"{group}/*", "*/*")  # the most specific one decides, be it zero
    return next((ranges[pattern] for pattern in patterns if pattern in ranges), 0.0)
