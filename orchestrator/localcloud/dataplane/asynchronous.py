"""``InvokeEndpointAsync``: requests wait in line, and answers go to S3.

Requests of an endpoint are begun in the order in which they came, as many at once as its instances take;
while there is no instance they wait.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.dataplane import members
from orchestrator.localcloud.dataplane.admission import PREFIX, Admitted, choose, named_headers, read_body
from orchestrator.localcloud.dataplane.jobs import Job, job_of
from orchestrator.localcloud.dataplane.modelerrors import CLIENT_ERROR, refused
from orchestrator.localcloud.dataplane.results import Results, TooLargeError
from orchestrator.localcloud.dataplane.runtime import Runtime
from orchestrator.localcloud.dataplane.traffic import Traffic
from orchestrator.localcloud.fleets.exchange import Answer, Headers
from orchestrator.localcloud.rules.deployments import is_async
from orchestrator.localcloud.world import Content, Place

_ACCEPTED = 202
_EXPIRED = "the request expired in line"
# Unsaid, SageMaker chooses "an optimal value"; nobody says which.
_AT_ONCE = 4
# How often a line looks whether there are instances, or requests have expired: both change without an event.
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Backlog:
    """What an endpoint has not answered yet.

    Attributes:
        size: How many requests wait or are being answered.
        oldest_seconds: How long the oldest of them has been here; 0 if there is none.
    """

    size: int
    oldest_seconds: float


@dataclass(slots=True)
class _Line:
    """The requests of one endpoint that are not answered yet."""

    waiting: deque[Job] = field(default_factory=deque)
    running: dict[asyncio.Task[None], Job] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class AsyncRuntime:
    """Keeps the lines of asynchronous endpoints.

    Args:
        runtime: Knows who answers.
        clients: For S3 and SNS.
        clock: Seconds since 1970.
    """

    def __init__(self, runtime: Runtime, clients: Clients, clock: Callable[[], float] = time.time) -> None:
        self._runtime = runtime
        self._results = Results(clients, clock)
        self._clock = clock
        self._lines: dict[Place, _Line] = {}
        self._pumps: set[asyncio.Task[None]] = set()

    async def invoke(self, place: Place, request: Request) -> Response:
        """Take a request, and say where its answer will be.

        Raises:
            ApiError: If the endpoint takes none, or the request says not where its input is, or twice.
        """
        body, named = await read_body(request), named_headers(request)
        members.check("InvokeEndpointAsync", place.endpoint, named)
        # Also here, so that a request to nobody is refused at once.
        choose(self._runtime.traffic(place), place, named)
        job = job_of(place, named, body, self._content(place), self._clock())
        self._enter(job)
        headers = {f"{PREFIX}outputlocation": job.output}
        if job.failure:
            headers[f"{PREFIX}failurelocation"] = job.failure
        return JSONResponse({"InferenceId": job.inference_id}, _ACCEPTED, headers)

    def backlog(self, place: Place) -> Backlog:
        """Return what an endpoint has not answered yet."""
        line = self._lines.get(place)
        jobs = [*line.waiting, *line.running.values()] if line else []
        oldest = min((job.received for job in jobs), default=self._clock())
        return Backlog(len(jobs), max(self._clock() - oldest, 0.0))

    async def close(self) -> None:
        """Give up what waits."""
        tasks = [*self._pumps, *(task for line in self._lines.values() for task in line.running)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _content(self, place: Place) -> Content:
        deployment = self._runtime.traffic(place).shares[0].deployment
        if not is_async(deployment):
            raise refused(f"Endpoint {place.endpoint} takes no asynchronous invocations.")
        content: Content = deployment.content["AsyncInferenceConfig"]
        return content

    def _enter(self, job: Job) -> None:
        line = self._lines.get(job.place)
        if line is None:
            line = self._lines[job.place] = _Line()
            pump = asyncio.create_task(self._pump(job.place, line))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)
        line.waiting.append(job)
        line.changed.set()

    async def _pump(self, place: Place, line: _Line) -> None:
        """Begin the requests of a line, until there are none left."""
        while line.waiting or line.running:
            line.changed.clear()
            traffic = self._traffic(place)
            if traffic is None:
                line.waiting.clear()
            self._expire(line)
            while traffic is not None and line.waiting and len(line.running) < _room(traffic):
                self._begin(line, line.waiting.popleft())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await line.changed.wait()
        del self._lines[place]

    def _traffic(self, place: Place) -> Traffic | None:
        try:
            return self._runtime.traffic(place)
        except ApiError:
            return None

    def _expire(self, line: _Line) -> None:
        now = self._clock()
        for job in [job for job in line.waiting if now - job.received > job.life_seconds]:
            line.waiting.remove(job)
            self._begin(line, job, is_expired=True)

    def _begin(self, line: _Line, job: Job, *, is_expired: bool = False) -> None:
        task = asyncio.create_task(self._finish(job, is_expired=is_expired))
        line.running[task] = job

        def finished(done: asyncio.Task[None]) -> None:
            del line.running[done]
            line.changed.set()

        task.add_done_callback(finished)

    async def _finish(self, job: Job, *, is_expired: bool) -> None:
        reason, answer = (_EXPIRED, None) if is_expired else await self._asked(job)
        try:
            await asyncio.to_thread(self._results.write, job, reason, answer)
        except (ClientError, BotoCoreError):
            # On AWS as well nobody is told but the metrics.
            logging.getLogger(__name__).exception("the answer to %s is lost", job.identity)

    async def _asked(self, job: Job) -> tuple[str, Answer | None]:
        """Return why a request failed, if it did, and what the model said."""
        try:
            body, kind = (job.body, "") if job.body else await asyncio.to_thread(self._results.read, job)
            headers = _typed(job.headers, kind)
            traffic = self._runtime.traffic(job.place)
            share = choose(traffic, job.place, dict(headers))
            admitted = Admitted(job.place, traffic, share, headers, time.monotonic())
            answer = await self._runtime.ask(admitted, body, job.timeout_seconds)
        except (ClientError, BotoCoreError, TooLargeError) as error:
            return f"the input {job.source} cannot be read: {error}", None
        except ApiError as error:
            return error.message, None
        if not isinstance(answer, Answer):
            return str(answer) or "the model did not answer in time", None
        return ("the model answered with an error" if answer.status >= CLIENT_ERROR else ""), answer


def _typed(headers: Headers, kind: str) -> Headers:
    """Return headers with the input's own content type, where the request says none.

    The SageMaker Python SDK v2 gives it to the object and not to the request.
    """
    said = any(name == "content-type" for name, _ in headers)
    return headers if said or not kind else [*headers, ("content-type", kind)]


def _room(traffic: Traffic) -> int:
    """Return how many requests all instances of an endpoint take at once."""
    share = traffic.shares[0]
    client = share.deployment.content["AsyncInferenceConfig"].get("ClientConfig") or {}
    at_once: int = client.get("MaxConcurrentInvocationsPerInstance", _AT_ONCE)
    return at_once * share.fleet.count
