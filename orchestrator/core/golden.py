"""Golden cases: requests with the answers they must get.

A case is a JSON object::

    {
      "request":  {"body": {"image": [[0.0, 0.1], [0.2, 0.3]]}, "accept": "application/json"},
      "response": {"body": {"label": "7"}}
    }

``body`` is JSON; ``body_base64`` holds any other body. ``accept`` and ``content_type`` default to
``application/json``. The answer has to hold what ``response.body`` holds and may hold more keys; numbers
may differ by ``atol``; a ``response.status`` other than 200 expects that error.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import SpecError
from orchestrator.core.names import canonical

JSON_TYPE = "application/json"
_OK, _FIRST_ERROR = 200, 400
_SHOWN_CHARACTERS = 60
_KEYS = {"": {"request", "response"}, "request": {"content_type", "accept", "body", "body_base64"}}
_KEYS["response"] = {"status", "body"}


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
    """One golden case; ``expected`` is the JSON content of the answer, or ``None`` if any will do."""

    name: str
    request: Request
    expected: object = None
    status: int = _OK

    @property
    def is_error(self) -> bool:
        """Whether the answer has to be an error."""
        return self.status >= _FIRST_ERROR


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
                content_type=str(request.get("content_type", JSON_TYPE)),
                accept=str(request.get("accept", JSON_TYPE)),
            ),
            expected=response.get("body"),
            status=int(str(response.get("status", _OK))),
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
    return value


def _body(request: Mapping[str, object]) -> bytes:
    if "body_base64" in request:
        try:
            return base64.b64decode(str(request["body_base64"]), validate=True)
        except binascii.Error as error:
            raise ValueError(f"request.body_base64: {error}") from error
    return json.dumps(request["body"]).encode()


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
                "expected": case.expected,
                "status": case.status,
            }
            for case in cases
        ]
    )


def from_bytes(encoded: bytes) -> tuple[Case, ...]:
    """Return the cases that `to_bytes` wrote."""
    return tuple(
        Case(
            name=case["name"],
            request=Request(base64.b64decode(case["body_base64"]), case["content_type"], case["accept"]),
            expected=case["expected"],
            status=case["status"],
        )
        for case in json.loads(encoded)
    )


def problem(case: Case, response: Response, *, atol: float) -> str:
    """Return what is wrong with the answer to ``case``; empty if nothing is."""
    if response.status != case.status:
        return f"answered {response.status}, not {case.status}: {_short(response.body)}"
    if case.expected is None:
        return ""
    try:
        given = json.loads(response.body)
    except (ValueError, RecursionError):
        return f"the answer is not JSON: {_short(response.body)}"
    return _difference(case.expected, given, atol, "body")


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
        distance = abs(float(str(expected)) - float(str(given)))
        return "" if distance <= atol else f"{where} is {given}, not {expected} (allowed: ±{atol:g})"
    same = expected == given and type(expected) is type(given)  # Python thinks that True equals 1
    return "" if same else f"{where} is {given!r}, not {expected!r}"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    # JSON is often spread over lines; of anything else the first line says most.
    shown = " ".join(text.split()) if text.startswith(("{", "[")) else text.partition("\n")[0]
    return shown[:_SHOWN_CHARACTERS]
