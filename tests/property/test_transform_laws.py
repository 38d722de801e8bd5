"""Laws of batch transform: what goes in comes out, in order, and no payload is too large."""

import io
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.transforms.joining import CSV, Processing
from orchestrator.localcloud.transforms.jsonpath import parse
from orchestrator.localcloud.transforms.splitting import payloads, records

LIMIT = 64
MAGIC = struct.pack("<I", 0xCED7230A)
SPLITS = ["Line", "RecordIO", "TFRecord"]
CONTENTS = st.lists(st.binary(max_size=90), max_size=30)
FIELDS = st.text(st.characters(exclude_characters='"\r\n', exclude_categories=["Cs"]))


def line(content: bytes) -> bytes:
    return content + b"\n"


def part(kind: int, content: bytes) -> bytes:
    return MAGIC + struct.pack("<I", kind << 29 | len(content)) + content + b"\0" * (-len(content) % 4)


def recordio(content: bytes) -> bytes:
    """Return a record as MXNet writes it: cut where the magic number is in it."""
    parts = content.split(MAGIC)
    if len(parts) == 1:
        return part(0, content)
    kinds = [1, *[2] * (len(parts) - 2), 3]
    return b"".join(part(kind, each) for kind, each in zip(kinds, parts, strict=True))


def tfrecord(content: bytes) -> bytes:
    return struct.pack("<QI", len(content), 0) + content + b"\0\0\0\0"


FRAMES = {"Line": line, "RecordIO": recordio, "TFRecord": tfrecord}


def fitting(split: str, contents: Sequence[bytes], limit: int) -> list[bytes]:
    """Return what can be in an object of this split, and in a payload."""
    plain = [each.replace(b"\n", b" ") for each in contents] if split == "Line" else contents
    return [each for each in plain if len(FRAMES[split](each)) <= limit]


def packed(split: str, stored: bytes, *, several: bool, limit: int = LIMIT) -> list[bytes]:
    found = records(io.BytesIO(stored), split, limit)
    return list(payloads(found, several=several, limit_bytes=limit))


@given(st.sampled_from(SPLITS), CONTENTS, st.sampled_from(["one", "several"]), st.integers(24, 400))
def test_every_record_is_in_one_payload_in_its_order(
    split: str, contents: list[bytes], strategy: str, limit: int
) -> None:
    kept = fitting(split, contents, limit)
    stored = b"".join(map(FRAMES[split], kept))
    if strategy == "one":
        assert packed(split, stored, several=False, limit=limit) == kept
        return
    found = packed(split, stored, several=True, limit=limit)
    assert b"".join(found) == stored
    again = [record.bare for run in found for record in records(io.BytesIO(run), split, limit)]
    assert again == kept


@given(st.sampled_from(SPLITS), CONTENTS, st.integers(24, 400))
def test_no_payload_is_larger_than_it_may_be_and_none_could_take_the_next_record(
    split: str, contents: list[bytes], limit: int
) -> None:
    kept = fitting(split, contents, limit)
    found = packed(split, b"".join(map(FRAMES[split], kept)), several=True, limit=limit)
    sizes = [len(run) for run in found]
    assert all(size <= limit for size in sizes)
    following = [len(next(records(io.BytesIO(run), split, limit)).framed) for run in found[1:]]
    assert all(size + after > limit for size, after in zip(sizes, following, strict=False))


@given(st.sampled_from(SPLITS), st.lists(st.binary(max_size=8), max_size=5), st.binary(min_size=LIMIT + 1))
def test_a_record_larger_than_a_payload_is_an_error_after_those_before_it(
    split: str, before: list[bytes], large: bytes
) -> None:
    kept = fitting(split, before, LIMIT)
    large = large.replace(b"\n", b" ")
    found = records(io.BytesIO(b"".join(map(FRAMES[split], [*kept, large]))), split, LIMIT)
    assert [next(found).bare for _ in kept] == kept
    with pytest.raises(TransformError, match="Too much data for max payload size"):
        next(found)


@given(st.sampled_from(["RecordIO", "TFRecord"]), st.binary(max_size=200))
def test_any_bytes_are_records_or_an_error(split: str, stored: bytes) -> None:
    try:
        found = list(records(io.BytesIO(stored), split, LIMIT))
    except TransformError:
        return
    assert b"".join(record.framed for record in found) == stored


@given(
    st.lists(st.lists(FIELDS.map(lambda text: f'"{text},"'), min_size=2, max_size=5), min_size=1, max_size=9)
)
def test_a_row_joined_with_its_answer_keeps_every_field_as_it_was(rows: list[list[str]]) -> None:
    processing = Processing(CSV, lines=True, asked=parse("$[1:]"), joins=True, kept=parse("$"))
    stored = "".join(",".join(row) + "\n" for row in rows).encode()
    (payload,) = packed("Line", stored, several=True, limit=len(stored))
    question = processing.question(payload)
    assert question.decode().split("\n")[:-1] == [",".join(row[1:]) for row in rows]
    joined = processing.output(payload, question)
    assert joined.decode().split("\n") == [",".join([*row, *row[1:]]) for row in rows]
