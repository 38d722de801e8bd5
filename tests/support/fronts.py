"""The HTTP front on a real port, with workers that are none: for tests of what clients can do to it."""

import asyncio
import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import uvicorn

from orchestrator.serving.contract import Contract
from orchestrator.serving.front.access import Access, local
from orchestrator.serving.front.app import App
from orchestrator.serving.front.limits import Limits
from orchestrator.serving.front.protocol import protocol
from orchestrator.serving.messages import Part, Request, Response, WorkerDiedError
from orchestrator.serving.ports import Answered, Observer, OnPart
from orchestrator.serving.server import config
from tests.support.servers import PATIENCE_SECONDS, eventually

CONTRACT = Contract("predict.py", "application/json", workers=1, max_request_bytes=100_000)
STREAM = (("ts_stream_next", "true"),)


@dataclass
class Scripted:
    """Workers that do what the body says: ``stream``, ``die``, ``wait``, ``large``, ``endless``; or echo."""

    asked: list[Request] = field(default_factory=list)
    cancelled: int = 0
    is_ready: bool = True

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        """Answer."""
        self.asked.append(request)
        match request.body:
            case b"stream" | b"die":
                for number in range(3):
                    await on_part(Part(0, 200, STREAM, b"part %d," % number, ""))
                if request.body == b"die":
                    raise WorkerDiedError("it ended")
            case b"wait":
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.cancelled += 1
                    raise
            case b"large":
                return Response(200, (), bytes(32 * 1024 * 1024), "")
            case b"endless":
                while True:
                    await on_part(Part(0, 200, STREAM, bytes(64 * 1024), ""))
        return Response(200, (("content-type", "text/plain"),), request.body, "")


@dataclass
class Noted:
    """An observer that remembers."""

    answers: list[Answered] = field(default_factory=list)

    def answered(self, answer: Answered) -> None:
        """Take note of one answer."""
        self.answers.append(answer)

    def happened(self, event: str, **facts: object) -> None:
        """Take note of nothing."""


@dataclass(frozen=True)
class Front:
    """A running front."""

    port: int
    workers: Scripted
    noted: Noted

    def connection(self, receive_bytes: int | None = None) -> socket.socket:
        """Open a connection."""
        connection = socket.socket()
        if receive_bytes is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def exchange(self, *pieces: bytes) -> bytes:
        """Send ``pieces`` over a connection of their own, and return all that comes until it is closed."""
        with self.connection() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return until_closed(connection)

    def is_well(self) -> bool:
        """Tell whether ``/ping`` answers 200."""
        return self.exchange(request(b"GET", b"/ping", b"Connection: close")).startswith(b"HTTP/1.1 200 ")


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the tests' own process."""
        yield


@contextlib.contextmanager
def front(
    limits: Limits | None = None, *, access: Access | None = None, observers: Sequence[Observer] = ()
) -> Iterator[Front]:
    """Start a front on a free port in a thread, and end it on the way out."""
    workers, noted = Scripted(), Noted()
    listener = socket.create_server(("127.0.0.1", 0))
    watchers = (noted, *observers)
    app = App(workers, CONTRACT, access=access or local("127.0.0.1", "127.0.0.1"), observers=watchers)
    server = _Server(config(app, protocol(limits, watchers), drain_seconds=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        eventually(lambda: server.started, "the server")
        yield Front(listener.getsockname()[1], workers, noted)
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        listener.close()


def request(
    method: bytes, target: bytes, *headers: bytes, body: bytes = b"", host: bytes = b"localhost"
) -> bytes:
    """Return a request as it goes over the wire; its length is given if it has a body."""
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: " + host, *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def until_closed(connection: socket.socket) -> bytes:
    """Return all that comes until the other side has closed or cut the connection."""
    received = bytearray()
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


@dataclass(frozen=True)
class Reply:
    """One response of those that came over a connection."""

    status: int
    reason: str
    headers: dict[str, str]
    body: bytes


class _Received:
    """Bytes in the place of a socket, as `http.client` reads from one."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def makefile(self, _mode: str) -> io.BytesIO:
        """Return the one stream, whatever was read of it."""
        return self._stream


def reply(content: bytes, method: str = "POST") -> Reply:
    """Return the first response in ``content``, which `http.client` has to be able to read."""
    response = http.client.HTTPResponse(_Received(content), method=method)  # type: ignore[arg-type]  # all it needs
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Reply(response.status, response.reason, headers, response.read())
