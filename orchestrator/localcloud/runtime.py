"""The data plane: ``InvokeEndpoint``, in the exact form that AWS clients expect.

Bodies are raw bytes both ways. Forms and texts: captured answers of AWS in public test suites, and
aws/amazon-sagemaker-examples#1809, #4324, #799, #245, #293.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.containerlog import group_of
from orchestrator.localcloud.deployments import is_async
from orchestrator.localcloud.exchange import MAX_BODY_BYTES, Answer, BrokenAnswerError, Headers
from orchestrator.localcloud.fleet import Place
from orchestrator.localcloud.metrics import Invocation
from orchestrator.localcloud.traffic import Share, Traffic

_TIMEOUT_SECONDS = 60.0
_TIMED_OUT = (
    "Your invocation timed out while waiting for a response from container primary. Review the latency "
    "metrics for each container in Amazon CloudWatch, resolve the issue, and try again."
)
_MAX_MESSAGE = 2048
# "4 MB": SageMaker developer guide, serverless-endpoints-invoke.
_MAX_SERVERLESS_BYTES = 4 * 2**20
CLIENT_ERROR = 400
"""From this status on a container's answer is an error of the model."""

_SERVER_ERROR = 500
PREFIX = "x-amzn-sagemaker-"
"""What the headers of the data plane begin with."""

_CHANCE = secrets.SystemRandom()

Asked = Answer | TimeoutError | BrokenAnswerError
"""What came of a request to a model."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was answered, for what captures data.

    Attributes:
        headers: Of the request, as the container got them.
        at: When the request came, in seconds since 1970.
    """

    place: Place
    share: Share
    headers: Headers
    body: bytes
    answer: Answer
    at: float


def _uncaptured(_: Exchange) -> None:
    """Capture nothing."""


