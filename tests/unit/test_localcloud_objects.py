"""Objects of the local cloud's S3, as values: checksums, framing, parts and policies."""

import hashlib
import json
import random
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects.checksums import (
    Algorithm,
    Summed,
    composite,
    digest,
    full,
    read,
    written,
)
from orchestrator.localcloud.objects.content import Content, Store
from orchestrator.localcloud.objects.crc import CRC32C, CRC64NVME, Polynomial
from orchestrator.localcloud.objects.framing import Unframed
from orchestrator.localcloud.objects.multipart import Order, Part, Summing, completed
from orchestrator.localcloud.objects.policies import Asked, Decision, decide, parsed
from orchestrator.localcloud.objects.receiving import promised

BUCKET = "arn:aws:s3:::models"


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)  # noqa: S311 - the same each time


def bit_by_bit(polynomial: Polynomial, content: bytes) -> int:
    register = ones = (1 << polynomial.width) - 1
    for byte in content:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (polynomial.reflected if register & 1 else 0)
    return register ^ ones


@pytest.mark.parametrize("polynomial", [CRC32C, CRC64NVME], ids=["crc32c", "crc64nvme"])
@pytest.mark.parametrize("size", [0, 1, 9, 1023, 1025, 2049, 16_391, 140_001])
def test_a_crc_that_is_folded_is_the_one_taken_bit_by_bit(polynomial: Polynomial, size: int) -> None:
    assert polynomial.crc(content_of(size)) == bit_by_bit(polynomial, content_of(size))


@pytest.mark.parametrize("algorithm", [each for each in Algorithm if each.is_linear])
@pytest.mark.parametrize("cut", [0, 1, 4999, 70_000])
def test_the_checksum_of_the_whole_follows_from_those_of_its_parts(algorithm: Algorithm, cut: int) -> None:
    content = content_of(70_000)
    made = []
    for part in (content[:cut], content[cut:]):
        summing = digest(algorithm)
        summing.update(part)
        made.append(Summed(summing.digest(), len(part)))
    whole = digest(algorithm)
    whole.update(content)
    assert full(algorithm, made) == whole.digest()


def test_a_digest_takes_a_body_in_any_pieces() -> None:
    content = content_of(5000)
    summing = digest(Algorithm.CRC32)
    for begin in range(0, 5000, 700):
        summing.update(content[begin : begin + 700])
    assert summing.digest() == zlib.crc32(content).to_bytes(4, "big")


def test_sha_of_the_whole_does_not_follow_from_its_parts() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        full(Algorithm.SHA256, [])


FRAMED = b"5;chunk-signature=abc\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"


@pytest.mark.parametrize("at_a_time", [1, 2, 7, len(FRAMED)])
def test_frames_are_taken_off_however_they_come(at_a_time: int) -> None:
    found: list[bytes] = []
    unframed = Unframed(found.append)
    for begin in range(0, len(FRAMED), at_a_time):
        unframed.take(FRAMED[begin : begin + at_a_time])
    assert unframed.finish() == {"x-amz-checksum-crc32": "AAAAAA=="}
    assert b"".join(found) == b"hello world"


@pytest.mark.parametrize(
    "body", [b"", b"5\r\nhel", b"zz\r\n", b"5\r\nhello!!", b"-5\r\nhello", b"5\r\nhello\r\n"]
)
def test_a_body_whose_frames_are_broken_is_incomplete(body: bytes) -> None:
    unframed = Unframed(lambda _: None)
    with pytest.raises(ApiError) as refused:  # noqa: PT012 - either of the two may see it
        unframed.take(body)
        unframed.finish()
    assert refused.value.code == "IncompleteBody"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content-md5": "AAAA"}, "InvalidDigest"),
        ({"x-amz-checksum-crc32": "AAAA"}, "InvalidRequest"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "A"}, "InvalidRequest"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "InvalidRequest"),
        ({"x-amz-checksum-xxhash3": "AAAA"}, "NotImplemented"),
        ({"content-length": str(5 * 2**30 + 1)}, "EntityTooLarge"),
    ],
)
def test_headers_that_promise_nonsense_are_refused(headers: Mapping[str, str], code: str) -> None:
    with pytest.raises(ApiError) as refused:
        promised(headers)
    assert refused.value.code == code


def stored(store: Store, *parts: bytes) -> list[Content]:
    return [store.kept(part) for part in parts]


