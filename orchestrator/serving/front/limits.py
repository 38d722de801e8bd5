"""How much one connection may ask of the server, and how long it may take."""

import math
from dataclasses import dataclass

# The colon, the space and the line end of a header.
_SEPARATORS = 4
_TICKS = 5
_LONGEST_TICK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may do before it is answered with an error, or cut.

    The container has none of these but the size of a body, which is the contract's.

    Attributes:
        head_bytes: Of a request line and its headers; more is answered 431.
        headers: How many there may be; likewise.
        head_seconds: From the first byte of a head to its last, and until the first request of a connection;
            longer is answered 408.
        body_seconds: Without a byte of a body; likewise.
        reader_seconds: Without a byte of the answer taken; then the connection is cut.
        linger_seconds: How long the rest of a request that was refused is read and thrown away, so that
            whoever sends it is able to see the answer.
        linger_bytes: How much of it is.
        connections: More are answered 503.
    """

    head_bytes: int = 64 * 1024
    headers: int = 200
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    reader_seconds: float = 60.0
    linger_seconds: float = 30.0
    linger_bytes: int = 64 * 1024 * 1024
    connections: int = 1000

    @property
    def raw_head_bytes(self) -> int:
        """Of a head that has not come to its end, with what stands between its parts."""
        return self.head_bytes + _SEPARATORS * self.headers

    @property
    def tick_seconds(self) -> float:
        """How often a connection looks at the clock."""
        shortest = min(self.head_seconds, self.body_seconds, self.reader_seconds, self.linger_seconds)
        return min(shortest / _TICKS, _LONGEST_TICK_SECONDS)


class Watch:
    """The deadlines of one connection: of what is to arrive, and of what is to be taken.

    Times are those of one clock, in seconds.
    """

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._due = now + limits.head_seconds
        self._taken = 0
        self._taken_at = now

    def await_in(self, seconds: float, now: float) -> None:
        """Expect something within ``seconds``."""
        self._due = now + seconds

    def rest(self) -> None:
        """Expect nothing."""
        self._due = math.inf

    def is_overdue(self, now: float) -> bool:
        """Tell whether what was expected has not come."""
        return now >= self._due

    def is_stalled(self, written: int, unsent: int, now: float) -> bool:
        """Tell whether the reader has taken nothing for too long, though there is something to take.

        Args:
            written: How many bytes were ever written.
            unsent: How many of them the system has not taken yet.
            now: The time.
        """
        taken = written - unsent
        if not unsent or taken != self._taken:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at >= self._limits.reader_seconds
