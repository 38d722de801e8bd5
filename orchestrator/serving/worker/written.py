"""What becomes of an answer on its way out: TorchServe's worker writes it, its front end reads it.

Sources: `otf_message_handler.py` of TorchServe 0.12 for what a returned value, a status and a header become,
and measurements of its front end for what that refuses. Whatever the worker cannot write, or the front end
not read, raises here: it costs the worker its life, as in the container.
"""

import io
import json
import operator
import re
import sys
from collections.abc import Mapping
from typing import Any

from orchestrator.serving import answers
from orchestrator.serving.messages import Headers, Response
from orchestrator.serving.worker.arriving import in_java_order
from orchestrator.serving.worker.context import STREAM, Context

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile("[\0\n\v\f\r]")
_MAX_INT32 = 2**31 - 1
_OK = 200
_ERROR = b"error"


def refused(code: int, message: str) -> Response:
    """Return how the front end answers where the worker gives a ``code`` of its own."""
    if code == _OK:
        return Response(_OK, (), _ERROR, reason="")
    return answers.failure(_status(code), "InternalServerException", message)


def response(
    context: Context, value: object, *, code: int = _OK, message: str = "", more: bool = False
) -> Response:
    """Return the answer, or the piece of one if ``more`` follow, that carries ``value``.

    Status, reason phrase and headers are those that the context has. A text in one of these outside ASCII is
    handed on as it is: see `unreadable`.

    Raises:
        Exception: What the worker dies of.
    """
    _mark(context, value, more=more)
    status, phrase = context.get_response_status(0)
    status = _OK if status is None else _status(status)
    reason = _reason(phrase)
    headers = _headers(context.get_response_headers(0))
    body = encoded(value)
    if body is None:
        return answers.unsupported_output()
    return Response(status, headers, body, reason) if code == _OK else refused(code, message)


def unreadable(context: Context) -> str | None:
    """Return the trap that lies in the context's answer, or ``None`` if the front end can read it.

    The worker counts characters and writes bytes: outside ASCII the front end waits for the rest of a frame
    that never comes.
    """
    if not (context.get_response_status(0)[1] or "").isascii():
        return "error-not-ascii"
    if not (context.get_response_content_type(0) or "").isascii():
        return "content-type-not-ascii"
    return None


def make_readable(context: Context) -> None:
    """Replace what is not ASCII in the reason phrase and in the content type by escapes."""
    status, phrase = context.get_response_status(0)
    context.set_response_status(status, _ascii(phrase or ""))
    content_type = context.get_response_content_type(0)
    if content_type:
        context.set_response_content_type(0, _ascii(content_type))


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def encoded(output: object) -> bytes | None:
    """Return what TorchServe writes for ``output``, or ``None`` where it refuses.

    Raises:
        ValueError: For what refers to itself.
        UnicodeEncodeError: For half of a surrogate pair.
    """
    if isinstance(output, (bytes, bytearray)):
        return bytes(output)
    if isinstance(output, str):
        return output.encode()
    if is_tensor(output):
        buffer = io.BytesIO()
        sys.modules["torch"].save(output, buffer)
        return buffer.getvalue()
    try:
        return json.dumps(output, indent=2).encode()
    except TypeError:
        return None


def is_tensor(output: object) -> bool:
    """Tell whether ``output`` is a tensor; where nobody has imported torch, there is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(output, torch.Tensor)


def _mark(context: Context, value: object, *, more: bool) -> None:
    """Say in a header whether more of the answer follows."""
    if more:
        context.set_response_header(0, STREAM, "true")
    elif context.stopping_criteria:
        is_last = context.stopping_criteria[0](value)
        if is_last is not None:
            context.set_response_header(0, STREAM, "false" if is_last else "true")
    elif context.get_response_headers(0).get(STREAM) == "true":
        context.set_response_header(0, STREAM, "false")


def _status(status: object) -> int:
    number = operator.index(status)  # type: ignore[arg-type]  # whatever user code has set; raises what it is to raise
    if not 0 <= number <= _MAX_INT32:
        raise ValueError(f"{number} is no status that can be sent")
    return number


def _reason(phrase: object) -> str:
    if phrase is None:
        return ""
    if not isinstance(phrase, str) or "\r" in phrase or "\n" in phrase:
        raise TypeError(f"the reason phrase is {type(phrase).__name__}, or has more than one line")
    phrase.encode()
    return phrase


def _headers(mapping: Mapping[Any, Any]) -> Headers:
    """Return headers as the front end sets them: of several spellings of a name, the last."""
    for name, value in mapping.items():
        _check_header(name, value)
    kept: dict[str, tuple[str, str]] = {}
    content_type = mapping.get("content-type")
    if content_type:
        kept["content-type"] = ("content-type", content_type)
    for name, value in in_java_order(dict(mapping)).items():
        kept.pop(name.lower(), None)
        kept[name.lower()] = (name, value.encode("latin-1", "replace").decode("latin-1"))
    return tuple(kept.values())


def _check_header(name: object, value: object) -> None:
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"the header {name!r} is {type(value).__name__}, not str")
    value.encode()
    if not _TOKEN.fullmatch(name) or _NOT_IN_A_VALUE.search(value):
        raise ValueError(f"'{name}' is no header that can be sent")
