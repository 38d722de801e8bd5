"""Very many requests over a few connections, with the time of each answer.

One thread, one epoll, one parser a connection: some 20 us a request, so that the client leaves the cores to
the server that it measures. An event loop takes a multiple of that, and the timers of uvloop are too coarse.
"""

import contextlib
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httptools

from orchestrator.core.latency import Measured, Pace

PATIENCE_SECONDS = 60.0
"""SageMaker's own limit for one invocation."""

_CONNECT_SECONDS = 5.0
_LOOK_SECONDS = 1.0
# A server that refuses connections would otherwise be asked as fast as it can refuse.
_REST_SECONDS = 0.01
_READ_BYTES = 1 << 18
_FIRST_FINAL_STATUS = 200


@dataclass(frozen=True, slots=True)
class Shot:
    """A request as it goes over the wire, and the right answer's status."""

    wire: bytes
    status: int


class Connection:
    """One connection, with at most one request under way.

    Attributes:
        is_kept: Whether another request can be sent after the latest answer.
        shot: The request under way, or ``None``.
        since: When it was due, by the performance counter.
        sent: When it was sent.
    """

    __slots__ = ("_complete", "_parser", "_socket", "_unsent", "is_kept", "sent", "shot", "since")

    def __init__(self, host: str, port: int) -> None:
        """Connect.

        Raises:
            OSError: If there is nobody.
        """
        self._socket = socket.create_connection((host, port), _CONNECT_SECONDS)
        self._socket.settimeout(0)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)
        self._complete = False
        self._unsent = memoryview(b"")
        self.is_kept = True
        self.shot: Shot | None = None
        self.since = self.sent = 0.0

    def fileno(self) -> int:
        """Return what epoll knows the connection by."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self, shot: Shot, since: float) -> bool:
        """Send a request, as much of it as there is room for; tell whether that is all.

        Raises:
            OSError: If the connection is closed.
        """
        self.shot, self.since, self.sent = shot, since, time.perf_counter()
        self._unsent = memoryview(shot.wire)
        return self.send_rest()

    def send_rest(self) -> bool:
        """Send more of the same request.

        Raises:
            OSError: If the connection is closed.
        """
        with contextlib.suppress(BlockingIOError):
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        return not self._unsent

    def status(self) -> int | None:
        """Read what has come, and return the status of an answer that is complete.

        Raises:
            OSError: If the connection is closed.
            httptools.HttpParserError: If what has come is not HTTP.
        """
        received = self._socket.recv(_READ_BYTES)
        if not received:
            raise ConnectionResetError("the connection was closed")
        self._parser.feed_data(received)
        if not self._complete:
            return None
        self._complete = False
        status: int = self._parser.get_status_code()
        return status

    def on_message_complete(self) -> None:
        """Take note, for the parser; what comes before the answer itself, such as 103, is none."""
        self._complete = self._parser.get_status_code() >= _FIRST_FINAL_STATUS
        # The parser knows only now. After an early answer the rest of the request would be in the way.
        self.is_kept = self._parser.should_keep_alive() and not self._unsent


class Volley:
    """One load on one server."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        shots: Sequence[Shot],
        pace: Pace,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Take where to send and what, at least one request, which are sent in turn.

        An answer may take ``patience_seconds``, and what is due that long after the end is not sent.
        """
        self._connect = connect
        self._patience = patience_seconds
        self._look = min(_LOOK_SECONDS, patience_seconds)
        self._shots = shots
        self._pace = pace
        self._due_count = None if pace.rate is None else max(1, round(pace.rate * pace.seconds))
        self._open: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._sent = 0
        self._latencies: list[float] = []
        self._wrong: Counter[int] = Counter()
        self._unanswered: Counter[str] = Counter()
        self._start = self._rested = 0.0

    def measured(self) -> Measured:
        """Send the requests, wait for their answers, and return what came of it."""
        with select.epoll() as poll:
            try:
                self._open_all(poll)
                self._start = time.perf_counter()
                self._run(poll)
                self._count_unsent()
                took = time.perf_counter() - self._start
            finally:
                for connection in self._open.values():
                    connection.close()
        return Measured(took, self._latencies, dict(self._wrong), dict(self._unanswered))

    def _run(self, poll: select.epoll) -> None:
        now, look = self._start, self._start
        while True:
            while self._has_free and (since := self._due(now)) is not None:
                self._send(poll, since)
            if now >= look:
                look = now + self._look
                self._give_up(now)
            if len(self._idle) == len(self._open) and not self._has_more(now):
                return
            for number, event in self._events(poll, self._next(now) - now):
                self._heed(poll, self._open[number], event)
            now = time.perf_counter()

    def _open_all(self, poll: select.epoll) -> None:
        """Connect beforehand: a client that lives longer than a benchmark has its connections."""
        for _ in range(self._pace.connections):
            with contextlib.suppress(OSError):
                self._idle.append(self._opened(poll))

    def _opened(self, poll: select.epoll) -> Connection:
        connection = self._connect()
        self._open[connection.fileno()] = connection
        poll.register(connection, select.EPOLLIN)
        return connection

    @property
    def _has_free(self) -> bool:
        return bool(self._idle) or len(self._open) < self._pace.connections

    def _has_more(self, now: float) -> bool:
        """Tell whether there are requests still to be sent."""
        end = self._start + self._pace.seconds
        if self._due_count is None:
            return now < end
        return self._sent < self._due_count and now < end + self._patience

    def _count_unsent(self) -> None:
        if self._due_count is not None and self._sent < self._due_count:
            self._unanswered["never sent, for every connection was busy"] += self._due_count - self._sent

    def _due(self, now: float) -> float | None:
        """Return since when the next request has been due, or ``None`` if none is."""
        if not self._has_more(now) or now < self._rested:
            return None
        if self._pace.rate is None:
            return time.perf_counter()
        due = self._start + self._sent / self._pace.rate
        return due if due <= now else None

    def _next(self, now: float) -> float:
        """Return until when there is nothing to do but to wait for answers."""
        later = now + self._look
        if not self._has_free or not self._has_more(now):
            return later
        due = self._rested if self._pace.rate is None else self._start + self._sent / self._pace.rate
        return min(later, max(due, self._rested))

    @staticmethod
    def _events(poll: select.epoll, wait: float) -> list[tuple[int, int]]:
        """Return what has happened on the connections, after ``wait`` seconds if nothing has before.

        epoll counts whole milliseconds, too coarse for what is due; select is exact, and can watch an epoll.
        """
        if wait >= _LOOK_SECONDS:
            return poll.poll(wait)
        if wait > 0 and not select.select([poll], [], [], wait)[0]:
            return []
        return poll.poll(0)

    def _send(self, poll: select.epoll, since: float) -> None:
        shot = self._shots[self._sent % len(self._shots)]
        self._sent += 1
        connection = None
        try:
            connection = self._idle.pop() if self._idle else self._opened(poll)
            if not connection.send(shot, since):
                poll.modify(connection, select.EPOLLIN | select.EPOLLOUT)
        except OSError as error:
            self._unanswered[_why(error)] += 1
            self._rested = time.perf_counter() + _REST_SECONDS
            if connection is not None:
                self._close(connection)

    def _heed(self, poll: select.epoll, connection: Connection, event: int) -> None:
        try:
            if event & select.EPOLLOUT and connection.send_rest():
                poll.modify(connection, select.EPOLLIN)
            if event & ~select.EPOLLOUT:
                self._receive(connection)
        except (OSError, httptools.HttpParserError) as error:
            if connection.shot is None:  # an idle connection that the server has closed: nothing is lost
                self._idle.remove(connection)
            else:
                self._unanswered[_why(error)] += 1
            self._close(connection)

    def _receive(self, connection: Connection) -> None:
        status = connection.status()
        if status is None:
            return
        shot, connection.shot = connection.shot, None
        if shot is None:
            raise ConnectionAbortedError("answers that nobody asked for")
        if status == shot.status:
            self._latencies.append(time.perf_counter() - connection.since)
        else:
            self._wrong[status] += 1
        if connection.is_kept:
            self._idle.append(connection)
        else:
            self._close(connection)

    def _give_up(self, now: float) -> None:
        """Close the connections whose answers take too long."""
        for connection in list(self._open.values()):
            if connection.shot is not None and now - connection.sent > self._patience:
                self._unanswered[f"no answer in {self._patience:g} s"] += 1
                self._close(connection)

    def _close(self, connection: Connection) -> None:
        del self._open[connection.fileno()]
        connection.close()  # which takes it out of the epoll, too


def _why(error: Exception) -> str:
    if isinstance(error, httptools.HttpParserError):
        return "the answer is not HTTP"
    text = error.strerror if isinstance(error, OSError) else None
    return (text or str(error) or type(error).__name__).lower()
