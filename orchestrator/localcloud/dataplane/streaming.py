"""``InvokeEndpointWithResponseStream``: the parts of an answer as the model sends them.

Each part is one message of AWS's binary event stream, and so is what breaks an answer off once it has begun:
the message then names ``ModelStreamError``, with the code ``ModelInvocationTimeExceeded`` or ``StreamBroken``
(service model of ``sagemaker-runtime``). What goes wrong before that is answered as by ``InvokeEndpoint``.
"""

import asyncio
import json
import struct
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from orchestrator.localcloud.dataplane.admission import PREFIX, Admitted, read_body, returned
from orchestrator.localcloud.dataplane.hearing import while_heard
from orchestrator.localcloud.dataplane.modelerrors import CLIENT_ERROR, failure
from orchestrator.localcloud.dataplane.runtime import Runtime
from orchestrator.localcloud.fleets.exchange import (
    BrokenAnswerError,
    Headers,
    LostInstanceError,
    Streamed,
    gathered,
)
from orchestrator.localcloud.world import Place

# "8 minutes" for a streaming answer: SageMaker developer guide, model-hosting-faqs.
_TIMEOUT_SECONDS = 480.0
_STREAM = "application/vnd.amazon.eventstream"
_ACCEPT = f"{PREFIX}accept"
# Lengths of the whole message and of its headers, then the checksum of both.
_LENGTHS, _CHECKSUM = struct.Struct("!II"), struct.Struct("!I")
_AROUND_BYTES = _LENGTHS.size + 2 * _CHECKSUM.size
_NAME, _STRING = struct.Struct("!B"), struct.Struct("!BH")
_IS_STRING = 7
_OPERATION = "InvokeEndpointWithResponseStream"
_LATE = ("ModelInvocationTimeExceeded", "The model did not finish its response in time.")
_BROKEN = ("StreamBroken", "The connection to the model was closed.")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request that a fleet has."""

    admitted: Admitted
    began: float
    until: float
    setup_us: int = 0


class StreamRuntime:
    """Sends requests to the fleets of an endpoint, and passes their answers on in parts.

    Args:
        runtime: Knows who answers.
        timeout_seconds: How long a model may take until the end of its answer.
    """

    def __init__(self, runtime: Runtime, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        self._runtime = runtime
        self._timeout_seconds = timeout_seconds

    async def invoke(self, place: Place, request: Request) -> Response:
        """Answer ``InvokeEndpointWithResponseStream``.

        Raises:
            ApiError: If the request cannot be sent to a model.
        """
        came = time.monotonic()
        body = await read_body(request)
        # As in `Runtime.invoke`: from here to the fleet nothing may wait.
        admitted = self._runtime.admit(_OPERATION, place, request, len(body), came)
        admitted = replace(admitted, headers=_accepting(admitted.headers))
        self._runtime.copy(admitted, body)
        until = asyncio.get_running_loop().time() + self._timeout_seconds
        async with while_heard(request.receive):
            return await self._begun(_Asked(admitted, time.monotonic(), until), body)

    async def _begun(self, asked: _Asked, body: bytes) -> Response:
        """Return the answer that has begun, or why there is none."""
        admitted = asked.admitted
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(asked.until):
                    begun = admitted.share.fleet.stream(admitted.headers, body, admitted.instance)
                    answer = await stack.enter_async_context(begun)
                    whole = await gathered(answer) if answer.status >= CLIENT_ERROR else None
            except LostInstanceError as error:
                raise self._runtime.lost(admitted) from error
            except (TimeoutError, BrokenAnswerError) as error:
                self._count(asked, 0)
                return failure(admitted.place, error)
            asked = replace(asked, setup_us=answer.setup_us)
            if whole is not None:
                self._count(asked, whole.status)
                return failure(admitted.place, whole)
            named = returned(answer.headers, admitted.share)
            kind = named.pop("content-type", None)
            told = {f"{PREFIX}content-type": kind} if kind else {}
            messages = self._messages(asked, answer)
            stack.push_async_callback(messages.aclose)
            return _EventStream(messages, {**named, **told}, stack.pop_all())

    async def _messages(self, asked: _Asked, answer: Streamed) -> AsyncGenerator[bytes, None]:
        """Yield the answer, part by part, and what breaks it off, if something does."""
        status = answer.status
        try:
            while True:
                async with asyncio.timeout_at(asked.until):
                    part = await anext(answer.parts, None)
                if part is None:
                    return
                yield message({":message-type": "event", ":event-type": "PayloadPart"}, part)
        except (TimeoutError, BrokenAnswerError) as error:
            status = 0
            yield _broken_off(error)
        finally:
            self._count(asked, status)

    def _count(self, asked: _Asked, status: int) -> None:
        self._runtime.count(asked.admitted, status, asked.began, asked.setup_us)


class _EventStream(StreamingResponse):
    """A stream that holds on to the model's connection until it is sent, or nobody reads it any more."""

    def __init__(
        self, content: AsyncIterator[bytes], headers: Mapping[str, str], held: AsyncExitStack
    ) -> None:
        super().__init__(content, headers=headers, media_type=_STREAM)
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._held:
            await super().__call__(scope, receive, send)


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message of an event stream.

    Form: Smithy specification, "Amazon Event Stream Specification": two lengths, their checksum, headers,
    payload, checksum of all before it.
    """
    named = {**headers, ":content-type": headers.get(":content-type", "application/octet-stream")}
    encoded = b"".join(
        _NAME.pack(len(name)) + name.encode() + _STRING.pack(_IS_STRING, len(value)) + value.encode()
        for name, value in named.items()
    )
    lengths = _LENGTHS.pack(_AROUND_BYTES + len(encoded) + len(payload), len(encoded))
    checked = lengths + _CHECKSUM.pack(zlib.crc32(lengths)) + encoded + payload
    return checked + _CHECKSUM.pack(zlib.crc32(checked))


def _broken_off(error: Exception) -> bytes:
    code, words = _LATE if isinstance(error, TimeoutError) else _BROKEN
    headers = {
        ":message-type": "exception",
        ":exception-type": "ModelStreamError",
        ":content-type": "application/json",
    }
    return message(headers, json.dumps({"Message": words, "ErrorCode": code}).encode())


def _accepting(headers: Headers) -> Headers:
    """Return the container's headers: what it is to answer in has another name in this call."""
    accepted = [("accept", value) for name, value in headers if name == _ACCEPT]
    replaced = {"accept", _ACCEPT} if accepted else {_ACCEPT}
    return [*((name, value) for name, value in headers if name not in replaced), *accepted]
