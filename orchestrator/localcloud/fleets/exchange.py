"""HTTP requests to serving processes, and their answers.

Connections are kept for the next request: making one costs more than the whole of a small exchange. A
container may close one just as it is used again; if not a byte of an answer has come then, the request goes
once more over a connection of its own.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from orchestrator.localcloud.fleets.wires import BrokenAnswerError, CutAnswerError, Headers, Wire

MAX_BODY_BYTES = 26_214_400
"""25 MB, either way: SageMaker developer guide, model-hosting-faqs."""

INVOCATIONS = "/invocations"
"""Where containers take requests."""

_HOST = "127.0.0.1"
_MOST_IDLE = 64

__all__ = [
    "INVOCATIONS",
    "MAX_BODY_BYTES",
    "Answer",
    "BrokenAnswerError",
    "Connections",
    "CutAnswerError",
    "Headers",
    "LostInstanceError",
    "Streamed",
    "UnsentError",
    "gathered",
    "in_one_part",
]


class UnsentError(BrokenAnswerError):
    """Nobody listens where a request was to go, so nobody has got any of it."""


class LostInstanceError(BrokenAnswerError):
    """The instance that a request was for is gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model's container answered; ``headers`` have names in lower case.

    Attributes:
        instance: The id of the instance that answered; empty where the fleet does not say.
        setup_us: How long the request waited for a container to start, in microseconds.
    """

    status: int
    headers: Headers
    body: bytes
    instance: str = ""
    setup_us: int = 0


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that has begun; ``headers`` have names in lower case.

    Attributes:
        parts: Of the body, as they come; `BrokenAnswerError` if they break off.
        setup_us: How long the request waited for a container to start, in microseconds.
    """

    status: int
    headers: Headers
    parts: AsyncGenerator[bytes, None]
    setup_us: int = 0


class Connections:
    """Connections to processes on 127.0.0.1, by their ports."""

    def __init__(self) -> None:
        self._idle: dict[int, list[Wire]] = {}

    async def ask(self, port: int, headers: Headers, body: bytes, path: str = INVOCATIONS) -> Answer:
        """Post ``body``, and return the whole answer.

        Raises:
            BrokenAnswerError: If there is no connection, it breaks, or the answer is no HTTP or too large.
        """
        return await self._whole(port, _request("POST", path, headers, body))

    async def look(self, port: int, path: str) -> Answer:
        """Return the whole answer to a GET request.

        Raises:
            BrokenAnswerError: As `ask` does.
        """
        return await self._whole(port, _request("GET", path, (), b""))

    @contextlib.asynccontextmanager
    async def streamed(
        self, port: int, headers: Headers, body: bytes, path: str = INVOCATIONS
    ) -> AsyncIterator[Streamed]:
        """Post ``body``, and keep the connection while the answer comes.

        Raises:
            BrokenAnswerError: If there is no connection, it breaks, or the answer is no HTTP.
        """
        wire = await self._begun(port, _request("POST", path, headers, body))
        parts = wire.parts()
        try:
            yield Streamed(wire.status, wire.headers, parts)
        finally:
            await parts.aclose()
            self._put_back(port, wire)

    def close(self) -> None:
        """Close what nobody uses; what is in use closes with its answer."""
        for wires in self._idle.values():
            for wire in wires:
                wire.close()
        self._idle.clear()

    async def _whole(self, port: int, request: bytes) -> Answer:
        # Not by `gathered`: the generators would add half as much again to the time that an exchange takes.
        wire = await self._begun(port, request)
        try:
            content = await wire.whole(MAX_BODY_BYTES)
        finally:
            self._put_back(port, wire)
        return Answer(wire.status, wire.headers, content)

    async def _begun(self, port: int, request: bytes) -> Wire:
        """Return the connection over which the answer to ``request`` has begun to come."""
        if kept := self._taken(port):
            try:
                return await _sent(kept, request)
            except BrokenAnswerError:
                if kept.has_heard:
                    raise
        try:
            _, made = await asyncio.get_running_loop().create_connection(Wire, _HOST, port)
        except OSError as error:
            # Over a connection that was kept it may have come to somebody, before that ended.
            kind = BrokenAnswerError if kept else UnsentError
            raise kind(str(error)) from error
        return await _sent(made, request)

    def _taken(self, port: int) -> Wire | None:
        wires = self._idle.get(port, [])
        while wires:
            wire = wires.pop()
            if wire.is_reusable:
                return wire
        self._idle.pop(port, None)
        return None

    def _put_back(self, port: int, wire: Wire) -> None:
        wires = self._idle.setdefault(port, [])
        if wire.is_reusable and len(wires) < _MOST_IDLE:
            wires.append(wire)
        else:
            wire.close()


async def _sent(wire: Wire, request: bytes) -> Wire:
    """Send a request, and return the connection once the answer's headers are there."""
    wire.send(request)
    try:
        await wire.head()
    except BaseException:
        # Whatever comes over it now, it is no answer to the next request.
        wire.close()
        raise
    return wire


async def gathered(answer: Streamed, max_bytes: int = MAX_BODY_BYTES) -> Answer:
    """Return the rest of an answer as a whole.

    Raises:
        BrokenAnswerError: If it breaks off, or is too large.
    """
    body = bytearray()
    async for part in answer.parts:
        body += part
        if len(body) > max_bytes:
            raise CutAnswerError(answer.status, f"the answer is larger than {max_bytes} bytes")
    return Answer(answer.status, answer.headers, bytes(body), setup_us=answer.setup_us)


def in_one_part(answer: Answer) -> Streamed:
    """Return a whole answer as one that comes in parts, of which there is one."""

    async def parts() -> AsyncGenerator[bytes, None]:
        yield answer.body

    return Streamed(answer.status, answer.headers, parts(), answer.setup_us)


def _request(method: str, path: str, headers: Headers, body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {_HOST}", f"Content-Length: {len(body)}"]
    lines.extend(f"{name}: {_one_line(value)}" for name, value in headers)
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def _one_line(value: str) -> str:
    """Return a header's value so that it cannot become a second header: some come from JSON."""
    return value if value.isprintable() else "".join(letter for letter in value if letter not in "\r\n\0")
