"""One HTTP request to a serving process, and its answer.

A connection of its own for each: on the loopback it costs a fraction of a millisecond, and no request
can meet a connection that the other side is just closing.
"""

import asyncio
from collections.abc import Sequence
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


async def ask(port: int, headers: Headers, body: bytes) -> Answer:
    """Post ``body`` to ``/invocations`` on 127.0.0.1.

    Raises:
        BrokenAnswerError: If the connection is refused or breaks, or the answer is no HTTP or too large.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise BrokenAnswerError(str(error)) from error
    try:
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADERS_BYTES)
        writer.write(_request(connection, port, headers, body))
        return await _answer(connection, reader)
    except (OSError, h11.ProtocolError) as error:
        raise BrokenAnswerError(str(error)) from error
    finally:
        writer.close()


def _request(connection: h11.Connection, port: int, headers: Headers, body: bytes) -> bytes:
    own = [("Host", f"127.0.0.1:{port}"), ("Connection", "close"), ("Content-Length", str(len(body)))]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*own, *headers)]
    request = h11.Request(method="POST", target="/invocations", headers=encoded)
    events = (request, h11.Data(data=body), h11.EndOfMessage())
    return b"".join(connection.send(event) or b"" for event in events)


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> Answer:
    response: h11.Response | None = None
    body = bytearray()
    while True:
        match connection.next_event():
            case h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK_BYTES))
            case h11.Response() as response:
                pass
            case h11.Data(data=part):
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise BrokenAnswerError(f"the answer is larger than {MAX_BODY_BYTES} bytes")
            case h11.EndOfMessage() if response is not None:
                named = [
                    (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers
                ]
                return Answer(response.status_code, named, bytes(body))
            case h11.InformationalResponse():
                pass
            case event:
                raise BrokenAnswerError(f"unexpected {event!r}")
