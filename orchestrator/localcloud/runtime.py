"""The data plane: ``InvokeEndpoint``, in the exact form that AWS clients expect.

Bodies are raw bytes both ways. Forms and texts: captured answers of AWS in public test suites, and
aws/amazon-sagemaker-examples#1809, #4324, #799, #245, #293.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.containerlog import group_of
from orchestrator.localcloud.exchange import MAX_BODY_BYTES, Answer, BrokenAnswerError, Headers
from orchestrator.localcloud.fleet import Fleet, Place
from orchestrator.localcloud.metrics import Invocation

INVOCATIONS = "invocations"
_OTHERS = {
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_TIMEOUT_SECONDS = 60.0
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency "
    "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_MAX_MESSAGE = 2048
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_PREFIX = "x-amzn-sagemaker-"
_CHANCE = secrets.SystemRandom()


class Runtime:
    """Sends requests to the fleets of an endpoint.

    Args:
        fleets: Returns the fleets that requests for an endpoint go to now.
        record: Takes each request that reached a fleet, for the metrics.
        timeout_seconds: How long a model may take to answer.
    """

    def __init__(
        self,
        fleets: Callable[[Place], Sequence[Fleet]],
        record: Callable[[Invocation], None],
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._fleets = fleets
        self._record = record
        self._timeout_seconds = timeout_seconds

    async def invoke(self, place: Place, kind: str, request: Request) -> Response:
        """Answer ``POST /endpoints/NAME/KIND``.

        Raises:
            ApiError: If the request cannot be sent to a model.
        """
        if request.method != "POST":
            raise ApiError("MethodNotAllowed", f"{request.method} {request.url.path}", status=405)
        if kind != INVOCATIONS:
            raise unsupported(_OTHERS[kind])
        body = await _body(request)
        # From here to the fleet nothing may wait: a fleet ends once it has nothing to answer, and does not
        # know of a request that is still on its way.
        fleets = self._fleets(place)
        if not fleets:
            # AWS says the same of an endpoint that is not InService.
            raise _refused(f"Endpoint {place.endpoint} of account {place.scope.account} not found.")
        fleet = _choose(fleets, request.headers.get(f"{_PREFIX}target-variant"), place)
        began = time.monotonic()
        answer = await self._ask(fleet, _passed_on(request), body)
        latency_us = round((time.monotonic() - began) * 1_000_000)
        status = answer.status if isinstance(answer, Answer) else 0
        self._record(Invocation(place, fleet.variant.name, status, latency_us, time.time()))
        match answer:
            case TimeoutError():
                return _model_error(place, 0, "", _TIMED_OUT)
            case BrokenAnswerError():
                return _model_error(place, 0, str(answer))
            case Answer() if answer.status >= _CLIENT_ERROR:
                return _model_error(place, answer.status, answer.body.decode("utf-8", "replace"))
            case Answer():
                return Response(answer.body, answer.status, _returned(answer, fleet.variant.name))

    async def _ask(
        self, fleet: Fleet, headers: Headers, body: bytes
    ) -> Answer | TimeoutError | BrokenAnswerError:
        """Return the answer, or why there is none: that counts as an invocation as well."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await fleet.ask(headers, body)
        except (TimeoutError, BrokenAnswerError) as error:
            return error


def _choose(fleets: Sequence[Fleet], target: str | None, place: Place) -> Fleet:
    """Return the fleet of the variant ``target``, or one by the variants' weights."""
    if target is not None:
        for fleet in fleets:
            if fleet.variant.name == target:
                return fleet
        raise _refused(f"Variant {target} of endpoint {place.endpoint} not found.")
    weights = [fleet.variant.weight for fleet in fleets]
    # Without any weight there is no share to keep to.
    return _CHANCE.choices(fleets, weights if any(weights) else None)[0]


async def _body(request: Request) -> bytes:
    body, size_bytes = bytearray(), 0
    async for chunk in request.stream():
        # Too large a body is read to its end: a client that is still sending would not see the answer.
        size_bytes += len(chunk)
        if size_bytes <= MAX_BODY_BYTES:
            body += chunk
    if size_bytes > MAX_BODY_BYTES:
        message = f"HTTP content length exceeded {MAX_BODY_BYTES} bytes."
        raise ApiError("RequestEntityTooLarge", message, status=413)
    return bytes(body)


def _passed_on(request: Request) -> list[tuple[str, str]]:
    """Return the headers the container gets: SageMaker drops those that its API does not name."""
    return [
        (name, value)
        for name, value in request.headers.items()
        if name in {"content-type", "accept"} or name.startswith(_PREFIX)
    ]


def _returned(answer: Answer, variant: str) -> dict[str, str]:
    passed = {
        name: value for name, value in answer.headers if name == "content-type" or name.startswith(_PREFIX)
    }
    return {**passed, "x-Amzn-Invoked-Production-Variant": variant}


def _refused(message: str) -> ApiError:
    """Return a refusal in the data plane's spelling: ValidationError, not ValidationException."""
    return ApiError("ValidationError", message)


def _model_error(place: Place, status: int, original: str, message: str = "") -> Response:
    """Return what clients get of a failed model: status 424 and the container's own answer.

    Args:
        place: The endpoint.
        status: The container's own status; 0 if there was no answer.
        original: The container's own words.
        message: What happened, where it is not what the container said.
    """
    scope, group = place.scope, group_of(place.endpoint)
    side, code = "client", "CLIENT_ERROR_FROM_MODEL"
    if not _CLIENT_ERROR <= status < _SERVER_ERROR:
        side, code = "server", "INTERNAL_FAILURE_FROM_MODEL"
    said = message or f'Received {side} error ({status}) from primary with message "{original}".'
    console = f"https://{scope.region}.console.aws.amazon.com/cloudwatch/home?region={scope.region}"
    where = f"See {console}#logEventViewer:group={group} in account {scope.account} for more information."
    content = {
        "ErrorCode": code,
        "LogStreamArn": f"arn:aws:logs:{scope.region}:{scope.account}:log-group:{group}",
        "Message": f"{said} {where}"[:_MAX_MESSAGE],
        "OriginalMessage": original,
        "OriginalStatusCode": status,
    }
    return JSONResponse(content, 424, {"x-amzn-errortype": "ModelError"})
