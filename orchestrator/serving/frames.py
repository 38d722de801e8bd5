"""Frames on the socket between the server and a worker.

A frame is a head and a body, both bytes, each preceded by its length: two unsigned integers of four bytes,
big-endian, then the head, then the body. What they mean is the business of `messages`.
"""

import struct
from dataclasses import dataclass
from io import BufferedIOBase

_PREFIX = struct.Struct(">II")

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
