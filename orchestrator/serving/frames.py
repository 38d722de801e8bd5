"""Frames on the socket between the server and a worker.

A frame is a head and a body, both bytes, each preceded by its length: two unsigned integers of four bytes,
big-endian, then the head, then the body. What they mean is the business of `messages`.
"""

import struct
from dataclasses import dataclass
from io import BufferedIOBase

_PREFIX = struct.Struct(">II")

_BUFFER_BYTES = 64 * 1024
_LARGEST = 0xFFFF_FFFF
# Headers, and no more: a head is parsed as a whole.
_LARGEST_HEAD = 64 * 1024 * 1024

PREFIX_BYTES = _PREFIX.size
"""How many bytes `lengths` reads."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message in one direction."""

    head: bytes
    body: bytes = b""


class BrokenFrameError(Exception):
    """The other side ended in the middle of a frame."""


def opening(frame: Frame) -> bytes:
    r"""Return everything that precedes the body on the wire, so that a large body need not be copied.

    >>> opening(Frame(b"head", b"body"))
    b'\x00\x00\x00\x04\x00\x00\x00\x04head'
    """
    return _PREFIX.pack(len(frame.head), len(frame.body)) + frame.head


def lengths(prefix: bytes) -> tuple[int, int]:
    """Return how many bytes of head and of body follow ``prefix``."""
    head, body = _PREFIX.unpack(prefix)
    return int(head), int(body)


def write(stream: BufferedIOBase, frame: Frame) -> None:
    """Write ``frame`` and see it off."""
    stream.write(opening(frame))
    stream.write(frame.body)
    stream.flush()


def read(stream: BufferedIOBase) -> Frame | None:
    """Return the next frame, or ``None`` if the other side has closed the stream between two of them.

    Raises:
        BrokenFrameError: If it was closed within one.
    """
    prefix = stream.read(PREFIX_BYTES)
    if not prefix:
        return None
    head, body = lengths(_whole(prefix, PREFIX_BYTES))
    return Frame(_whole(stream.read(head), head), _whole(stream.read(body), body))


def _whole(part: bytes, size: int) -> bytes:
    if len(part) < size:
        raise BrokenFrameError(f"{len(part)} of {size} bytes")
    return part


class OversizedFrameError(Exception):
    """A frame is larger than whoever reads it allows.

    Attributes:
        body_bytes: What its body would have had.
    """

    def __init__(self, body_bytes: int) -> None:
        super().__init__(f"a body of {body_bytes} bytes")
        self.body_bytes = body_bytes


class Assembly:
    r"""Puts frames together from the pieces in which a socket delivers them.

    Whoever reads the socket fills `room` and says how much with `add`. A frame that is larger than the
    buffer gets one of its own, so that a body is copied once, whatever its size.

    >>> assembly, sent = Assembly(), opening(Frame(b"head", b"body")) + b"body"
    >>> assembly.room()[: len(sent)] = sent
    >>> assembly.add(len(sent))
    [Frame(head=b'head', body=b'body')]

    Attributes:
        max_body_bytes: No body may have more.
    """

    def __init__(self) -> None:
        self.max_body_bytes = _LARGEST
        self._small = self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = 0

    def room(self) -> memoryview:
        """Return where the next bytes belong: never nothing."""
        return memoryview(self._buffer)[self._filled :]

    def add(self, count: int) -> list[Frame]:
        """Take note of ``count`` bytes in `room`, and return the frames that are complete now.

        Raises:
            OversizedFrameError: If one announces more than is allowed; nothing can be read any more.
        """
        self._filled += count
        complete = []
        while (frame := self._next()) is not None:
            complete.append(frame)
        return complete

    def _next(self) -> Frame | None:
        if self._filled < PREFIX_BYTES:
            return None
        head, body = _PREFIX.unpack_from(self._buffer)
        if body > self.max_body_bytes or head > _LARGEST_HEAD:
            raise OversizedFrameError(body)
        begin = PREFIX_BYTES + head
        end = begin + body
        if self._filled < end:
            self._make_room(end)
            return None
        view = memoryview(self._buffer)
        frame = Frame(bytes(view[PREFIX_BYTES:begin]), bytes(view[begin:end]))
        self._forget(end)
        return frame

    def _make_room(self, size: int) -> None:
        if size > len(self._buffer):
            larger = bytearray(size)
            larger[: self._filled] = memoryview(self._buffer)[: self._filled]
            self._buffer = larger

    def _forget(self, end: int) -> None:
        # A buffer of a frame's own is never filled beyond that frame.
        rest = self._filled - end
        self._small[:rest] = self._buffer[end : self._filled]
        self._buffer = self._small
        self._filled = rest