def test_a_content_reads_as_its_pieces_in_order(tmp_path: Path) -> None:
    first, second = stored(Store(tmp_path), b"hello ", b"world")
    both = Content(first.pieces + second.pieces)
    assert (both.read(), both.between(4, 8).read(), both.size) == (b"hello world", b"o wo", 11)
    assert both.hashed() == hashlib.md5(b"hello world", usedforsecurity=False).hexdigest()


def test_a_file_is_gone_with_the_last_that_refers_to_it(tmp_path: Path) -> None:
    whole = Store(tmp_path).kept(b"hello")
    part = whole.between(1, 3)
    del whole
    assert part.read() == b"el"
    del part
    assert list(tmp_path.iterdir()) == []


def test_files_whose_deletion_is_deferred_are_told_of_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.defer()
    path = store.kept(b"hello").pieces[0].file.path
    assert (store.discarded(), store.discarded(), path.exists()) == ([path], [], True)


def summed(store: Store, algorithm: Algorithm, *parts: bytes) -> list[Content]:
    made = []
    for content, part in zip(stored(store, *parts), parts, strict=True):
        summing = digest(algorithm)
        summing.update(part)
        made.append(Content(content.pieces, content.md5, {str(algorithm): written(summing.digest())}))
    return made


ORDER = Order((Part(1, "x"), Part(2, "y")))


def test_an_object_of_parts_has_the_checksum_of_their_checksums(tmp_path: Path) -> None:
    parts = summed(Store(tmp_path), Algorithm.SHA256, b"a", b"b")
    _, etag, checksum = completed(parts, ORDER, Summing(Algorithm.SHA256, "COMPOSITE"))
    each = b"".join(hashlib.sha256(part).digest() for part in (b"a", b"b"))
    assert checksum == ("COMPOSITE", written(hashlib.sha256(each).digest()), 2)
    assert etag.endswith("-2")


@pytest.mark.parametrize(
    "order",
    [
        Order(ORDER.parts, {"CRC32": "AAAAAA=="}),
        Order(ORDER.parts, size=3),
        Order(ORDER.parts, type="COMPOSITE"),
    ],
)
def test_an_object_that_is_not_what_the_client_says_is_refused(tmp_path: Path, order: Order) -> None:
    parts = summed(Store(tmp_path), Algorithm.CRC32, b"a", b"b")
    with pytest.raises(ApiError):
        completed(parts, order, Summing(Algorithm.CRC32, "FULL_OBJECT"))


def statement(effect: str = "Deny", **members: Any) -> dict[str, Any]:  # noqa: ANN401 - of any kind
    usual = {"Effect": effect, "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"]}
    return {**usual, **members}


def said(asked: Asked, *statements: Mapping[str, Any]) -> Decision:
    return decide(parsed(json.dumps({"Statement": statements}).encode(), BUCKET), asked)


def putting(**context: str) -> Asked:
    spelled = {name.replace("__", ":").replace("_", "-"): value for name, value in context.items()}
    return Asked("s3:PutObject", f"{BUCKET}/a", frozenset({"1", "arn:aws:iam::1:role/r"}), spelled)


