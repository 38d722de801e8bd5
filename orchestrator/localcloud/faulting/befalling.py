"""Carries out the faults that befall calls: before they are answered, in place of the answer, or after it."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.types import Message, Receive, Send

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.faulting.faults import OF_CALLS, Call, Faults, Kind
from orchestrator.localcloud.wire import Caller, operation_of, parsed, read

Answering = Callable[[Caller, Request, Send], Awaitable[None]]
"""Answers one call."""

_SAGEMAKER = "SageMaker."
_INVOCATION = re.compile(r"/endpoints/([^/]+)/([a-z-]+)")
_INVOCATIONS: Mapping[str, str] = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}


async def befall(faults: Faults, who: Caller, request: Request, send: Send, answer: Answering) -> None:
    """Answer one call with ``answer``, with what is to go wrong with it.

    Raises:
        ApiError: If it is to be answered so.
    """
    if not faults.waits(Kind.LATENCY, *OF_CALLS):
        await answer(who, request, send)
        return
    call, request = await _called(faults, who, request)
    await asyncio.sleep(faults.delay_of(call))
    fault = faults.of_call(call)
    if fault is None:
        await answer(who, request, send)
    elif fault.kind is Kind.RESET:
        await _hang_up(send)
    elif fault.kind is Kind.LOSE_ANSWER:
        await answer(who, request, _unheard)
        await _hang_up(send)
    else:
        # To its end: what is left of a body would be taken for the connection's next request.
        async for _ in request.stream():
            pass
        raise _refusal(fault.kind, who.service)


async def _called(faults: Faults, who: Caller, request: Request) -> tuple[Call, Request]:
    """Return what a request calls, and the request as it is to be answered."""
    name = operation_of(request)
    if found := _INVOCATION.fullmatch(request.url.path):
        endpoint, way = found.groups()
        return Call((name, _INVOCATIONS.get(way, way)), who.region, endpoint), request
    endpoint = ""
    if faults.is_choosy and request.headers.get("x-amz-target", "").startswith(_SAGEMAKER):
        body = await read(request)
        endpoint, request = endpoint_of(parsed(body)), Request(request.scope, replay(body))
    return Call((name,), who.region, endpoint), request


def endpoint_of(content: object) -> str:
    """Return the endpoint that a request of the control plane is about; empty if it is about none.

    >>> endpoint_of({"EndpointName": "digits", "EndpointConfigName": "digits-2"})
    'digits'
    """
    return str(content.get("EndpointName", "")) if isinstance(content, Mapping) else ""


def replay(body: bytes) -> Receive:
    """Return the body once more for whoever reads it next."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _refusal(kind: Kind, service: str) -> ApiError:
    """Return what a service of AWS answers when it is in this trouble.

    The statuses are those that AWS clients retry: that is what is rehearsed. Codes: S3 API reference,
    ErrorResponses; CommonErrors of the others.
    """
    is_s3 = service == "s3"
    match kind:
        case Kind.THROTTLE if is_s3:
            return ApiError("SlowDown", "Please reduce your request rate.", status=503)
        case Kind.THROTTLE:
            return ApiError("ThrottlingException", "Rate exceeded")
        case Kind.SERVER_ERROR if is_s3:
            return ApiError(
                "InternalError", "We encountered an internal error. Please try again.", status=500
            )
        case Kind.SERVER_ERROR:
            message = "The request processing has failed because of an unknown error, exception or failure."
            return ApiError("InternalFailure", message, status=500)
        case Kind.REGION_DOWN if is_s3:
            return ApiError("ServiceUnavailable", "Service is unable to handle request.", status=503)
        case Kind.REGION_DOWN:
            message = "The request has failed due to a temporary failure of the server."
            return ApiError("ServiceUnavailable", message, status=503)
        case _:
            raise AssertionError(f"a fault of the kind {kind} befalls no call")


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
