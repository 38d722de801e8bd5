"""Connections to containers: kept, used again, given up, and what comes over them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.localcloud.fleets.exchange import (
    MAX_BODY_BYTES,
    Answer,
    BrokenAnswerError,
    Connections,
    CutAnswerError,
    gathered,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: a/b\r\n\r\nok"


class Container:
    """A server that answers each request with the next of its ``answers``; ``b""`` ends the connection."""

    def __init__(self, *answers: bytes, ends_with: bool = False) -> None:
        self._answers = list(answers)
        self._ends = ends_with
        self.connections = 0
        self.requests: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while self._answers and (head := await reader.readuntil(b"\r\n\r\n")):
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self._answers.pop(0)
                writer.write(answer)
                if not answer or self._ends:
                    return
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def talk(container: Container, ask: Callable[[Connections, int], Awaitable[None]]) -> None:
    async def talked() -> None:
        server = await asyncio.start_server(container.serve, "127.0.0.1", 0)
        connections = Connections()
        async with server:
            await ask(connections, server.sockets[0].getsockname()[1])
            connections.close()

    asyncio.run(talked())


def test_one_connection_serves_requests_that_follow_each_other() -> None:
    container = Container(OK, OK, OK)

    async def ask(connections: Connections, port: int) -> None:
        for _ in range(3):
            answer = await connections.ask(port, (("content-type", "a/b"),), b"body")
            assert answer == Answer(200, [("content-length", "2"), ("content-type", "a/b")], b"ok")

    talk(container, ask)
    assert container.connections == 1
    assert all(request.endswith(b"content-type: a/b\r\n\r\nbody") for request in container.requests)


def test_a_request_goes_once_more_where_a_kept_connection_ends_without_a_byte() -> None:
    container = Container(OK, b"", OK)

    async def ask(connections: Connections, port: int) -> None:
        for _ in range(2):
            assert (await connections.ask(port, (), b"")).body == b"ok"

    talk(container, ask)
    assert (container.connections, len(container.requests)) == (2, 3)


def test_a_request_never_goes_twice_over_new_connections_or_after_the_first_byte() -> None:
    container = Container(b"", OK, b"HTTP/1.1 200 OK\r\nContent-Le")

    async def ask(connections: Connections, port: int) -> None:
        with pytest.raises(BrokenAnswerError):
            await connections.ask(port, (), b"")
        await connections.ask(port, (), b"")
        with pytest.raises(BrokenAnswerError):
            await connections.ask(port, (), b"")

    talk(container, ask)
    assert len(container.requests) == 3


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b"ok"),
    ],
)
def test_every_form_of_an_answer_is_read_whole(answer: bytes, body: bytes) -> None:
    async def ask(connections: Connections, port: int) -> None:
        assert (await connections.ask(port, (), b"")).body == body

    talk(Container(answer, ends_with=True), ask)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"not http at all\r\n\r\n", BrokenAnswerError),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, BrokenAnswerError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", CutAnswerError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", CutAnswerError),
        (b"HTTP/1.1 200 OK\r\n\r\n" + bytes(MAX_BODY_BYTES + 1), CutAnswerError),
    ],
)
def test_an_answer_that_cannot_be_read_whole_is_an_error(
    answer: bytes, error: type[BrokenAnswerError]
) -> None:
    async def ask(connections: Connections, port: int) -> None:
        with pytest.raises(error) as caught:
            await connections.ask(port, (), b"")
        assert type(caught.value) is error

    talk(Container(answer, ends_with=True), ask)


def test_nobody_on_the_port_is_an_error() -> None:
    async def ask() -> None:
        server = await asyncio.start_server(Container().serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        with pytest.raises(BrokenAnswerError):
            await Connections().ask(port, (), b"")

    asyncio.run(ask())


def test_a_connection_whose_answer_nobody_read_to_its_end_is_not_used_again() -> None:
    container = Container(OK, OK)

    async def ask(connections: Connections, port: int) -> None:
        async with connections.streamed(port, (), b"") as begun:
            assert begun.status == 200
        async with connections.streamed(port, (), b"") as begun:
            assert (await gathered(begun)).body == b"ok"

    talk(container, ask)


def test_a_value_with_line_ends_stays_one_header() -> None:
    container = Container(OK)

    async def ask(connections: Connections, port: int) -> None:
        await connections.ask(port, (("content-type", "a/b\r\nx-evil: 1"),), b"")

    talk(container, ask)
    assert b"\r\nx-evil" not in container.requests[0]
