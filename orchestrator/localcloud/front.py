"""The front: one ASGI application that looks at each request and hands it to who answers it."""

import asyncio
import re
import uuid
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Send
from starlette.types import Scope as Connection

from orchestrator.localcloud import faults, scaling
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.asynchronous import AsyncRuntime
from orchestrator.localcloud.clients import OWN
from orchestrator.localcloud.control import ControlPlane
from orchestrator.localcloud.fallback import Moto, account_of
from orchestrator.localcloud.faults import Faults
from orchestrator.localcloud.fleet import Place
from orchestrator.localcloud.operations import is_ours
from orchestrator.localcloud.own import OwnPages
from orchestrator.localcloud.runtime import Runtime
from orchestrator.localcloud.scaling import Scaling
from orchestrator.localcloud.streaming import StreamRuntime
from orchestrator.localcloud.wire import (
    JSON_1_1,
    Caller,
    caller,
    check_throwaway,
    error_answer,
    operation_of,
    parsed,
    read,
)
from orchestrator.localcloud.world import Scope, Worlds

_OWN_PATHS = "/_local/"
_INVOCATION = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)")
_TARGET = "SageMaker."
# Browsers resolve every name below localhost to the loopback, so no foreign site can own one.
_LOCAL_HOST = re.compile(r"(127\.0\.0\.1|\[::1\]|([a-z0-9._-]+\.)?localhost)(:\d+)?", re.IGNORECASE)
# moto's own controls: wiping it and reading all of it, without credentials.
_CLOSED = "/moto-api"


@dataclass(frozen=True, slots=True)
class Parts:
    """What the front hands requests to.

    Attributes:
        worlds: What there is.
        control: SageMaker's control plane, as far as it is ours.
        runtime: The data plane.
        streams: The data plane of answers in parts.
        queues: The data plane of asynchronous endpoints.
        scaling: Looks at what moto lets through and AWS does not.
        moto: Everything else.
        own: What is the local cloud's and not AWS's.
        faults: What is to go wrong.
    """

    worlds: Worlds
    control: ControlPlane
    runtime: Runtime
    streams: StreamRuntime
    queues: AsyncRuntime
    scaling: Scaling
    moto: Moto
    own: OwnPages
    faults: Faults


class LocalCloud:
    """Answers the data plane and our own operations, and leaves everything else to moto.

    Args:
        parts: Who answers what.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; there is nothing else here to connect to."""
        if connection["type"] != "http":
            raise RuntimeError(f"the local cloud speaks HTTP only, not {connection['type']}")
        request = Request(connection, receive)
        who = caller(request)
        response: Response | None = None
        try:
            _check_origin(request)
            check_throwaway(who)
            if connection["path"].startswith(_OWN_PATHS):
                response = await self._parts.own.answer(request)
            else:
                await self._aws(who, request, send)
        except ApiError as error:
            response = error_answer(error, request, who.service)
        if response is not None:
            await response(connection, receive, send)

    async def _aws(self, who: Caller, request: Request, send: Send) -> None:
        """Answer a call of AWS, or let moto answer it; with what is to go wrong with it.

        Raises:
            ApiError: If it is to be throttled.
        """
        operation = operation_of(request)
        kind = None if OWN in request.headers else self._parts.faults.of_call(operation)
        if kind is faults.Kind.THROTTLE:
            # To its end: what is left of a body would be taken for the connection's next request.
            async for _ in request.stream():
                pass
            raise _throttled(who.service)
        if kind is faults.Kind.RESET:
            await _hang_up(send)
        elif kind is faults.Kind.LOSE_ANSWER:
            await self._answer(who, request, _unheard)
            await _hang_up(send)
        else:
            await self._answer(who, request, send)

    async def _answer(self, who: Caller, request: Request, send: Send) -> None:
        connection, receive = request.scope, request.receive
        target = request.headers.get("x-amz-target", "")
        response: Response | None = None
        try:
            if invocation := _INVOCATION.fullmatch(connection["path"]):
                place = Place(_scope(who, request), invocation[1])
                response = await self._invoke(place, invocation[2], request)
            elif target.startswith(_TARGET):
                response = await self._sagemaker(who, target.removeprefix(_TARGET), request, send)
            elif target.startswith(scaling.TARGET):
                await self._autoscaling(who, target.removeprefix(scaling.TARGET), request, send)
            else:
                await self._parts.moto.answer(who, connection, receive, send)
        except ApiError as error:
            response = error_answer(error, request, who.service)
        if response is not None:
            await response(connection, receive, send)

    async def _autoscaling(self, who: Caller, operation: str, request: Request, send: Send) -> None:
        body = await read(request)
        if OWN not in request.headers:
            world = self._parts.worlds.at(_scope(who, request))
            await self._parts.scaling.look(world, operation, parsed(body))
        await self._parts.moto.answer(who, request.scope, _replay(body), send)

    async def _invoke(self, place: Place, kind: str, request: Request) -> Response:
        if request.method != "POST":
            raise ApiError("MethodNotAllowed", f"{request.method} {request.url.path}", status=405)
        if kind == "invocations":
            return await self._parts.runtime.invoke(place, request)
        if kind == "async-invocations":
            return await self._parts.queues.invoke(place, request)
        return await self._parts.streams.invoke(place, request)

    async def _sagemaker(self, who: Caller, operation: str, request: Request, send: Send) -> Response | None:
        body = await read(request)
        content = parsed(body)
        if not is_ours(operation, content):
            await self._parts.moto.answer(who, request.scope, _replay(body), send)
            return None
        answer = await self._parts.control.call(_scope(who, request), operation, content, self._parts.faults)
        return JSONResponse(
            dict(answer), headers={"x-amzn-requestid": str(uuid.uuid4())}, media_type=JSON_1_1
        )


def _throttled(service: str) -> ApiError:
    """Return what an AWS service answers to who asks too often."""
    if service == "s3":
        return ApiError("SlowDown", "Please reduce your request rate.", status=503)
    return ApiError("ThrottlingException", "Rate exceeded")


async def _unheard(_: Message) -> None:
    """Take an answer that nobody gets."""


async def _hang_up(send: Send) -> None:
    """Close the connection without a word.

    ASGI has no way to say so; `send` is a method of uvicorn's, which has the connection.
    """
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]  # see above
    transport.abort()
    # uvicorn would complain of a missing answer until it has seen the end of the connection.
    for _ in range(3):
        await asyncio.sleep(0)


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


def _replay(body: bytes) -> Receive:
    """Return the body once more for whoever reads it next."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
