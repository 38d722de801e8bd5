"""``InvokeEndpointAsync``: requests wait in line, and answers go to S3.

The form of what is written and told: SageMaker developer guide, async-inference.
"""

import asyncio
import datetime as dt
import json
import logging
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.artifacts import place_of
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.deployments import is_async
from orchestrator.localcloud.exchange import Answer, Headers
from orchestrator.localcloud.fleet import Place
from orchestrator.localcloud.runtime import (
    CLIENT_ERROR,
    PREFIX,
    Runtime,
    choose,
    passed_on,
    read_body,
    refused,
)
from orchestrator.localcloud.world import Content

_ACCEPTED = 202
_MAX_INLINE_BYTES = 128_000
_TIMEOUT_SECONDS, _LIFE_SECONDS = 900, 21_600
# Unsaid, SageMaker chooses "an optimal value"; nobody says which.
_AT_ONCE = 4
# How often a request in line looks whether there are instances again.
_LOOK_SECONDS = 0.2
_UNSUPPORTED = ("Filename", "S3OutputPathExtension")


@dataclass(frozen=True, slots=True)
class _Job:
    """One request in line, with all that its answer needs."""

    place: Place
    identity: str
    inference_id: str
    content: Content
    headers: Headers
    body: bytes | None
    source: str
    life_seconds: float
    timeout_seconds: float
    received: float

    @property
    def output(self) -> str:
        return _below(self.content["OutputConfig"]["S3OutputPath"], f"{self.identity}.out")

    @property
    def failure(self) -> str | None:
        path = self.content["OutputConfig"].get("S3FailurePath")
        return _below(path, f"{self.identity}-error.out") if path else None


class AsyncRuntime:
    """Keeps the lines of asynchronous endpoints.

    Args:
        runtime: Knows who answers.
        clients: For S3 and SNS.
    """

    def __init__(self, runtime: Runtime, clients: Clients) -> None:
        self._runtime = runtime
        self._clients = clients
        self._jobs: set[asyncio.Task[None]] = set()
        self._gates: dict[tuple[Place, int], asyncio.Semaphore] = {}

    async def invoke(self, place: Place, request: Request) -> Response:
        """Take a request, and say where its answer will be.

        Raises:
            ApiError: If the endpoint takes none, or the request says not where its input is, twice, or where
                the local cloud cannot read it.
        """
        job = _job(place, request, await read_body(request), self._content(place))
        task = asyncio.create_task(self._work(job))
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        headers = {f"{PREFIX}outputlocation": job.output}
        if job.failure:
            headers[f"{PREFIX}failurelocation"] = job.failure
        return JSONResponse({"InferenceId": job.inference_id}, _ACCEPTED, headers)

    async def close(self) -> None:
        """Give up what waits."""
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def _content(self, place: Place) -> Content:
        deployment = self._runtime.traffic(place).shares[0].deployment
        if not is_async(deployment):
            raise refused(f"Endpoint {place.endpoint} takes no asynchronous invocations.")
        content: Content = deployment.content["AsyncInferenceConfig"]
        return content

    async def _work(self, job: _Job) -> None:
        try:
            while self._runtime.traffic(job.place).shares[0].variant.count == 0:  # noqa: ASYNC110 - counts change without an event
                await asyncio.sleep(_LOOK_SECONDS)
            async with self._gate(job):
                reason, answer = await self._asked(job)
            await asyncio.to_thread(self._write, job, reason, answer)
        except (ClientError, BotoCoreError, ApiError):
            # On AWS as well nobody is told but the metrics.
            logging.getLogger(__name__).exception("the answer to %s is lost", job.identity)

    def _gate(self, job: _Job) -> asyncio.Semaphore:
        """Return what lets so many requests in at once as all instances take."""
        client = job.content.get("ClientConfig", {})
        share = self._runtime.traffic(job.place).shares[0]
        room = client.get("MaxConcurrentInvocationsPerInstance", _AT_ONCE) * max(share.variant.count, 1)
        return self._gates.setdefault((job.place, room), asyncio.Semaphore(room))

    async def _asked(self, job: _Job) -> tuple[str, Answer | None]:
        """Return why a request failed, if it did, and what the model said."""
        if time.time() - job.received > job.life_seconds:
            return "the request expired in line", None
        try:
            body = job.body if job.body is not None else await asyncio.to_thread(self._read, job)
        except (ClientError, BotoCoreError) as error:
            return f"the input {job.source} cannot be read: {error}", None
        share = choose(self._runtime.traffic(job.place), job.place, None)
        answer = await self._runtime.ask(job.place, share, job.headers, body, job.timeout_seconds)
        if not isinstance(answer, Answer):
            return str(answer) or "the model did not answer in time", None
        return ("the model answered with an error" if answer.status >= CLIENT_ERROR else ""), answer

    def _read(self, job: _Job) -> bytes:
        bucket, key = place_of(job.source)
        found: bytes = (
            self._clients.client("s3", job.place.scope).get_object(Bucket=bucket, Key=key)["Body"].read()
        )
        return found

    def _write(self, job: _Job, reason: str, answer: Answer | None) -> None:
        """Put the answer, or the failure, where it was said that it would be, and tell who wants to know."""
        where = job.failure if reason else job.output
        if where is not None:
            bucket, key = place_of(where)
            body = answer.body if answer else reason.encode()
            kind = dict(answer.headers).get("content-type") if answer else None
            self._clients.client("s3", job.place.scope).put_object(
                Bucket=bucket, Key=key, Body=body, ContentType=kind or "text/plain"
            )
        topics = job.content["OutputConfig"].get("NotificationConfig", {})
        if topic := topics.get("ErrorTopic" if reason else "SuccessTopic"):
            message = json.dumps(_notification(job, reason, where))
            self._clients.client("sns", job.place.scope).publish(TopicArn=topic, Message=message)


