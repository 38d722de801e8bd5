"""One object of a transform job, from its records to its output: all of it, or nothing."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.transforms.invoking import Parameters
from orchestrator.localcloud.transforms.joining import Processing
from orchestrator.localcloud.transforms.sources import UNREADABLE
from orchestrator.localcloud.transforms.splitting import payloads, records

_NEWLINE = b"\n"

Ask = Callable[[bytes], Awaitable[bytes]]
"""Returns the model's answer to one request, or raises `TransformError`."""


@dataclass(frozen=True, slots=True)
class Transforming:
    """What is done to each object of a job.

    Attributes:
        split: ``SplitType`` of the API.
        lines: Whether answers are put together as lines.
        parameters: How large requests are, and how many may be under way at a time.
    """

    split: str
    lines: bool
    parameters: Parameters
    processing: Processing
    ask: Ask

    async def transform(self, source: BinaryIO, output: Path) -> None:
        """Write the answers to all records of ``source``, in their order.

        Memory holds as many payloads, with their answers, as are asked for at a time.

        Raises:
            TransformError: If one of them fails.
        """
        limit = self.parameters.limit_bytes
        several = self.parameters.several
        found = payloads(records(source, self.split, limit), several=several, limit_bytes=limit)
        under_way: deque[asyncio.Task[bytes]] = deque()
        try:
            with output.open("wb") as opened:
                while (payload := await asyncio.to_thread(_next, found)) is not None:
                    under_way.append(asyncio.create_task(self._answered(payload)))
                    if len(under_way) >= self.parameters.at_once:
                        opened.write(self._assembled(await under_way.popleft()))
                while under_way:
                    opened.write(self._assembled(await under_way.popleft()))
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _answered(self, payload: bytes) -> bytes:
        """Return what is kept of a payload; in a thread where its records are read, which takes a while."""
        processing = self.processing
        if processing.is_plain:
            return processing.output(payload, await self.ask(processing.question(payload)))
        question = await asyncio.to_thread(processing.question, payload)
        return await asyncio.to_thread(processing.output, payload, await self.ask(question))

    def _assembled(self, answer: bytes) -> bytes:
        """Return an answer as it stands in the output; as lines, each ends with one newline."""
        return answer + _NEWLINE if self.lines and not answer.endswith(_NEWLINE) else answer


def _next(found: Iterator[bytes]) -> bytes | None:
    """Return the next payload, which waits for S3.

    Raises:
        TransformError: If the object cannot be read.
    """
    try:
        return next(found, None)
    except UNREADABLE as error:
        raise TransformError(f"the object cannot be read: {error}") from error
