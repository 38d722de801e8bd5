"""Send a request as it is, byte by byte, and read the answer as it is; tell what counts of it."""

import base64
import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader

from tests.conformance.cases import Request

Recorded = dict[str, object]
"""An answer as ``answers/*.json`` holds it."""

# The second form is that of exception groups.
_TRACEBACK = re.compile(r"\n(?:Traceback|  \+ Exception Group Traceback) \(most recent call last\):\n")
_NOBODY = frozenset({204, 304})
# What every answer has and what differs from run to run.
_LEFT_OUT = frozenset(
    {
        "cache-control",
        "connection",
        "content-length",
        "date",
        "expires",
        "pragma",
        "transfer-encoding",
        "x-request-id",
    }
)
_LONG = 2000


class NoAnswerError(Exception):
    """The connection stayed open without an answer, or closed before one was complete."""


@dataclass(frozen=True)
class Answer:
    """One answer; header names are in lower case, and several of a name are several pairs."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    chunks: tuple[int, ...] | None = None


def ask(port: int, request: Request, patience_seconds: float) -> Answer:
    """Send ``request`` to a port of this machine and return the answer.

    Raises:
        NoAnswerError: If there was none in time.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience_seconds) as connection:
            connection.sendall(_bytes(request, port))
            with connection.makefile("rb") as stream:
                return _read(stream, request.method)
    except (OSError, EOFError) as error:
        raise NoAnswerError(f"{type(error).__name__}: {error}") from error


def recorded(
    request: Request, send: Callable[[Request], Answer], places: Mapping[str, str] | None = None
) -> Recorded:
    """Return what counts of the answer to ``request``, or of the answers to all its copies.

    Args:
        request: What to ask.
        send: Asks it.
        places: Folders of this run and what they are called in the container.
    """
    if request.copies == 1:
        return _attempt(request, send, places or {})
    with ThreadPoolExecutor(request.copies) as pool:
        answers = list(pool.map(lambda _: _attempt(request, send, places or {}), range(request.copies)))
    return {"tally": dict(sorted(Counter(json.dumps(one, sort_keys=True) for one in answers).items()))}


def _attempt(request: Request, send: Callable[[Request], Answer], places: Mapping[str, str]) -> Recorded:
    try:
        answer = send(request)
    except NoAnswerError:
        return {"no_answer": True} if request.compared else {}
    facts = _facts(answer, places)
    return {
        key: value
        for key, value in facts.items()
        if (key if key in {"status", "reason", "headers"} else "body") in request.compared
    }


def _facts(answer: Answer, places: Mapping[str, str]) -> Recorded:
    facts: Recorded = {
        "status": answer.status,
        "reason": _stable(answer.reason, places)[:_LONG],
        "headers": sorted([name, value] for name, value in answer.headers if name not in _LEFT_OUT),
    }
    if answer.chunks is not None:
        facts["chunks"] = list(answer.chunks)
    return {**facts, **_content(answer.body, places)}


def _content(body: bytes, places: Mapping[str, str]) -> Recorded:
    try:
        text = _stable(body.decode(), places)
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body).decode()}
    parts = _TRACEBACK.split(text, maxsplit=1)
    if len(parts) == 1:
        return {"body": text}
    # Frames name files and lines of the toolkit; what was raised is said before and after them.
    message, trace = parts
    return {"message": message[:_LONG], "trace_ends": trace.rstrip("\n").rpartition("\n")[2][:_LONG]}


def _stable(text: str, places: Mapping[str, str]) -> str:
    for here, there in places.items():
        text = text.replace(here, there)
    text = re.sub(r"/[^\s\"':]*?/models/[0-9a-f]{32}(?=/|\b)", "/tmp/models/HEX", text)  # noqa: S108 - a name only
    text = re.sub(r"\b0x[0-9a-f]{6,}", "0xADDRESS", text)
    return re.sub(r"\b[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}\b", "UUID", text)


def _bytes(request: Request, port: int) -> bytes:
    lines = [f"{request.method} {request.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    body = request.body
    if request.framing == "length":
        lines.append(f"Content-Length: {len(body)}")
    elif request.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        half = max(len(body) // 2, 1)
        pieces = [piece for piece in (body[:half], body[half:]) if piece]
        body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    else:
        body = b""
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _read(stream: BufferedReader, method: str) -> Answer:
    words = _line(stream).split(" ", 2)
    status, reason = int(words[1]), words[2] if len(words) > 2 else ""
    headers = []
    while line := _line(stream):
        name, _, value = line.partition(":")
        headers.append((name.lower(), value.strip()))
    if 100 <= status < 200 and status != 101:
        return _read(stream, method)
    found = dict(headers)
    chunks: tuple[int, ...] | None = None
    if method == "HEAD" or status in _NOBODY:
        body = b""
    elif found.get("transfer-encoding") == "chunked":
        parts = _chunks(stream)
        body, chunks = b"".join(parts), tuple(len(part) for part in parts)
    elif "content-length" in found:
        body = _exactly(stream, int(found["content-length"]))
    else:
        body = stream.read()
    return Answer(status, reason, tuple(headers), body, chunks)


def _chunks(stream: BufferedReader) -> list[bytes]:
    parts = []
    while size := int(_line(stream).partition(";")[0], 16):
        parts.append(_exactly(stream, size))
        _line(stream)
    _line(stream)
    return parts


def _line(stream: BufferedReader) -> str:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError("the connection closed in the middle of an answer")
    return line.decode("latin-1").rstrip("\r\n")


def _exactly(stream: BufferedReader, size: int) -> bytes:
    content = stream.read(size)
    if len(content) < size:
        raise EOFError("the connection closed in the middle of an answer")
    return content
