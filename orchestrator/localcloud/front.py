"""The front: one ASGI application that looks at each request and hands it to who answers it."""

import re
import traceback
import uuid
from dataclasses import dataclass

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from orchestrator.localcloud import quotas
from orchestrator.localcloud.access import Access
from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.autoscaling import scaling
from orchestrator.localcloud.autoscaling.scaling import Scaling
from orchestrator.localcloud.behind.fallback import Moto, account_of
from orchestrator.localcloud.clients import OWN
from orchestrator.localcloud.control.operations import check_honest, is_ours
from orchestrator.localcloud.control.plane import ControlPlane
from orchestrator.localcloud.dataplane.asynchronous import AsyncRuntime
from orchestrator.localcloud.dataplane.modelerrors import answer_of
from orchestrator.localcloud.dataplane.runtime import Runtime
from orchestrator.localcloud.dataplane.streaming import StreamRuntime
from orchestrator.localcloud.faulting.befalling import befall, replay
from orchestrator.localcloud.faulting.faults import Faults
from orchestrator.localcloud.faulting.past import Past
from orchestrator.localcloud.own import OwnPages
from orchestrator.localcloud.stacks import query
from orchestrator.localcloud.stacks.beginning import AwaitedStacks
from orchestrator.localcloud.wire import (
    JSON_1_1,
    Caller,
    caller,
    check_throwaway,
    error_answer,
    parsed,
    read,
)
from orchestrator.localcloud.world import Place, Scope
from orchestrator.localcloud.worlds import Worlds

