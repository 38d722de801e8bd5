"""Golden cases: requests with the answers they must get.

A case is a JSON object::

    {
      "request":  {"body": {"image": [[0.0, 0.1], [0.2, 0.3]]}, "accept": "application/json"},
      "response": {"body": {"label": "7"}}
    }

``body`` is JSON; ``body_text`` and ``body_base64`` hold any other body. ``accept`` and ``content_type``
default to ``application/json``, the latter to ``text/plain`` beside a ``body_text``. The answer has to hold
what ``response.body`` holds and may hold more keys, and its numbers may differ by ``atol``; of the other two
it has to have every byte. A ``response.status`` other than 200 expects that error.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import SpecError
from orchestrator.core.names import canonical

JSON_TYPE, TEXT_TYPE = "application/json", "text/plain"
OK, FIRST_ERROR, FIRST_FAILURE = 200, 400, 500
_STATUSES = range(OK, 600)
_SHOWN_CHARACTERS = 60
_LONGEST_VALUE = 200
_LONGEST_ANSWER = 120
_BODIES = ("body", "body_text", "body_base64")
_KEYS = {
    "": {"request", "response"},
    "request": {"content_type", "accept", *_BODIES},
    "response": {"status", *_BODIES},
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent to ``/invocations``."""

    body: bytes
    content_type: str = JSON_TYPE
    accept: str = JSON_TYPE


@dataclass(frozen=True, slots=True)
class Response:
    """What came back.

    Attributes:
        status: The container's own HTTP status.
        fingerprint: Of the model that answered, or ``None`` if the answer carried none.
    """

    status: int
    body: bytes
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One golden case.

    Attributes:
        expected: The JSON content of the answer, or ``None`` if any will do.
        exact: Every byte of the answer, where that is what is expected of it.
    """

    name: str
    request: Request
    expected: object = None
    status: int = OK
    exact: bytes | None = None

    @property
    def is_error(self) -> bool:
        """Whether the answer has to be an error."""
        return self.status >= FIRST_ERROR

    def asked_of(self, variant: str | None) -> str:
        """Return what to call it: its name, with the variant's where one was chosen.

        >>> case = Case("a", Request(b""))
        >>> case.asked_of(None), case.asked_of("green")
        ('a', 'a (green)')
        """
        return self.name if variant is None else f"{self.name} ({variant})"


def parse(name: str, text: str | bytes) -> Case:
    """Read one golden case.

    Raises:
        SpecError: If it is not JSON, or not of the form above.
    """
    try:
        content = _object(json.loads(text), "")
        request, response = _object(content["request"], "request"), _object(content["response"], "response")
        return Case(
            name=name,
            request=Request(
                body=_body(request),
                content_type=_header(request, "content_type", usual_type(request)),
                accept=_header(request, "accept", JSON_TYPE),
            ),
            expected=_expected(response),
            status=_status(response),
            exact=_bytes(response, "response"),
        )
    except KeyError as error:
        raise _unfit(name, f"it has no {error}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _unfit(name, str(error)) from error


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise TypeError(f"{where or 'the case'} is not an object")
    if unknown := sorted(set(value) - _KEYS[where]):
        raise ValueError(f"{where or 'the case'} has an unknown key {unknown[0]!r}")
    bodies = [key for key in _BODIES if key in value]
    if len(bodies) > 1:
        raise ValueError(f"{where} has both {bodies[0]!r} and {bodies[1]!r}")
    return value


def usual_type(request: Mapping[str, object]) -> str:
    """Return the Content-Type of a case's request that names none."""
    return TEXT_TYPE if "body_text" in request else JSON_TYPE


def _header(request: Mapping[str, object], key: str, usual: str) -> str:
    value = request.get(key, usual)
    # InvokeEndpoint takes ASCII only, and what is no text is a slip that would be sent as Python spells it.
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise ValueError(f"request.{key} is not text of one line in ASCII")
    return value


def _expected(response: Mapping[str, object]) -> object:
    if "body" in response and response["body"] is None:
        raise ValueError('response.body is null, which would let every answer pass: body_text says "null"')
    return response.get("body")


def _status(response: Mapping[str, object]) -> int:
    status = int(str(response.get("status", OK)))
    if status not in _STATUSES:
        raise ValueError(f"response.status is {status}, which no answer has")
    return status


def _body(request: Mapping[str, object]) -> bytes:
    body = _bytes(request, "request")
    return json.dumps(request["body"]).encode() if body is None else body


