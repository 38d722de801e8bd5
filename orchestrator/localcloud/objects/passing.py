"""The way of a request to moto and back: bodies go past it, and none of its threads waits for a client."""

import asyncio
import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from moto.s3.responses import S3Response
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from orchestrator.localcloud.objects.answering import RECEIVED, SENT
from orchestrator.localcloud.objects.content import Content, Store
from orchestrator.localcloud.objects.guarding import CALLER
from orchestrator.localcloud.objects.receiving import checked, received
from orchestrator.localcloud.wire import Caller

BODY = "orchestrator.body"
"""Where a request's ASGI scope has its body as a file."""

_MOST_IN_MEMORY_BYTES = 1024 * 1024
_SUBRESOURCES = {"acl", "tagging", "retention", "legal-hold"}
# They are about the form of a body that moto does not get.
_SPENT = {b"content-length", b"transfer-encoding", b"x-amz-content-sha256", b"x-amz-trailer", b"expect"}
_FIRST_ERROR = 400
_SERVER_ERROR = 500
_PAGE = b"<!doctype html"
_FORMS_OF_ERRORS = ("json", "xml", "cbor")


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request, all of it.

    Attributes:
        scope: Its ASGI scope.
        body: Without what moto is not to see.
    """

    scope: Scope
    body: IO[bytes]


async def arrived(who: Caller, scope: Scope, receive: Receive, store: Store | None) -> Arrived:
    """Return a request when all of it has come, with an object's content in ``store`` if there is one.

    Raises:
        ApiError: If the content is not what the headers say.
        GoneError: If the client goes away meanwhile.
    """
    request = Request(scope)
    known = {**scope, CALLER: who}
    if store is None or not _is_upload(who, request):
        body = await _whole(receive)
        return Arrived({**known, BODY: body}, body)
    content = await received(request, receive, store)
    body = io.BytesIO()
    return Arrived({**known, "headers": _mended(scope, content), RECEIVED: content, BODY: body}, body)


def release(request: Arrived) -> None:
    """Let go of what is in objects: moto keeps its request until cycles are looked for."""
    request.scope.pop(RECEIVED, None)
    request.scope.pop(SENT, None)


def _is_upload(who: Caller, request: Request) -> bool:
    if request.method != "PUT" or who.service not in {"s3", ""}:
        return False
    if "x-amz-copy-source" in request.headers or not _SUBRESOURCES.isdisjoint(request.query_params):
        return False
    path = str(request.scope["path"]).lstrip("/")
    return bool(path if S3Response.subdomain_based_buckets(request) else path.partition("/")[2])


def _mended(scope: Scope, content: Content) -> list[tuple[bytes, bytes]]:
    """Return the headers of an upload without a body, whose checksum has been verified."""
    checksums = {f"x-amz-checksum-{name}".lower().encode(): name for name in content.checksums}
    dropped = _SPENT | set(checksums) | {b"x-amz-sdk-checksum-algorithm"}
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    for header, name in checksums.items():
        headers += [
            (header, content.checksums[name].encode()),
            (b"x-amz-sdk-checksum-algorithm", name.encode()),
        ]
    return [*headers, (b"content-length", b"0")]


async def _whole(receive: Receive) -> IO[bytes]:
    """Return a body when all of it has come: whoever sends it slowly keeps nobody waiting.

    The way through WSGI takes the end of the connection for the end of the body, too.
    """
    body = tempfile.SpooledTemporaryFile(_MOST_IN_MEMORY_BYTES)  # noqa: SIM115 - whoever gets it closes it
    has_more = True
    try:
        while has_more:
            message = checked(await receive())
            body.write(message.get("body", b""))
            has_more = message.get("more_body", False)
    except BaseException:
        body.close()
        raise
    body.seek(0)
    return body


class Answer:
    """Passes moto's answer on, unless it is a page for people, or says nothing but that something failed.

    Args:
        scope: The request's, where the content of an answer is put.
        receive: Tells when the client goes away.
        send: Takes the answer.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._held: Message | None = None
        self.passed_on = False

    async def send(self, message: Message) -> None:
        """Pass one message on; the head of a refusal that may be a page waits for how its body begins."""
        if message["type"] == "http.response.start":
            kind = dict(message["headers"]).get(b"content-type", b"").decode("latin-1")
            readable = any(form in kind for form in _FORMS_OF_ERRORS)
            self.passed_on = message["status"] < _SERVER_ERROR or readable
            if SENT in self._scope:
                message = {**message, "headers": _sized(message["headers"], self._scope[SENT])}
            elif self.passed_on and message["status"] >= _FIRST_ERROR and not readable:
                self._held = message
                return
        elif SENT in self._scope:
            return
        elif self._held is not None:
            head, self._held = self._held, None
            self.passed_on = not self._is_for_people(message.get("body", b""))
            if self.passed_on:
                await self._send(head)
        if self.passed_on:
            await self._send(message)

    def _is_for_people(self, body: bytes) -> bool:
        """Tell whether a refusal is Flask's page, or moto's empty one of a call that names no operation.

        moto's own errors are often called HTML and are not; HEAD and much of S3 have none to read.
        """
        is_call = (self._scope["method"], self._scope["path"]) == ("POST", "/")
        return body.lower().startswith(_PAGE) or (not body and is_call)

    async def finish(self) -> None:
        """Send the content of an object that is the answer, if one is."""
        content: Content | None = self._scope.get(SENT)
        if content is None or not self.passed_on:
            return
        gone = asyncio.ensure_future(self._receive())
        chunks = content.chunks()
        try:
            while not gone.done() and (chunk := await asyncio.to_thread(_next, chunks)):
                await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            chunks.close()
            gone.cancel()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


def _sized(headers: Iterable[tuple[bytes, bytes]], content: Content) -> list[tuple[bytes, bytes]]:
    others = [(name, value) for name, value in headers if name != b"content-length"]
    return [*others, (b"content-length", str(content.size).encode())]


def _next(chunks: Iterator[bytes]) -> bytes:
    return next(chunks, b"")
