"""The data plane: ``InvokeEndpoint``, in the exact form that AWS clients expect.

Bodies are raw bytes both ways, whatever their encoding.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.cloudwatch.metrics import Invocation
from orchestrator.localcloud.dataplane import members
from orchestrator.localcloud.dataplane.admission import (
    COMPONENT,
    TARGET_MODEL,
    Admitted,
    bounds_of,
    check_room,
    choose,
    host_of,
    mode_of,
    named_headers,
    read_body,
    returned,
    sets_up,
)
from orchestrator.localcloud.dataplane.hearing import while_heard
from orchestrator.localcloud.dataplane.modelerrors import CLIENT_ERROR, Asked, failure, refused
from orchestrator.localcloud.dataplane.sessions import HEADER, NEW, Sessions
from orchestrator.localcloud.dataplane.traffic import Share, Traffic
from orchestrator.localcloud.fleets.exchange import Answer, BrokenAnswerError, Headers, LostInstanceError
from orchestrator.localcloud.rules.deployments import is_async
from orchestrator.localcloud.world import Place

_TIMEOUT_SECONDS = 60.0
# What may go before the model has the request: a cold start ("3 minutes", serverless-endpoints-invoke) or the
# load of a target model ("60 seconds", invoke-multi-model-endpoint), each of which ends by itself.
_SETUP_SECONDS = 200.0
_CHANCE = secrets.SystemRandom()


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


def _no_component(place: Place, name: str) -> Share:
    raise refused(f"Inference component {name} of endpoint {place.endpoint} not found.")


class Runtime:
    """Sends requests to the fleets of an endpoint.

    Args:
        traffic: Returns who answers requests for an endpoint now.
        record: Takes each request that reached a fleet, for the metrics.
        capture: Takes each request that was answered, and what was answered.
        component: Returns who answers for an inference component, or raises `ApiError`.
        timeout_seconds: How long a model may take to answer.
    """

    def __init__(
        self,
        traffic: Callable[[Place], Traffic | None],
        record: Callable[[Invocation], None],
        capture: Callable[[Exchange], None] = _uncaptured,
        component: Callable[[Place, str], Share] = _no_component,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._traffic = traffic
        self._record = record
        self._capture = capture
        self._component = component
        self._timeout_seconds = timeout_seconds
        self._sessions = Sessions()
        self._copies: set[asyncio.Task[Asked]] = set()

    async def invoke(self, place: Place, request: Request) -> Response:
        """Answer ``InvokeEndpoint``.

        Raises:
            ApiError: If the request cannot be sent to a model.
        """
        began = time.monotonic()
        body = await read_body(request)
        # From here to the fleet nothing may wait: a fleet ends once it has nothing to answer, and does not
        # know of a request that is still on its way.
        admitted = self.admit("InvokeEndpoint", place, request, len(body), began)
        at = time.time()
        self.copy(admitted, body)
        async with while_heard(request.receive):
            answer = await self.ask(admitted, body, self._timeout_seconds)
        if not isinstance(answer, Answer) or answer.status >= CLIENT_ERROR:
            return failure(place, answer)
        self._sessions.note(place, admitted.share, answer)
        self._capture(Exchange(place, admitted.share, admitted.headers, body, answer, at))
        return Response(answer.body, answer.status, returned(answer.headers, admitted.share))

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

    def admit(
        self, operation: str, place: Place, request: Request, size_bytes: int, began: float
    ) -> Admitted:
        """Return who answers requests for an endpoint, and which of them this one.

        Raises:
            ApiError: If nobody does, or nobody takes this one.
        """
        named = named_headers(request)
        members.check(operation, place.endpoint, named)
        traffic = self.traffic(place)
        share, instance = self._chosen(place, traffic, named)
        if is_async(share.deployment):
            raise refused(f"Endpoint {place.endpoint} takes asynchronous invocations only.")
        check_room(share, size_bytes)
        return Admitted(place, traffic, share, tuple(named.items()), began, instance)

    def _chosen(self, place: Place, traffic: Traffic, named: Mapping[str, str]) -> tuple[Share, str | None]:
        component, session = named.get(COMPONENT), named.get(HEADER, NEW)
        share = self._component(place, component) if component else None
        if session != NEW:
            return self._sessions.find(place, session, (share,) if share else traffic.shares)
        return share or choose(traffic, place, named), None

    async def ask(self, admitted: Admitted, body: bytes, timeout_seconds: float) -> Asked:
        """Return the answer, or why there is none: that counts as an invocation as well.

        Raises:
            ApiError: If the request's session is lost, or the model asked for is not there.
        """
        share, setup = admitted.share, _SETUP_SECONDS if sets_up(admitted.share) else 0.0
        asked = time.monotonic()
        try:
            async with asyncio.timeout(timeout_seconds + setup):
                answer: Asked = await share.fleet.ask(admitted.headers, body, admitted.instance)
        except LostInstanceError as error:
            raise self.lost(admitted) from error
        except (TimeoutError, BrokenAnswerError) as error:
            answer = error
        setup_us = answer.setup_us if isinstance(answer, Answer) else 0
        self.count(admitted, answer.status if isinstance(answer, Answer) else 0, asked, setup_us)
        return answer

    def lost(self, admitted: Admitted) -> ApiError:
        """Return what a request is told whose session went with its instance."""
        return self._sessions.lost(admitted.place, dict(admitted.headers)[HEADER])

    def count(self, admitted: Admitted, status: int, asked: float, setup_us: int) -> None:
        """Count one request for the metrics, now that it is answered.

        Args:
            admitted: The request.
            status: The container's own HTTP status; 0 if there was no whole answer.
            asked: When the fleet got it, by `time.monotonic`.
            setup_us: How long it waited for a container, in microseconds.
        """
        now, share = time.monotonic(), admitted.share
        named = dict(admitted.headers)
        self._record(
            Invocation(
                admitted.place,
                host_of(share),
                share.deployment.config,
                status,
                latency_us=max(round((now - asked) * 1_000_000) - setup_us, 0),
                at=time.time(),
                overhead_us=round((asked - admitted.began) * 1_000_000) + setup_us,
                setup_us=setup_us,
                instances=max(share.variant.count, 1),
                concurrent=share.fleet.answering + 1,
                mode=mode_of(share),
                component=named.get(COMPONENT, ""),
                model=named.get(TARGET_MODEL, ""),
                most=bounds_of(share),
            )
        )

    async def close(self) -> None:
        """Give up the copies that shadows have not answered."""
        for copy in self._copies:
            copy.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    def copy(self, admitted: Admitted, body: bytes) -> None:
        """Send a copy to the shadow, in the ratio of its weight to that of what it shadows."""
        for shadow in admitted.traffic.shadows:
            weight = admitted.share.variant.weight
            if weight and _CHANCE.random() < shadow.variant.weight / weight:
                copied = Admitted(
                    admitted.place, admitted.traffic, shadow, admitted.headers, time.monotonic()
                )
                copy = asyncio.create_task(self.ask(copied, body, self._timeout_seconds))
                self._copies.add(copy)
                copy.add_done_callback(self._copies.discard)
