"""What a container writes, sent to CloudWatch Logs as SageMaker does.

Group ``/aws/sagemaker/Endpoints/NAME``, one stream for each instance: ``VARIANT/INSTANCE``.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.world import Scope

# PutLogEvents takes 10 000 events and 1 048 576 bytes at once, where an event counts 26 bytes and its text.
_MAX_EVENTS = 1_000
_MAX_LINE_BYTES = 200_000
_MAX_BATCH_BYTES = 1_000_000
_EVENT_BYTES = 26
_BATCH_SECONDS = 0.2

Event = tuple[int, str]
"""Milliseconds since 1970, and a line."""


def group_of(endpoint: str) -> str:
    """Return the log group of an endpoint.

    >>> group_of("digits")
    '/aws/sagemaker/Endpoints/digits'
    """
    return f"/aws/sagemaker/Endpoints/{endpoint}"


@dataclass(frozen=True, slots=True)
class Stream:
    """Where the lines go."""

    scope: Scope
    group: str
    name: str


class ContainerLog:
    """One log stream. Lines keep their order and are sent in batches, at the latest by `flush`."""

    def __init__(self, clients: Clients, stream: Stream, clock: Callable[[], float]) -> None:
        self._clients = clients
        self._stream = stream
        self._clock = clock
        self._waiting: list[Event] = []
        self._sending = asyncio.Lock()
        self._timer: asyncio.Task[None] | None = None
        self._exists = False

    def write(self, line: str) -> None:
        """Add one line, to be sent within a moment."""
        # An event must not be empty: CloudWatch Logs API reference, InputLogEvent.
        self._waiting.append((round(self._clock() * 1000), line[:_MAX_LINE_BYTES] or " "))
        if self._timer is None or self._timer.done():
            self._timer = asyncio.create_task(self._send_soon())

    async def flush(self) -> None:
        """Return once every line written so far can be read in CloudWatch Logs."""
        async with self._sending:
            waiting, self._waiting = self._waiting, []
            if waiting:
                await asyncio.to_thread(self._send, waiting)

    async def close(self) -> None:
        """Send what waits, and send nothing after it."""
        await self.flush()
        if self._timer is not None:
            self._timer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._timer

    async def _send_soon(self) -> None:
        await asyncio.sleep(_BATCH_SECONDS)
        await self.flush()

    def _send(self, events: Sequence[Event]) -> None:
        logs = self._clients.client("logs", self._stream.scope)
        place = {"logGroupName": self._stream.group, "logStreamName": self._stream.name}
        try:
            if not self._exists:
                with _unless_there():
                    logs.create_log_group(logGroupName=self._stream.group)
                with _unless_there():
                    logs.create_log_stream(**place)
                self._exists = True
            for batch in batches(events):
                logs.put_log_events(
                    **place, logEvents=[{"timestamp": at, "message": line} for at, line in batch]
                )
        except (ClientError, BotoCoreError):
            # The endpoint must go on without its log, as it does on AWS.
            logging.getLogger(__name__).exception("lines of %s are lost", self._stream.name)


@contextlib.contextmanager
def _unless_there() -> Iterator[None]:
    """Let somebody else be first.

    By the error's code: a client makes its exception classes when they are first asked for, and two threads
    that ask at once get two of each.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
            raise


def batches(events: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield ``events`` in order, in lists that PutLogEvents accepts.

    >>> list(batches([(1, "a"), (1, "b")]))
    [[(1, 'a'), (1, 'b')]]
    """
    batch: list[Event] = []
    size_bytes = 0
    for at, line in events:
        weight = len(line.encode()) + _EVENT_BYTES
        if batch and (len(batch) == _MAX_EVENTS or size_bytes + weight > _MAX_BATCH_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append((at, line))
        size_bytes += weight
    if batch:
        yield batch
