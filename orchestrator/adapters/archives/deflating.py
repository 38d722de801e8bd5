"""Compressing to gzip with ISA-L, in threads.

The input is cut into blocks of one fixed size that are compressed apart and joined to a single gzip member,
so the bytes are the same however many threads there were. Formats: RFC 1951 (deflate), RFC 1952 (gzip).
"""

import os
import struct
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from isal import isal_zlib

BLOCK_BYTES = 1024 * 1024
"""What is compressed at a time. Part of the format: another size gives other bytes."""

# No flags, hence no name; no time; the fastest method; an unknown system: nothing about this machine.
_HEADER = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, 0, 0, 4, 255)
_LAST_BLOCK = b"\x03\x00"  # final, fixed codes, and at once the end-of-block code: no bytes
_LEVEL = 1  # weights hardly compress, and higher levels save nothing more
_RAW = -15  # the largest window, neither gzip's nor zlib's frame
_SAMPLE_BYTES = 32 * 1024
# Weights in float32 shrink to 92 or 93 %. Compressing them takes longer than sending the rest at 250 Mbit/s,
# and unpacking takes longer, too. In bfloat16 they shrink to 78 %, which is worth it.
_WORTH_IT = 0.9
_MAX_STORED_BYTES = 0xFFFF
_MAX_THREADS = 4
_AHEAD = 4


def gzipped(pieces: Iterable[bytes], threads: int | None = None) -> Iterator[bytes]:
    """Yield the gzip file of all ``pieces`` joined, whose boundaries do not matter.

    Memory stays within a few blocks a thread. An exception of ``pieces`` comes through as it is.

    Args:
        pieces: What to compress.
        threads: How many blocks are compressed at once; by default one a processor, four at most.
    """
    count = threads or min(_MAX_THREADS, os.cpu_count() or 1)
    checksum = size = 0
    yield _HEADER
    with ThreadPoolExecutor(count, "deflate") as pool:
        pending = deque[Future[bytes]]()
        try:
            for block in _blocks(pieces):
                checksum = isal_zlib.crc32(block, checksum)
                size += len(block)
                pending.append(pool.submit(_deflated, block))
                if len(pending) >= count + _AHEAD:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for waiting in pending:
                waiting.cancel()
    yield _LAST_BLOCK + struct.pack("<II", checksum, size & 0xFFFFFFFF)


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[memoryview] = []
    size = 0
    for piece in pieces:
        rest = memoryview(piece)
        while size + len(rest) >= BLOCK_BYTES:
            room = BLOCK_BYTES - size
            yield b"".join([*parts, rest[:room]])
            parts, size, rest = [], 0, rest[room:]
        parts.append(rest)
        size += len(rest)
    if size:
        yield b"".join(parts)


def _deflated(block: bytes) -> bytes:
    """Return ``block`` as deflate blocks of which none is the last, ending at a byte's boundary.

    Whether it is worth compressing is judged by its middle: weights are alike from one end to the other.
    """
    middle = max(0, len(block) - _SAMPLE_BYTES) // 2
    sample = block[middle : middle + _SAMPLE_BYTES]
    if len(_compressed(sample)) > _WORTH_IT * len(sample):
        return _stored(block)
    return _compressed(block)


def _compressed(content: bytes) -> bytes:
    compressor = isal_zlib.compressobj(_LEVEL, isal_zlib.DEFLATED, _RAW)
    body: bytes = compressor.compress(content)
    end: bytes = compressor.flush(isal_zlib.Z_SYNC_FLUSH)
    return body + end


def _stored(block: bytes) -> bytes:
    parts = [block[start : start + _MAX_STORED_BYTES] for start in range(0, len(block), _MAX_STORED_BYTES)]
    return b"".join(struct.pack("<BHH", 0, len(part), len(part) ^ _MAX_STORED_BYTES) + part for part in parts)
