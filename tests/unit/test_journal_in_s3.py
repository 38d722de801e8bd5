"""The journal in S3, on a client in memory: what is written in which order, and what accidents leave."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from orchestrator.adapters.journal import S3Journal
from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core import heads, journal, names
from orchestrator.core.errors import CloudError, ConflictError
from orchestrator.core.journal import Head

HEAD = names.head_key("digits")


@dataclass
class Memory:
    """A client of S3 with one bucket, conditions and all.

    Attributes:
        accidents: By key, whether the next write of it is ``refused``, or only its answer is ``lost``.
        written: The keys that were written, in order.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    accidents: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def put_object(self, *, Key: str, Body: bytes, **rest: Any) -> Any:  # noqa: ANN401, N803 - boto3's own
        held = self.objects.get(Key)
        stale = held is not None if "IfNoneMatch" in rest else held is None or rest["IfMatch"] != tag_of(held)
        if stale:
            raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")
        accident = self.accidents.pop(Key, "")
        if accident == "refused":
            raise EndpointConnectionError(endpoint_url="s3")
        self.objects[Key] = bytes(Body)
        self.written.append(Key)
        if accident:
            raise EndpointConnectionError(endpoint_url="s3")
        return {"ETag": tag_of(Body)}

    def get_object(self, *, Key: str, **_: Any) -> Any:  # noqa: ANN401, N803 - boto3's own
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        content = self.objects[Key]
        return {
            "Body": BytesIO(content),
            "ETag": tag_of(content),
            "LastModified": None,
            "ResponseMetadata": {"HTTPHeaders": {}},
        }

    def get_paginator(self, _: str) -> "Memory":
        return self

    def paginate(self, *, Prefix: str, **_: Any) -> Iterator[Any]:  # noqa: ANN401, N803 - boto3's own
        yield {"Contents": [{"Key": key} for key in sorted(self.objects) if key.startswith(Prefix)]}


def tag_of(content: bytes) -> str:
    return sha256(content).hexdigest()


def journal_in(memory: Memory) -> S3Journal:
    store = S3Store(lambda _: memory, "models")
    return S3Journal(store, S3Slot(store.bucket, HEAD), "digits")


def append(written: S3Journal, mark: object = 0) -> journal.Entry:
    return written.append(journal.STEP_STARTED, {"mark": mark}, by="ada", at="now")


def marks(memory: Memory) -> list[object]:
    return [entry.facts["mark"] for entry in journal_in(memory).entries()]


def head(memory: Memory) -> Head | None:
    return journal_in(memory).head()


def test_a_journal_without_entries_has_no_head() -> None:
    memory = Memory()
    assert journal_in(memory).entries() == ()
    assert head(memory) is None


def test_the_head_is_there_before_the_first_entry_and_follows_each() -> None:
    memory = Memory()
    written = journal_in(memory)
    for mark in range(3):
        append(written, mark)
    keys = [names.journal_key("digits", number) for number in (1, 2, 3)]
    assert memory.written == [HEAD, keys[0], HEAD, keys[1], HEAD, keys[2], HEAD]
    found = head(memory)
    assert found is not None
    assert (found.number, found.digest) == (3, journal.digest(memory.objects[keys[2]]))


def test_many_entries_are_read_in_their_order() -> None:
    memory = Memory()
    written = journal_in(memory)
    for mark in range(40):
        append(written, mark)
    assert marks(memory) == list(range(40))


def test_a_journal_whose_writer_was_killed_before_the_head_goes_on() -> None:
    memory = Memory()
    written = journal_in(memory)
    append(written, "a")
    memory.accidents[HEAD] = "refused"
    with pytest.raises(CloudError):
        append(written, "b")
    assert marks(memory) == ["a", "b"]
    append(journal_in(memory), "c")
    assert marks(memory) == ["a", "b", "c"]
    found = head(memory)
    assert found is not None
    assert found.number == 3


@pytest.mark.parametrize("accident", ["lost", "refused"])
def test_an_entry_whose_answer_was_lost_is_there_before_the_next_one(accident: str) -> None:
    memory = Memory()
    written = journal_in(memory)
    append(written, "a")
    memory.accidents[names.journal_key("digits", 2)] = accident
    with pytest.raises(CloudError):
        append(written, "b")
    append(written, "c")
    assert marks(memory) == ["a", "b", "c"]


def test_a_head_whose_answer_was_lost_is_written_again() -> None:
    memory = Memory()
    written = journal_in(memory)
    append(written, "a")
    memory.accidents[HEAD] = "lost"
    with pytest.raises(CloudError):
        append(written, "b")
    append(written, "c")
    assert marks(memory) == ["a", "b", "c"]


def test_of_two_writers_that_have_read_the_same_the_second_writes_nothing() -> None:
    memory = Memory()
    append(journal_in(memory), "a")
    first, second = journal_in(memory), journal_in(memory)
    first.entries()
    second.entries()
    append(first, "b")
    for _ in range(2):
        with pytest.raises(ConflictError, match="somebody else is changing endpoint 'digits'"):
            append(second, "c")
    assert marks(memory) == ["a", "b"]


def test_a_head_that_somebody_has_taken_further_is_not_taken_back() -> None:
    memory = Memory()
    slow, quick = journal_in(memory), journal_in(memory)
    append(slow, "a")
    memory.accidents[HEAD] = "refused"
    with pytest.raises(CloudError):
        append(slow, "b")
    append(quick, "c")
    with pytest.raises(ConflictError):
        append(slow, "d")
    found = head(memory)
    assert found is not None
    assert found.number == 3


def without_head(memory: Memory) -> None:
    del memory.objects[HEAD]


def without_the_end(memory: Memory) -> None:
    del memory.objects[names.journal_key("digits", 3)]


def with_a_gap(memory: Memory) -> None:
    del memory.objects[names.journal_key("digits", 2)]


def with_a_stranger(memory: Memory) -> None:
    memory.objects[f"{names.journal_prefix('digits')}zzz"] = b"hello"


def with_an_edited_end(memory: Memory) -> None:
    key = names.journal_key("digits", 3)
    memory.objects[key] = memory.objects[key].replace(b"ada", b"eve")


def with_another_head(memory: Memory) -> None:
    memory.objects[HEAD] = heads.encode_head("digits", Head(3, "0" * 64))


@pytest.mark.parametrize(
    "damage",
    [without_head, without_the_end, with_a_gap, with_a_stranger, with_an_edited_end, with_another_head],
)
def test_a_damaged_journal_is_neither_read_nor_gone_on_with(damage: Callable[[Memory], None]) -> None:
    memory = Memory()
    written = journal_in(memory)
    for mark in range(3):
        append(written, mark)
    damage(memory)
    before = dict(memory.objects)
    with pytest.raises(ConflictError, match="the journal of endpoint 'digits'"):
        journal_in(memory).entries()
    with pytest.raises(ConflictError):
        append(journal_in(memory))
    assert memory.objects == before
