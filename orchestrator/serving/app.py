"""The container's HTTP interface as an ASGI application.

Paths, methods, statuses and bodies are those of TorchServe 0.12 behind SageMaker. Knows nothing of processes:
whatever has the two members of `Workers` can answer.
"""

import time
import uuid
from collections.abc import Callable, Collection
from typing import Protocol

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import Response as HttpResponse
from starlette.types import Receive, Scope, Send

from orchestrator.serving import answers
from orchestrator.serving.contract import Contract
from orchestrator.serving.messages import QueueFullError, Request, Response, WorkerDiedError

_METHODS = {"/ping": ("GET", "POST"), "/invocations": ("GET", "POST", "PUT")}

# What the front end adds to every answer against caching.
_UNCACHED = {
    "pragma": "no-cache",
    "cache-control": "no-cache, no-store, must-revalidate, private",
    "expires": "Thu, 01 Jan 1970 00:00:00 UTC",
}
# How an answer is transported is between the client and this server, not for user code to say.
_TRANSPORT_HEADERS = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
_BODYLESS = frozenset({204, 304})
_BAD_REQUEST = 400
# How much of a body that is refused anyway is read, so that its sender is able to see the answer.
_DISCARDED_BYTES = 64 * 1024 * 1024


class Workers(Protocol):
    """Who answers."""

    @property
    def is_ready(self) -> bool:
        """Whether a worker has loaded the model."""

    async def ask(self, request: Request) -> Response:
        """Return the answer to ``request``; see `orchestrator.serving.pool.Pool.ask`."""


class App:
    """One model behind ``/ping`` and ``/invocations``.

    Args:
        hosts: The names that a request's Host may have, without port; `None` accepts any.
        log: Is given one line for each answer.
    """

    def __init__(
        self,
        workers: Workers,
        contract: Contract,
        log: Callable[[str], None],
        *,
        hosts: Collection[str] | None = None,
    ) -> None:
        self._workers = workers
        self._contract = contract
        self._log = log
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI 3 asks."""
        begun = time.perf_counter()
        request = HttpRequest(scope, receive)
        identity = str(uuid.uuid4())
        answer = await self._answer(request, identity)
        await _http(answer, identity)(scope, receive, send)
        path = scope.get("raw_path", b"").decode("ascii", "backslashreplace") or request.url.path
        milliseconds = (time.perf_counter() - begun) * 1000
        self._log(f"{request.method} {path} {answer.status} {milliseconds:.1f} ms")

    async def _answer(self, request: HttpRequest, identity: str) -> Response:
        for host in request.headers.getlist("host"):
            if not self._answers_for(host):
                return answers.misdirected(host)
        path = request.url.path.rstrip("/")
        if path not in _METHODS:
            return answers.not_found()
        if request.method not in _METHODS[path]:
            return answers.method_not_allowed()
        if path == "/ping":
            return answers.healthy() if self._workers.is_ready else answers.unhealthy()
        return await self._infer(request, identity)

    def _answers_for(self, host: str) -> bool:
        return self._hosts is None or _without_port(host).lower() in self._hosts

    async def _infer(self, request: HttpRequest, identity: str) -> Response:
        try:
            body = await _read(request, self._contract.max_request_bytes)
        except ClientDisconnect:
            # Nobody reads this; the log says what happened.
            return Response(_BAD_REQUEST, (), b"")
        if body is None:
            return answers.too_large()
        return await self._ask(Request(_pairs(request.headers), body, identity))

    async def _ask(self, request: Request) -> Response:
        try:
            return await self._workers.ask(request)
        except QueueFullError:
            return answers.queue_full()
        except TimeoutError:
            return answers.no_worker_in_time()
        except WorkerDiedError:
            return answers.worker_died()


async def _read(request: HttpRequest, limit: int) -> bytes | None:
    """Return the body, or ``None`` if it has more than ``limit`` bytes."""
    body = bytearray()
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total <= limit:
            body += chunk
        elif total > limit + _DISCARDED_BYTES:
            break
    return bytes(body) if total <= limit else None


def _pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items())


def _http(answer: Response, identity: str) -> HttpResponse:
    # uvicorn writes the standard reason phrase: neither it nor ASGI lets an application choose one. The
    # container sends none for a success, and the error's own text for a failure.
    body = b"" if answer.status in _BODYLESS else answer.body
    response = HttpResponse(body, answer.status, _UNCACHED)
    raw = response.raw_headers
    raw.append((b"x-request-id", identity.encode()))
    raw += [
        (_latin1(name), _latin1(value)) for name, value in answer.headers if name not in _TRANSPORT_HEADERS
    ]
    if answer.status >= _BAD_REQUEST:
        raw.append((b"connection", b"close"))
    return response


def _latin1(text: str) -> bytes:
    # HTTP/1.1 has no other letters, and a line end would begin another header.
    return " ".join(text.splitlines()).encode("latin-1", "replace")


def _without_port(host: str) -> str:
    name, separator, port = host.rpartition(":")
    return name if separator and port.isdigit() else host