class Runtime:
    """Sends requests to the fleets of an endpoint.

    Args:
        traffic: Returns who answers requests for an endpoint now.
        record: Takes each request that reached a fleet, for the metrics.
        capture: Takes each request that was answered, and what was answered.
        timeout_seconds: How long a model may take to answer.
    """

    def __init__(
        self,
        traffic: Callable[[Place], Traffic | None],
        record: Callable[[Invocation], None],
        capture: Callable[[Exchange], None] = _uncaptured,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._traffic = traffic
        self._record = record
        self._capture = capture
        self._timeout_seconds = timeout_seconds
        self._copies: set[asyncio.Task[Asked]] = set()

    async def invoke(self, place: Place, request: Request) -> Response:
        """Answer ``InvokeEndpoint``.

        Raises:
            ApiError: If the request cannot be sent to a model.
        """
        body = await read_body(request)
        # From here to the fleet nothing may wait: a fleet ends once it has nothing to answer, and does not
        # know of a request that is still on its way.
        traffic, share = self.admit(place, request, len(body))
        headers, at = passed_on(request), time.time()
        self.copy(place, traffic, share, headers, body)
        answer = await self.ask(place, share, headers, body, self._timeout_seconds)
        if not isinstance(answer, Answer) or answer.status >= CLIENT_ERROR:
            return failure(place, answer)
        self._capture(Exchange(place, share, headers, body, answer, at))
        return Response(answer.body, answer.status, returned(answer.headers, share.variant.name))

    def traffic(self, place: Place) -> Traffic:
        """Return who answers requests for an endpoint.

        Raises:
            ApiError: If nobody does.
        """
        traffic = self._traffic(place)
        if traffic is None:
            # AWS says the same of an endpoint that is not InService.
            raise refused(f"Endpoint {place.endpoint} of account {place.scope.account} not found.")
        return traffic

    def admit(self, place: Place, request: Request, size_bytes: int) -> tuple[Traffic, Share]:
        """Return who answers requests for an endpoint, and which of them this one.

        Raises:
            ApiError: If nobody does, or nobody takes this one.
        """
        traffic = self.traffic(place)
        share = choose(traffic, place, request.headers.get(f"{PREFIX}target-variant"))
        if is_async(share.deployment):
            raise refused(f"Endpoint {place.endpoint} takes asynchronous invocations only.")
        _check_room(share, size_bytes)
        return traffic, share

    async def ask(
        self, place: Place, share: Share, headers: Headers, body: bytes, timeout_seconds: float
    ) -> Asked:
        """Return the answer, or why there is none: that counts as an invocation as well."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                answer: Asked = await share.fleet.ask(headers, body)
        except (TimeoutError, BrokenAnswerError) as error:
            answer = error
        self.count(place, share, answer.status if isinstance(answer, Answer) else 0, began)
        return answer

    def count(self, place: Place, share: Share, status: int, began: float) -> None:
        """Count one request for the metrics, now that it is answered.

        Args:
            place: The endpoint.
            share: Whose fleet had it.
            status: The container's own HTTP status; 0 if there was no whole answer.
            began: When the fleet got it, by `time.monotonic`.
        """
        latency_us = round((time.monotonic() - began) * 1_000_000)
        names = share.variant.name, share.deployment.config
        self._record(Invocation(place, *names, status, latency_us, time.time()))

    async def close(self) -> None:
        """Give up the copies that shadows have not answered."""
        for copy in self._copies:
            copy.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    def copy(self, place: Place, traffic: Traffic, share: Share, headers: Headers, body: bytes) -> None:
        """Send a copy to the shadow, in the ratio of its weight to that of what it shadows."""
        for shadow in traffic.shadows:
            weight = share.variant.weight
            if weight and _CHANCE.random() < shadow.variant.weight / weight:
                copy = asyncio.create_task(self.ask(place, shadow, headers, body, self._timeout_seconds))
                self._copies.add(copy)
                copy.add_done_callback(self._copies.discard)


def choose(traffic: Traffic, place: Place, target: str | None) -> Share:
    """Return who is to answer a request.

    Raises:
        ApiError: If the request names a variant that there is not.
    """
    share = traffic.choose(target)
    if share is None:
        raise refused(f"Variant {target} of endpoint {place.endpoint} not found.")
    return share


def _check_room(share: Share, size_bytes: int) -> None:
    """Check what a serverless variant takes: developer guide, serverless-endpoints-invoke.

    Raises:
        ApiError: If the request is too large, or one too many.
    """
    serverless = share.variant.serverless
    if serverless is None:
        return
    if size_bytes > _MAX_SERVERLESS_BYTES:
        message = f"HTTP content length exceeded {_MAX_SERVERLESS_BYTES} bytes."
        raise ApiError("RequestEntityTooLarge", message, status=413)
    if share.fleet.answering >= serverless["MaxConcurrency"]:
        raise ApiError("ThrottlingException", "Rate exceeded", status=429)


async def read_body(request: Request) -> bytes:
    """Return the whole body.

    Raises:
        ApiError: If it is too large for any endpoint.
    """
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


def passed_on(request: Request) -> list[tuple[str, str]]:
    """Return the headers the container gets: SageMaker drops those that its API does not name."""
    return [
        (name, value)
        for name, value in request.headers.items()
        if name in {"content-type", "accept"} or name.startswith(PREFIX)
    ]


def returned(headers: Headers, variant: str) -> dict[str, str]:
    """Return the headers that callers get of a container's."""
    passed = {name: value for name, value in headers if name == "content-type" or name.startswith(PREFIX)}
    return {**passed, "x-Amzn-Invoked-Production-Variant": variant}


def refused(message: str) -> ApiError:
    """Return a refusal in the data plane's spelling: ValidationError, not ValidationException."""
    return ApiError("ValidationError", message)


def failure(place: Place, asked: Asked) -> Response:
    """Return what callers get of a model that refused a request, or did not answer it."""
    match asked:
        case TimeoutError():
            return _model_error(place, 0, "", _TIMED_OUT)
        case BrokenAnswerError():
            return _model_error(place, 0, str(asked))
        case Answer():
            return _model_error(place, asked.status, asked.body.decode("utf-8", "replace"))


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
    if not CLIENT_ERROR <= status < _SERVER_ERROR:
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