def test_a_policy_without_plain_http_judges_by_the_connection() -> None:
    denial = statement(Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert said(putting(aws__securetransport="true"), denial) is Decision.NEUTRAL
    assert said(putting(aws__securetransport="false"), denial) is Decision.DENIED


def test_a_policy_that_asks_for_encryption_judges_by_the_header() -> None:
    denial = statement(
        Action="s3:PutObject", Condition={"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    )
    encrypted = putting(s3__x_amz_server_side_encryption="aws:kms")
    assert (said(encrypted, denial), said(putting(), denial)) == (Decision.NEUTRAL, Decision.DENIED)


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "holds"),
    [
        ("StringLike", "a*c", "abbc", True),
        ("StringNotLike", "a*c", "abbc", False),
        ("StringEquals", ["x", "y"], "y", True),
        ("StringNotEquals", ["x", "y"], "y", False),
        ("StringEqualsIgnoreCase", "A", "a", True),
        ("NumericLessThan", "1.2", "1.1", True),
        ("IpAddress", "10.0.0.0/8", "10.1.2.3", True),
        ("NotIpAddress", "10.0.0.0/8", "10.1.2.3", False),
        ("IpAddress", "nonsense", "10.1.2.3", False),
        ("DateGreaterThan", "2020-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", True),
        ("ArnLike", "arn:aws:iam::*:role/r", "arn:aws:iam::1:role/r", True),
        ("ArnLike", "arn:aws:*:role/r", "arn:aws:iam::1:role/r", False),
        ("Null", "false", "x", True),
        ("Null", "true", "x", False),
        ("StringEqualsIfExists", "x", "y", False),
    ],
)
def test_a_condition_holds_as_its_operator_says(
    operator: str, wanted: object, value: str, *, holds: bool
) -> None:
    asked = putting(aws__key=value)
    denial = statement(Condition={operator: {"aws:Key": wanted}})
    assert (said(asked, denial) is Decision.DENIED) is holds


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAllValues:StringEquals", None, True),
        ("ForAnyValue:StringEquals", ("a", "c"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAnyValue:StringEquals", None, False),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "c"), False),
        ("ForAnyValue:StringNotEquals", ("a", "c"), True),
        ("ForAnyValue:StringNotEquals", None, False),
        ("StringNotEquals", None, True),
        ("StringNotEqualsIfExists", None, True),
    ],
)
def test_of_many_values_all_or_any_are_judged(
    operator: str, values: tuple[str, ...] | None, *, holds: bool
) -> None:
    asked = replace(putting(), context={} if values is None else {"aws:tagkeys": values})
    denial = statement(Condition={operator: {"aws:TagKeys": ["a", "b"]}})
    assert (said(asked, denial) is Decision.DENIED) is holds


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_date_without_a_zone_is_utc_wherever_the_machine_is(in_tokyo: None) -> None:
    denial = statement(Condition={"DateEquals": {"aws:Key": "2026-01-01T00:00:00"}})
    assert said(putting(aws__key="2026-01-01T00:00:00+00:00"), denial) is Decision.DENIED


@pytest.mark.parametrize(
    ("operator", "holds"),
    [("StringEquals", False), ("StringNotEquals", True), ("StringEqualsIfExists", True), ("Bool", False)],
)
def test_a_condition_on_what_is_not_there_holds_if_it_is_negated_or_optional(
    operator: str, *, holds: bool
) -> None:
    denial = statement(Condition={operator: {"aws:Key": "x"}})
    assert (said(putting(), denial) is Decision.DENIED) is holds


def test_a_denial_wins() -> None:
    assert said(putting(), statement("Allow"), statement("Deny", Action="s3:Put*")) is Decision.DENIED
    assert said(putting(), statement("Allow"), statement("Deny", Action="s3:Get*")) is Decision.ALLOWED


def test_a_statement_is_about_whom_it_names() -> None:
    named = {"AWS": "arn:aws:iam::1:role/r"}
    assert said(putting(), statement(Principal=named)) is Decision.DENIED
    assert said(putting(), statement(Principal={"AWS": "arn:aws:iam::1:role/other"})) is Decision.NEUTRAL
    excepted = {name: value for name, value in statement().items() if name != "Principal"}
    assert said(putting(), {**excepted, "NotPrincipal": named}) is Decision.NEUTRAL


def broken(change: Callable[[dict[str, Any]], object]) -> bytes:
    made = statement()
    change(made)
    return json.dumps({"Statement": [made]}).encode()


@pytest.mark.parametrize(
    "document",
    [
        b"{nope",
        b"[]",
        b"{}",
        b'{"Version": "2030-01-01", "Statement": []}',
        broken(lambda made: made.update(Effect="Maybe")),
        broken(lambda made: made.pop("Principal")),
        broken(lambda made: made.update(NotAction="s3:*")),
        broken(lambda made: made.update(Action="ec2:*")),
        broken(lambda made: made.update(Resource="arn:aws:s3:::others/*")),
        broken(lambda made: made.update(Condition={"StringEkwals": {"a": "b"}})),
        broken(lambda made: made.update(Principal={"Nobody": "x"})),
    ],
)
def test_a_document_that_is_no_policy_of_the_bucket_is_malformed(document: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parsed(document, BUCKET)
    assert refused.value.code == "MalformedPolicy"


def test_what_is_read_of_a_checksum_is_what_was_written() -> None:
    assert read(written(b"1234"), 4) == b"1234"
    assert composite(Algorithm.SHA1, [Summed(b"1", 1)]) == hashlib.sha1(b"1", usedforsecurity=False).digest()
