"""One HTTP request to a serving process, and its answer.

A connection of its own for each: on the loopback it costs a fraction of a millisecond, and no request
can meet a connection that the other side is just closing.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass

import h11

MAX_BODY_BYTES = 26_214_400
"""25 MB, either way: SageMaker developer guide, model-hosting-faqs."""

_CHUNK_BYTES = 262_144
_MAX_HEADERS_BYTES = 65_536

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model's container answered; ``headers`` have names in lower case."""

    status: int
    headers: Headers
    body: bytes


class BrokenAnswerError(Exception):
    """There was no answer, or it could not be read whole."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that has begun; ``headers`` have names in lower case.

    Attributes:
        parts: Of the body, as they come; `BrokenAnswerError` if they break off.
    """

    status: int
    headers: Headers
    parts: AsyncGenerator[bytes, None]


async def ask(port: int, headers: Headers, body: bytes) -> Answer:
    """Post ``body`` to ``/invocations`` on 127.0.0.1, and return the whole answer.

    Raises:
        BrokenAnswerError: If the connection is refused or breaks, or the answer is no HTTP or too large.
    """
    async with streamed(port, headers, body) as answer:
        return await gathered(answer)


@contextlib.asynccontextmanager
async def streamed(port: int, headers: Headers, body: bytes) -> AsyncIterator[Streamed]:
    """Post ``body`` to ``/invocations`` on 127.0.0.1, and keep the connection while its answer comes.

    Raises:
        BrokenAnswerError: If the connection is refused or breaks, or the answer is no HTTP.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise BrokenAnswerError(str(error)) from error
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADERS_BYTES)
        writer.write(_request(connection, port, headers, body))
        head = await _head(connection, reader)
        named = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        yield Streamed(head.status_code, named, _parts(connection, reader))
    finally:
        writer.close()


async def gathered(answer: Streamed) -> Answer:
    """Return the rest of an answer as a whole.

    Raises:
        BrokenAnswerError: If it breaks off, or is too large.
    """
    body = bytearray()
    async for part in answer.parts:
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise BrokenAnswerError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
    return Answer(answer.status, answer.headers, bytes(body))


def _request(connection: h11.Connection, port: int, headers: Headers, body: bytes) -> bytes:
    own = [("Host", f"127.0.0.1:{port}"), ("Connection", "close"), ("Content-Length", str(len(body)))]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*own, *headers)]
    request = h11.Request(method="POST", target="/invocations", headers=encoded)
    events = (request, h11.Data(data=body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


async def _head(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Response:
    while True:
        match await _event(connection, reader):
            case h11.Response() as head:
                return head
            case h11.InformationalResponse():
                pass
            case event:
                raise BrokenAnswerError(f"unexpected {event!r}")


async def _parts(connection: h11.Connection, reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    while True:
        match await _event(connection, reader):
            case h11.Data(data=part):
                yield bytes(part)
            case h11.EndOfMessage():
                return
            case event:
                raise BrokenAnswerError(f"unexpected {event!r}")


async def _event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    """Return what comes next.

    Raises:
        BrokenAnswerError: If the connection breaks, or it is no HTTP.
    """
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK_BYTES))
    except (OSError, h11.ProtocolError) as error:
        raise BrokenAnswerError(str(error)) from error
    return event