def _bytes(half: Mapping[str, object], where: str) -> bytes | None:
    """Return the body that is given as text or in base64, or ``None``."""
    key = next((key for key in _BODIES[1:] if key in half), None)
    if key is None:
        return None
    text = half[key]
    if not isinstance(text, str):
        raise TypeError(f"{where}.{key} is not text")
    try:
        return text.encode() if key == "body_text" else base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{where}.body_base64: {error}") from error


def _unfit(name: str, why: str) -> SpecError:
    return SpecError(
        f"golden case '{name}' cannot be used: {why}",
        details=[("rule", '{"request": {"body": ...}, "response": {"body": ...}}')],
    )


def to_bytes(cases: tuple[Case, ...]) -> bytes:
    """Return the one spelling of ``cases`` that is kept beside the artifact."""
    return canonical(
        [
            {
                "name": case.name,
                "content_type": case.request.content_type,
                "accept": case.request.accept,
                "body_base64": base64.b64encode(case.request.body).decode(),
                **_kept(case.expected),
                "status": case.status,
                # Only where it says something: what was kept before there was such a thing keeps its name.
                **({} if case.exact is None else {"exact_base64": base64.b64encode(case.exact).decode()}),
            }
            for case in cases
        ]
    )


def _kept(expected: object) -> dict[str, object]:
    """Return what an answer must hold; as its text where it has a NaN, which the one spelling has not."""
    try:
        canonical(expected)
    except ValueError:
        return {"expected_text": json.dumps(expected)}
    return {"expected": expected}


def from_bytes(encoded: bytes) -> tuple[Case, ...]:
    """Return the cases that `to_bytes` wrote."""
    return tuple(
        Case(
            name=case["name"],
            request=Request(base64.b64decode(case["body_base64"]), case["content_type"], case["accept"]),
            expected=json.loads(case["expected_text"]) if "expected_text" in case else case["expected"],
            status=case["status"],
            exact=base64.b64decode(case["exact_base64"]) if "exact_base64" in case else None,
        )
        for case in json.loads(encoded)
    )


def problem(case: Case, response: Response, *, atol: float) -> str:
    """Return what is wrong with the answer to ``case``; empty if nothing is."""
    if response.status != case.status:
        return f"answered {response.status}, not {case.status}: {_short(response.body)}"
    if case.exact is not None:
        return _byte_difference(case.exact, response.body)
    if case.expected is None:
        return ""
    try:
        given = json.loads(response.body)
    except (ValueError, RecursionError):
        return f"the answer is not JSON: {_short(response.body)}"
    try:
        return _difference(case.expected, given, atol, "body")
    except RecursionError:
        return "the answer is nested too deeply to be compared"


def _difference(expected: object, given: object, atol: float, where: str) -> str:
    if isinstance(expected, dict) and isinstance(given, dict):
        for key, value in expected.items():
            if key not in given:
                return f"{where} has no {key!r}"
            if found := _difference(value, given[key], atol, f"{where}.{key}"):
                return found
        return ""
    if isinstance(expected, list) and isinstance(given, list):
        if len(expected) != len(given):
            return f"{where} has {len(given)} items, not {len(expected)}"
        pairs = enumerate(zip(expected, given, strict=True))
        differences = (_difference(left, right, atol, f"{where}[{index}]") for index, (left, right) in pairs)
        return next(filter(None, differences), "")
    if _is_number(expected) and _is_number(given):
        left, right = float(str(expected)), float(str(given))
        # Neither not-a-number nor infinity has a distance from itself.
        near = abs(left - right) <= atol or left == right or (left != left and right != right)  # noqa: PLR0124 - only NaN differs from itself
        return "" if near else f"{where} is {given}, not {expected} (allowed: ±{atol:g})"
    same = expected == given and type(expected) is type(given)  # Python thinks that True equals 1
    return "" if same else f"{where} is {_value(given)}, not {_value(expected)}"


def _byte_difference(expected: bytes, given: bytes) -> str:
    if expected == given:
        return ""
    pairs = enumerate(zip(expected, given, strict=False))
    first = next((at for at, (left, right) in pairs if left != right), min(len(expected), len(given)))
    begin = max(0, first - _SHOWN_CHARACTERS // 2)
    shown = [_value(body[begin : begin + _SHOWN_CHARACTERS]) for body in (given, expected)]
    lengths = "" if len(expected) == len(given) else f" ({len(given)} bytes, not {len(expected)})"
    return f"the answer differs from byte {first} on: it has {shown[0]}, not {shown[1]}{lengths}"


def _value(value: object) -> str:
    text = repr(value)
    if len(text) <= _LONGEST_VALUE:
        return text
    return f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    # JSON is often spread over lines; of anything else the first line says most.
    shown = " ".join(text.split()) if text.startswith(("{", "[")) else text.partition("\n")[0]
    return shown[:_LONGEST_ANSWER]
