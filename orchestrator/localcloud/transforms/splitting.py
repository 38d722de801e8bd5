"""Objects split into records, and records packed into payloads.

Nothing is kept of an object but the payload that is being made, however large the object is.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from orchestrator.localcloud.transforms.errors import TransformError

# MXNet's recordio.h: a magic number, 3 bits that say which part of a record it is and 29 of length, padded
# to 4 bytes. Where the magic number is in a record, the record is cut there.
_MAGIC = 0xCED7230A
_LENGTH_BITS = 29
_WHOLE, _FIRST, _MIDDLE, _LAST = range(4)
_RECORDIO, _TFRECORD = struct.Struct("<II"), struct.Struct("<QI")
_TFRECORD_END_BYTES = 4
_ALIGNED = 4


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an object.

    Attributes:
        framed: As it is in the object, with what separates it from the next.
        bare: Without.
    """

    framed: bytes
    bare: bytes


def records(source: BinaryIO, split: str, limit_bytes: int) -> Iterator[Record]:
    """Yield the records of an object, in order.

    Args:
        source: Its content.
        split: ``SplitType`` of the API; with ``None`` all of it is one record.
        limit_bytes: How large a record may be at most.

    Raises:
        TransformError: If one is larger, or the object has another form.
    """
    match split:
        case "Line":
            return _lines(source, limit_bytes)
        case "RecordIO":
            return _recordio(source, limit_bytes)
        case "TFRecord":
            return _tfrecords(source, limit_bytes)
        case _:
            return _whole(source, limit_bytes)


def payloads(found: Iterator[Record], *, several: bool, limit_bytes: int) -> Iterator[bytes]:
    """Yield what is sent of ``found``, in order: a run of the object, or one record without its frame.

    "Padding is removed if the value of BatchStrategy is set to SingleRecord. Padding is not removed if the
    value is set to MultiRecord": API reference, TransformInput.

    Args:
        found: The records of an object.
        several: Whether as many are sent at a time as can be.
        limit_bytes: How large what is sent may be at most.
    """
    if not several:
        yield from (record.bare for record in found)
        return
    run = bytearray()
    for record in found:
        if run and len(run) + len(record.framed) > limit_bytes:
            yield bytes(run)
            run.clear()
        run += record.framed
    if run:
        yield bytes(run)


def _too_large() -> TransformError:
    """Return the failure of an object that has a record larger than a payload may be."""
    return TransformError("Too much data for max payload size")


def _whole(source: BinaryIO, limit_bytes: int) -> Iterator[Record]:
    content = source.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise _too_large()
    if content:
        yield Record(content, content)


def _lines(source: BinaryIO, limit_bytes: int) -> Iterator[Record]:
    """Split at newlines, and at nothing else: quotes of CSV protect none."""
    while line := source.readline(limit_bytes + 1):
        bare = line.removesuffix(b"\n")
        if len(line) > limit_bytes:
            raise _too_large()
        yield Record(line, bare)


def _recordio(source: BinaryIO, limit_bytes: int) -> Iterator[Record]:
    framed, parts = bytearray(), list[bytes]()
    while head := source.read(_RECORDIO.size):
        magic, word = _RECORDIO.unpack(_complete(head, _RECORDIO.size, "RecordIO"))
        part, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        if magic != _MAGIC or part > _LAST or (part in {_MIDDLE, _LAST}) != bool(parts):
            raise _malformed("RecordIO")
        padded = length + -length % _ALIGNED
        if len(framed) + len(head) + padded > limit_bytes:
            raise _too_large()
        content = _complete(source.read(padded), padded, "RecordIO")
        framed += head + content
        parts.append(content[:length])
        if part in {_WHOLE, _LAST}:
            yield Record(bytes(framed), head[:_ALIGNED].join(parts))
            framed, parts = bytearray(), []
    if parts:
        raise _malformed("RecordIO")


def _tfrecords(source: BinaryIO, limit_bytes: int) -> Iterator[Record]:
    """Split at the lengths that records begin with; their checksums are the model's to look at."""
    while head := source.read(_TFRECORD.size):
        length, _ = _TFRECORD.unpack(_complete(head, _TFRECORD.size, "TFRecord"))
        rest = length + _TFRECORD_END_BYTES
        if len(head) + rest > limit_bytes:
            raise _too_large()
        content = _complete(source.read(rest), rest, "TFRecord")
        yield Record(head + content, content[:length])


def _complete(content: bytes, size_bytes: int, form: str) -> bytes:
    if len(content) != size_bytes:
        raise _malformed(form)
    return content


def _malformed(form: str) -> TransformError:
    return TransformError(f"the object is not in {form} format, or is cut off")