def _job(place: Place, request: Request, body: bytes, content: Content) -> _Job:
    said = request.headers
    for member in _UNSUPPORTED:
        if f"{PREFIX}{member.lower()}" in said:
            raise unsupported(f"{member} of InvokeEndpointAsync")
    source = said.get(f"{PREFIX}inputlocation", "")
    if bool(source) == bool(body):
        raise refused("Exactly one of InputLocation and Body must be specified.")
    if source:
        place_of(source)
    if len(body) > _MAX_INLINE_BYTES:
        raise refused(f"Body must have at most {_MAX_INLINE_BYTES} bytes.")
    identity = str(uuid.uuid4())
    renamed = {"content-type": said.get(f"{PREFIX}content-type"), "accept": said.get(f"{PREFIX}accept")}
    kept = [(name, value) for name, value in passed_on(request) if name not in renamed]
    return _Job(
        place,
        identity,
        said.get(f"{PREFIX}inference-id") or identity,
        content,
        [*kept, *((name, value) for name, value in renamed.items() if value)],
        body or None,
        source,
        _seconds(said, "requestttlseconds", _LIFE_SECONDS),
        _seconds(said, "invocationtimeoutseconds", _TIMEOUT_SECONDS),
        time.time(),
    )


def _seconds(headers: Mapping[str, str], name: str, usual: int) -> float:
    value = headers.get(f"{PREFIX}{name}", str(usual))
    if not value.isdecimal() or int(value) < 1:
        raise refused(f"{name} must be a whole number of seconds.")
    return float(value)


def _below(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}"


def _notification(job: _Job, reason: str, where: str | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "awsRegion": job.place.scope.region,
        "eventTime": _moment(time.time()),
        "receivedTime": _moment(job.received),
        "invocationStatus": "Failed" if reason else "Completed",
        "requestParameters": {"endpointName": job.place.endpoint, "inputLocation": job.source},
        "inferenceId": job.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
    }
    if reason:
        return {**told, "failureReason": reason, "responseParameters": {"failureLocation": where}}
    return {**told, "responseParameters": {"outputLocation": where}}


def _moment(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds")
