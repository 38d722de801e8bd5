"""How a stream is cut into parts."""

import os
import threading
from collections.abc import Iterator

import pytest

from orchestrator.adapters.store.parts import Body, StoppedError, cut


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 7, 100])
@pytest.mark.parametrize("length", [0, 1, 3, 4, 8, 9, 33])
def test_parts_do_not_depend_on_how_the_stream_comes(chunk: int, length: int) -> None:
    content = bytes(range(length))
    stream = (content[start : start + chunk] for start in range(0, length, chunk))
    expected = [content[start : start + 4] for start in range(0, length, 4)]
    assert [bytes(part) for part in cut(stream, 4)] == expected


def test_nothing_is_read_ahead_of_the_part_that_is_asked_for() -> None:
    read: list[int] = []

    def stream() -> Iterator[bytes]:
        for number in range(10):
            read.append(number)
            yield b"xx"

    parts = cut(stream(), 4)
    assert next(parts) == b"xxxx"
    assert read == [0, 1]


def test_a_part_is_read_like_a_file_and_again_when_it_has_to_be_sent_again() -> None:
    body = Body(bytearray(b"content"), threading.Event())
    assert (len(body), body.read(3), body.tell(), body.read(), body.read(3)) == (7, b"con", 3, b"tent", b"")
    assert (body.seek(0), body.read(None)) == (0, b"content")
    assert (body.seek(-2, os.SEEK_END), body.read()) == (5, b"nt")


def test_a_part_that_nobody_wants_any_more_stops_on_its_way() -> None:
    unwanted = threading.Event()
    body = Body(bytearray(b"content"), unwanted)
    assert body.read(3) == b"con"
    unwanted.set()
    with pytest.raises(StoppedError):
        body.read(3)