_OWN_PATHS = re.compile(r"/_local(/|$)")
_ENDPOINTS = "/endpoints/"
_INVOCATION = re.compile(_ENDPOINTS + r"([^/]+)/(invocations|async-invocations|invocations-response-stream)")
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
        stacks: CloudFormation.
        quotas: Service Quotas for SageMaker.
        moto: Everything else.
        own: What is the local cloud's and not AWS's.
        faults: What is to go wrong.
        past: What there was some seconds ago.
        access: Who may come in.
    """

    worlds: Worlds
    control: ControlPlane
    runtime: Runtime
    streams: StreamRuntime
    queues: AsyncRuntime
    scaling: Scaling
    stacks: AwaitedStacks
    quotas: quotas.Quotas
    moto: Moto
    own: OwnPages
    faults: Faults
    past: Past
    access: Access


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
            response = self._admit(who, request)
            if response is None and _OWN_PATHS.match(connection["path"]):
                response = await self._parts.own.answer(request)
            elif response is None:
                await self._aws(who, request, send)
        except ApiError as error:
            response = error_answer(error, request, who.service)
        except ClientDisconnect:
            return  # nobody waits for an answer
        except Exception as error:  # noqa: BLE001 - uvicorn would answer in words that no client of AWS reads
            # Where an answer has begun already, the server refuses this one and ends the connection.
            traceback.print_exception(error)
            response = error_answer(_failure(error), request, who.service)
        if response is not None:
            await response(connection, receive, send)

    def _admit(self, who: Caller, request: Request) -> Response | None:
        """Let a request in, or return what answers it instead.

        Raises:
            ApiError: If it is refused.
        """
        _check_origin(request, any_host=not self._parts.access.is_open)
        check_throwaway(who)
        return self._parts.access.check(request, who)

    async def _aws(self, who: Caller, request: Request, send: Send) -> None:
        """Answer a call of AWS, or let moto answer it; with what is to go wrong with it.

        Raises:
            ApiError: If a fault has it refused.
        """
        if OWN in request.headers:
            await self._answer(who, request, send)
        else:
            await befall(self._parts.faults, who, request, send, self._answer)

    async def _answer(self, who: Caller, request: Request, send: Send) -> None:
        connection, receive = request.scope, request.receive
        target = request.headers.get("x-amz-target", "")
        response: Response | None = None
        try:
            if who.service != "s3" and connection["path"].startswith(_ENDPOINTS):
                response = await self._invoke(who, request)
            elif target.startswith(_TARGET) or (who.service, connection["path"]) == ("sagemaker", "/"):
                response = await self._sagemaker(who, target.removeprefix(_TARGET), request, send)
            elif target.startswith(scaling.TARGET):
                response = await self._autoscaling(who, target.removeprefix(scaling.TARGET), request, send)
            elif target.startswith(quotas.TARGET):
                response = await self._of_quotas(who, target.removeprefix(quotas.TARGET), request, send)
            elif who.service == "cloudformation":
                response = await self._stacks(who, request)
            else:
                await self._parts.moto.answer(who, connection, receive, send)
        except ApiError as error:
            response = error_answer(error, request, who.service)
        if response is not None:
            await response(connection, receive, send)

    async def _autoscaling(
        self, who: Caller, operation: str, request: Request, send: Send
    ) -> Response | None:
        body = await read(request)
        world = self._parts.worlds.at(_scope(who, request))
        await self._parts.scaling.prepare()
        answer = self._parts.scaling.look(world, operation, parsed(body))
        if answer is not None:
            return JSONResponse(dict(answer), media_type=JSON_1_1)
        await self._parts.moto.answer(who, request.scope, replay(body), send)
        return None

    async def _stacks(self, who: Caller, request: Request) -> Response:
        operation, asked = query.asked(await read(request))
        answer = await self._parts.stacks.call(_scope(who, request), operation, asked)
        return Response(query.answer(operation, answer), media_type="text/xml")

    async def _of_quotas(self, who: Caller, operation: str, request: Request, send: Send) -> Response | None:
        body = await read(request)
        content = parsed(body)
        if not quotas.is_ours(operation, content):
            await self._parts.moto.answer(who, request.scope, replay(body), send)
            return None
        answer = self._parts.quotas.call(_scope(who, request), operation, content)  # type: ignore[arg-type]  # `is_ours` has looked
        return JSONResponse(dict(answer), media_type=JSON_1_1)

    async def _invoke(self, who: Caller, request: Request) -> Response:
        try:
            endpoint, kind = _invoked(request.method, request.scope["path"])
            place = Place(_scope(who, request), endpoint)
            if kind == "invocations":
                return await self._parts.runtime.invoke(place, request)
            if kind == "async-invocations":
                return await self._parts.queues.invoke(place, request)
            return await self._parts.streams.invoke(place, request)
        except ApiError as error:
            return answer_of(error)

    async def _sagemaker(self, who: Caller, operation: str, request: Request, send: Send) -> Response | None:
        body = await read(request)
        content = parsed(body)
        if not is_ours(operation, content):
            check_honest(operation, content)
            await self._parts.moto.answer(who, request.scope, replay(body), send)
            return None
        answer = await self._parts.control.call(
            _scope(who, request), operation, content, self._parts.faults, self._parts.past
        )
        return JSONResponse(
            dict(answer), headers={"x-amzn-requestid": str(uuid.uuid4())}, media_type=JSON_1_1
        )


def _invoked(method: str, path: str) -> tuple[str, str]:
    """Return the endpoint that is invoked, and in which of the three ways.

    Raises:
        ApiError: If the data plane has no such path, or the method is another.
    """
    invocation = _INVOCATION.fullmatch(path)
    if invocation is None:
        raise ApiError("UnknownOperationException", f"{method} {path}", status=404)
    if method != "POST":
        raise ApiError("MethodNotAllowed", f"{method} {path}", status=405)
    return invocation[1], invocation[2]


def _check_origin(request: Request, *, any_host: bool) -> None:
    """Refuse what a web page could send: the local cloud runs code from uploaded archives.

    Args:
        request: What was sent.
        any_host: Whether other machines may call, by whatever name: no page of a stranger knows the token.

    Raises:
        ApiError: If the request names another host, comes from a page, or is for moto's own controls.
    """
    host = request.headers.get("host", "")
    if not any_host and not _LOCAL_HOST.fullmatch(host):
        raise ApiError("HostRefused", f"the local cloud does not answer for the host '{host}'", status=403)
    # Pages can send GET without Origin; that a page sends it, browsers say in this other header. A person who
    # follows a presigned URL is "none".
    if not _is_own_page(request, host) and (
        "origin" in request.headers or request.headers.get("sec-fetch-site", "none") != "none"
    ):
        raise ApiError("OriginRefused", "the local cloud does not answer web pages", status=403)
    if request.scope["path"].startswith(_CLOSED):
        raise ApiError("Closed", f"{_CLOSED} is not open in the local cloud", status=403)


def _is_own_page(request: Request, host: str) -> bool:
    """Tell whether the console page asks, for what it may: nothing of AWS."""
    origin, site = f"{request.url.scheme}://{host}", request.headers.get("sec-fetch-site", "none")
    return (
        bool(_OWN_PATHS.match(request.scope["path"]))
        and request.headers.get("origin", origin) == origin
        and site in {"none", "same-origin"}
    )


def _failure(error: Exception) -> ApiError:
    """Return what SageMaker and others answer when they are at fault (CommonErrors: InternalFailure)."""
    return ApiError("InternalFailure", f"the local cloud failed: {type(error).__name__}: {error}", status=500)


def _scope(who: Caller, request: Request) -> Scope:
    return Scope(account_of(who, request.headers.get("x-moto-account-id")), who.region)
