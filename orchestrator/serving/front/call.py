"""One ASGI call: what it asks, in this server's words, and how its answer is sent."""

import json
import random
import time

from starlette.types import Receive, Scope, Send

from orchestrator.serving import answers
from orchestrator.serving.front import wire
from orchestrator.serving.messages import Headers, Part, Response
from orchestrator.serving.ports import Answered

EXTENSION = "orchestrator"
"""In ``scope["extensions"]``: ``headers`` as they were spelt, and ``begun``, by `time.perf_counter`."""

_TRANSPORT = frozenset({b"expect", b"transfer-encoding"})
_BAD_REQUEST = 400
_RESET_CONTENT = 205
_MAX_ERROR = 200
_READ_BYTES = 4096


def new_identity() -> str:
    """Return a name for a request, in the form of a UUID of version 4: no secret, so cheap chance will do."""
    drawn = f"{random.getrandbits(128):032x}"
    return f"{drawn[:8]}-{drawn[8:12]}-4{drawn[13:16]}-a{drawn[17:20]}-{drawn[20:]}"


class ClientGoneError(Exception):
    """The client has gone before the request was whole."""


class Call:
    """A request and its answer, over ASGI.

    Attributes:
        identity: What ``x-request-id`` says.
        is_received: Whether the whole request has arrived.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._request_bytes = self._response_bytes = 0
        kept = scope.get("extensions", {}).get(EXTENSION, {})
        self._begun: float = kept.get("begun") or time.perf_counter()
        self._spelt: list[tuple[bytes, bytes]] = kept.get("headers") or scope["headers"]
        self.identity = new_identity()
        self.is_received = False
        self._status = 0

    @property
    def method(self) -> str:
        """The request's method."""
        return str(self._scope["method"])

    @property
    def raw_path(self) -> bytes:
        """The path as it came, without the query."""
        return bytes(self._scope.get("raw_path") or self._scope["path"].encode())

    @property
    def target(self) -> bytes:
        """The path and the query as they came."""
        query = self._scope["query_string"]
        return b"%b?%b" % (self.raw_path, query) if query else self.raw_path

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI has them, names in lower case."""
        headers: list[tuple[bytes, bytes]] = self._scope["headers"]
        return headers

    def headers(self) -> Headers:
        """Return the headers as the client has spelt them, where the server has kept that.

        Netty has put the chunks of a body together before anybody looks: then, and where there is no body,
        there is a length in a spelling of its own, and nothing of how the body has come.
        """
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self._spelt]
        names = {name for name, _ in self.raw_headers}
        if not names.isdisjoint(_TRANSPORT):
            pairs = [(name, value) for name, value in pairs if name.lower().encode() not in _TRANSPORT]
        if b"content-length" not in names:
            pairs.append(("content-length", str(self._request_bytes)))
        return tuple(pairs)

    async def body(self, limit: int) -> bytes | None:
        """Return the body, or ``None`` as soon as it is known to have more than ``limit`` bytes.

        Raises:
            ClientGoneError: If the client has gone.
        """
        if any(name == b"content-length" and int(value) > limit for name, value in self.raw_headers):
            return None
        chunks: list[bytes] = []
        while not self.is_received:
            message = await self._receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            chunks.append(message.get("body", b""))
            self._request_bytes += len(chunks[-1])
            if self._request_bytes > limit:
                return None
            self.is_received = not message.get("more_body", False)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def part(self, part: Part) -> None:
        """Send a piece of an answer that is streamed; the first one sends its status and headers, too.

        Raises:
            UnwritableError: If a header has no form in HTTP.
        """
        if not self._status:
            await self._start(part.status, part.reason, wire.fields(part.headers, self.identity))
        await self._write(part.body, more=True)

    async def finish(self, answer: Response) -> Response:
        """Send ``answer``, or its last piece if others were sent, and return what was sent.

        An error after pieces of a success is not sent: the server cuts a response that is not complete, and
        its reader can tell.
        """
        if self._status and self._status < _BAD_REQUEST <= answer.status:
            return answer
        if not self._status:
            try:
                headers = wire.fields(answer.headers, self.identity)
            except wire.UnwritableError:
                answer = answers.worker_died()
                headers = wire.fields(answer.headers, self.identity)
            if wire.has_length(answer.status):
                length = 0 if answer.status == _RESET_CONTENT else len(answer.body)
                headers.append((b"content-length", b"%d" % length))
            await self._start(answer.status, answer.reason, headers)
        await self._write(answer.body, more=False)
        return answer

    def answered(self, answer: Response) -> Answered:
        """Return what observers are told of this call."""
        return Answered(
            id=self.identity,
            method=self.method,
            path=self.raw_path.decode("ascii", "backslashreplace"),
            status=answer.status,
            seconds=time.perf_counter() - self._begun,
            model_seconds=answer.model_seconds,
            request_bytes=self._request_bytes,
            response_bytes=self._response_bytes,
            traps=answer.traps,
            error=_error(answer) if answer.status >= _BAD_REQUEST else "",
            trace=answer.trace,
        )

    async def _start(self, status: int, reason: str | None, headers: wire.RawHeaders) -> None:
        self._status = status
        start = {"type": "http.response.start", "status": status, "reason": reason, "headers": headers}
        await self._send(start)

    async def _write(self, body: bytes, *, more: bool) -> None:
        self._response_bytes += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _error(answer: Response) -> str:
    """Return the sentence that an error's body begins with, as one line of ASCII."""
    text = answer.body[:_READ_BYTES].decode("utf-8", "replace")
    error = _message(text) or text.strip().partition("\n")[0]
    return error[:_MAX_ERROR].encode("ascii", "backslashreplace").decode()


def _message(text: str) -> str:
    """Return the message in TorchServe's form of an error, or nothing."""
    if not text.startswith("{"):
        return ""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    return str(content.get("message", ""))
