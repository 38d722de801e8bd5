"""Laws of our gzip: any gunzip reads it, and neither threads nor boundaries change its bytes."""

import gzip
import io
import random
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import igzip

from orchestrator.adapters.archives.deflating import BLOCK_BYTES, gzipped

NOISE = random.Random(0).randbytes(BLOCK_BYTES)  # noqa: S311 - no secret
TEXT = b"".join(b"line %d of a text that compresses\n" % number for number in range(60_000))
# What lies across the boundary of two blocks, and blocks that are stored beside some that are not.
PARTS = st.sampled_from(
    [b"", b"x", b"text" * 99, NOISE, NOISE[:70_001], TEXT, TEXT[:BLOCK_BYTES], bytes(70_000)]
)


def joined(pieces: list[bytes], threads: int) -> bytes:
    return b"".join(gzipped(pieces, threads))


@settings(max_examples=25, deadline=None)
@given(st.lists(PARTS, max_size=5))
def test_what_is_compressed_is_what_every_gunzip_reads(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    packed = joined(pieces, 2)
    assert gzip.decompress(packed) == whole
    with igzip.IGzipFile(fileobj=io.BytesIO(packed)) as file:  # type: ignore[no-untyped-call]  # partial types
        assert file.read() == whole
    one = zlib.decompressobj(31)  # one gzip member, and nothing behind it
    assert one.decompress(packed) == whole
    assert one.eof
    assert not one.unused_data


@settings(max_examples=15, deadline=None)
@given(st.lists(PARTS, max_size=4), st.integers(1, 5), st.integers(1000, 3 * BLOCK_BYTES))
def test_neither_threads_nor_boundaries_change_a_byte(pieces: list[bytes], threads: int, step: int) -> None:
    whole = b"".join(pieces)
    recut = [whole[start : start + step] for start in range(0, len(whole), step)]
    assert joined(recut, threads) == joined([whole], 1)


def test_the_gzip_program_finds_nothing_wrong(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(joined([NOISE, TEXT, NOISE], 2))
    done = subprocess.run(["gzip", "--test", "--verbose", path], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.rstrip().endswith("OK")


def test_what_does_not_compress_grows_by_less_than_a_thousandth() -> None:
    assert len(joined([NOISE] * 3, 2)) < 3 * len(NOISE) * 1.001
    assert len(joined([TEXT], 2)) < len(TEXT) / 3


def test_a_failing_source_fails_the_stream_with_its_own_error() -> None:
    def failing() -> Iterator[bytes]:
        yield NOISE
        raise LookupError("the source")

    written = io.BytesIO()
    with pytest.raises(LookupError, match="the source"):
        written.writelines(gzipped(failing(), 2))
    with pytest.raises((EOFError, gzip.BadGzipFile)):
        gzip.decompress(written.getvalue())


def test_a_stream_that_nobody_reads_to_its_end_leaves_no_thread_at_work() -> None:
    taken: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield NOISE

    stream = gzipped(endless(), 2)
    assert len(next(stream)) == 10
    assert next(stream)
    stream.close()  # type: ignore[attr-defined]  # a generator, of which only the iterator is promised
    assert len(taken) < 20
