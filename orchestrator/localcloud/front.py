"""The front: one ASGI application that looks at each request and hands it to who answers it."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.control import ControlPlane
from orchestrator.localcloud.fallback import Moto, account_of
from orchestrator.localcloud.fleet import Place
from orchestrator.localcloud.operations import is_ours
from orchestrator.localcloud.runtime import Runtime
from orchestrator.localcloud.wire import JSON_1_1, Caller, caller, check_throwaway, error_answer
from orchestrator.localcloud.world import Scope

HEALTH = "/_local/health"
_INVOCATION = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)")
_TARGET = "SageMaker."
_MAX_REQUEST_BYTES = 8 * 2**20
# Browsers resolve every name below localhost to the loopback, so no foreign site can own one.
_LOCAL_HOST = re.compile(r"(127\.0\.0\.1|\[::1\]|([a-z0-9._-]+\.)?localhost)(:\d+)?", re.IGNORECASE)
# moto's own controls: wiping it and reading all of it, without credentials.
_CLOSED = "/moto-api"


class LocalCloud:
    """Answers the data plane and our own operations, and leaves everything else to moto.

    Args:
        control: SageMaker's control plane, as far as it is ours.
        runtime: The data plane.
        moto: Everything else.
        health: What ``GET /_local/health`` answers.
    """

    def __init__(
        self, control: ControlPlane, runtime: Runtime, moto: Moto, health: Callable[[], dict[str, Any]]
    ) -> None:
        self._control = control
        self._runtime = runtime
        self._moto = moto
        self._health = health

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; there is nothing else here to connect to."""
        if connection["type"] != "http":
            raise RuntimeError(f"the local cloud speaks HTTP only, not {connection['type']}")
        request = Request(connection, receive)
        who = caller(request)
        try:
            _check_origin(request)
            check_throwaway(who)
            target = request.headers.get("x-amz-target", "")
            if connection["path"] == HEALTH:
                response: Response = JSONResponse(self._health())
            elif invocation := _INVOCATION.fullmatch(connection["path"]):
                response = await self._runtime.invoke(
                    Place(_scope(who, request), invocation[1]), invocation[2], request
                )
            elif target.startswith(_TARGET):
                await self._sagemaker(who, target.removeprefix(_TARGET), request, send)
                return
            else:
                await self._moto.answer(who, connection, receive, send)
                return
        except ApiError as error:
            response = error_answer(error, request, who.service)
        await response(connection, receive, send)

    async def _sagemaker(self, who: Caller, operation: str, request: Request, send: Send) -> None:
        body = await _read(request)
        content = _parsed(body)
        if not is_ours(operation, content):
            await self._moto.answer(who, request.scope, _replay(body), send)
            return
        answer = await self._control.call(_scope(who, request), operation, content)
        written = JSONResponse(
            dict(answer), headers={"x-amzn-requestid": str(uuid.uuid4())}, media_type=JSON_1_1
        )
        await written(request.scope, request.receive, send)


def _check_origin(request: Request) -> None:
    """Refuse what a web page could send: the local cloud runs code from uploaded archives.

    Raises:
        ApiError: If the request names another host, comes from a page, or is for moto's own controls.
    """
    host = request.headers.get("host", "")
    if not _LOCAL_HOST.fullmatch(host):
        raise ApiError("HostRefused", f"the local cloud does not answer for the host '{host}'", status=403)
    # Pages can send GET without Origin; that a page sends it, browsers say in this other header. A person who
    # follows a presigned URL is "none".
    if "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none":
        raise ApiError("OriginRefused", "the local cloud does not answer web pages", status=403)
    if request.scope["path"].startswith(_CLOSED):
        raise ApiError("Closed", f"{_CLOSED} is not open in the local cloud", status=403)


def _scope(who: Caller, request: Request) -> Scope:
    return Scope(account_of(who, request.headers.get("x-moto-account-id")), who.region)


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_REQUEST_BYTES:
            raise ApiError("RequestEntityTooLarge", "the request is too large", status=413)
    return bytes(body)


def _parsed(body: bytes) -> object:
    try:
        content: object = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"the request is not JSON: {error}") from error
    return content


def _replay(body: bytes) -> Receive:
    """Return the body once more for whoever reads it next."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
