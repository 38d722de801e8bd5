"""Golden cases that are written of what a model has answered."""

import base64
import contextlib
import json
from collections.abc import Mapping

from orchestrator.core.golden import FIRST_ERROR, JSON_TYPE, OK, Request, Response, usual_type


def recorded(request: Request, response: Response) -> str:
    """Return the text of a golden case that wants of ``request`` what it was answered.

    Bodies are written as people read them best: as JSON, else as text, else in base64. Of an error only the
    status is kept: its text may name a request.
    """
    asked = _written(request.body, is_json=request.content_type == JSON_TYPE)
    kinds = (
        ("content_type", request.content_type, usual_type(asked)),
        ("accept", request.accept, JSON_TYPE),
    )
    asked |= {key: kind for key, kind, left_out in kinds if kind != left_out}
    wants: dict[str, object] = {} if response.status == OK else {"status": response.status}
    if response.status < FIRST_ERROR:
        wants |= _written(response.body, is_json=True)
    return f'{{\n  "request": {_spelled(asked)},\n  "response": {_spelled(wants)}\n}}\n'


def _written(body: bytes, *, is_json: bool) -> dict[str, object]:
    with contextlib.suppress(ValueError, RecursionError):
        # A body that is null would be one that says nothing.
        if is_json and (content := json.loads(body)) is not None:
            return {"body": content}
    with contextlib.suppress(UnicodeDecodeError):
        return {"body_text": body.decode()}
    return {"body_base64": base64.b64encode(body).decode()}


def _spelled(half: Mapping[str, object]) -> str:
    text = json.dumps(half, ensure_ascii=False)
    # JSON can name halves of characters, which no file can hold otherwise.
    return text if text.isprintable() else json.dumps(half)
