"""Uploads to the local cloud's S3: what is sent, what stays when they fail, and what nobody ever sees.

Faults are made by botocore's own events, on the way between the adapter and the local cloud.
"""

import base64
import hashlib
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from orchestrator.adapters.store.s3 import S3Store, Sizes
from orchestrator.core.errors import ArtifactError, CloudError, DeniedError, NotFoundError, ThrottledError
from tests.support.clouds import BUCKET, STANDIN, TestCloud, local_cloud

PART = 5 * 1024**2
CONTENT = random.Random(0).randbytes(3 * PART + 1000)  # noqa: S311 - bytes that do not repeat, not a secret
KEY_ID = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
OTHER_KEY_ID = KEY_ID.replace("1111", "6666")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as running:
        yield running


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    return f"uploads/{request.node.name}"


@dataclass
class Wire:
    """A client of its own for one store, which remembers what is asked and fails where it is told to.

    Attributes:
        spared: Requests with this in their address do not fail.
    """

    cloud: TestCloud
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    faults: dict[str, Callable[[], AWSResponse | None]] = field(default_factory=dict)
    spared: str | None = None

    def store(self, **terms: Any) -> S3Store:  # noqa: ANN401 - those of the store
        config = Config(retries={"mode": "standard", "max_attempts": 1}, proxies={}, max_pool_connections=8)
        client = self.cloud.client("s3", config=config)
        client.meta.events.register("provide-client-params.s3", self._remember)
        client.meta.events.register("before-send.s3", self._fail)
        return S3Store(lambda _: client, BUCKET, sizes=Sizes(PART, PART), **terms)

    def operations(self) -> list[str]:
        return [name for name, _ in self.asked]

    def _remember(self, params: dict[str, Any], model: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's
        self.asked.append((model.name, params))

    def _fail(self, event_name: str, request: Any, **_: Any) -> AWSResponse | None:  # noqa: ANN401 - botocore's
        fault = self.faults.get(event_name.rpartition(".")[2])
        spared = self.spared is not None and self.spared in request.url
        return None if fault is None or spared else fault()


@pytest.fixture
def wire(cloud: TestCloud) -> Wire:
    return Wire(cloud)


class Raw:
    """The body of an answer that never came over a wire."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self._content


def refusal(status: int, code: str) -> AWSResponse:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return AWSResponse("http://s3", status, {"content-type": "application/xml"}, Raw(body))


def after(calls: int, then: Callable[[], AWSResponse | None]) -> Callable[[], AWSResponse | None]:
    """Return a fault that begins after so many calls."""
    lock, seen = threading.Lock(), [0]

    def fault() -> AWSResponse | None:
        with lock:
            seen[0] += 1
            late = seen[0] > calls
        return then() if late else None

    return fault


def lose_connection() -> AWSResponse | None:
    raise ConnectionClosedError(endpoint_url="http://s3")


def streamed(content: bytes = CONTENT) -> Iterator[bytes]:
    for start in range(0, len(content), 700_001):
        yield content[start : start + 700_001]


def ignore(_: int) -> None:
    """Watch nothing."""


def unfinished(cloud: TestCloud, key: str) -> list[str]:
    listed = cloud.client("s3").list_multipart_uploads(Bucket=BUCKET, Prefix=key)
    return [upload["UploadId"] for upload in listed.get("Uploads", [])]


def begin(cloud: TestCloud, key: str, parts: list[bytes], **terms: str) -> str:
    """Leave an upload behind as a call that was cut off does."""
    s3 = cloud.client("s3")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256", **terms)[
        "UploadId"
    ]
    for number, part in enumerate(parts, start=1):
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=part)
    return str(upload)


def test_a_long_stream_goes_in_parts_with_a_checksum_each(cloud: TestCloud, wire: Wire, key: str) -> None:
    moved: list[int] = []
    assert wire.store().upload(key, streamed, moved.append)
    assert wire.store().read(key) == CONTENT
    assert (sum(moved), len(moved)) == (len(CONTENT), 4)
    sent = [params for name, params in wire.asked if name == "UploadPart"]
    assert len(sent) == 4
    assert all(params["ChecksumSHA256"] for params in sent)
    (completed,) = [params for name, params in wire.asked if name == "CompleteMultipartUpload"]
    assert completed["IfNoneMatch"] == "*"
    assert all("ChecksumSHA256" in part for part in completed["MultipartUpload"]["Parts"])
    assert unfinished(cloud, key) == []


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART])
def test_every_length_arrives_whole(wire: Wire, key: str, size: int) -> None:
    content = CONTENT[:size]
    assert wire.store().upload(key, lambda: streamed(content), ignore)
    assert wire.store().read(key) == content
    assert ("PutObject" in wire.operations()) == (size <= PART)


def test_a_short_stream_is_one_conditional_request(wire: Wire, key: str) -> None:
    wire.store().upload(key, lambda: iter([b"a", b"b"]), ignore)
    assert wire.operations() == ["HeadObject", "PutObject"]
    params = wire.asked[-1][1]
    assert params["IfNoneMatch"] == "*"
    assert params["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"ab").digest()).decode()


def test_what_is_there_is_neither_read_nor_sent(wire: Wire, key: str) -> None:
    wire.store().put_once(key, b"first")
    wire.asked.clear()

    def never() -> Iterator[bytes]:
        raise AssertionError("nothing is asked of the stream")

    assert not wire.store().upload(key, never, ignore)
    assert wire.operations() == ["HeadObject"]


def test_a_lost_connection_keeps_what_was_sent_and_the_next_call_goes_on(
    cloud: TestCloud, wire: Wire, key: str
) -> None:
    wire.faults["UploadPart"] = after(2, lose_connection)
    with pytest.raises(CloudError, match="could not be reached") as caught:
        wire.store().upload(key, streamed, ignore)
    assert "goes on from there" in dict(caught.value.details)["state"]
    assert "run the same command again" in str(caught.value.hint)
    assert not wire.store().exists(key)
    assert len(unfinished(cloud, key)) == 1

    wire.faults.clear()
    wire.asked.clear()
    moved: list[int] = []
    assert wire.store().upload(key, streamed, moved.append)
    assert wire.operations().count("UploadPart") == 2
    assert "CreateMultipartUpload" not in wire.operations()
    assert sum(moved) == len(CONTENT)
    assert wire.store().read(key) == CONTENT
    assert unfinished(cloud, key) == []


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (503, "SlowDown", ThrottledError),
        (403, "ExpiredToken", DeniedError),
        (500, "InternalError", CloudError),
    ],
)
def test_a_refusal_on_the_way_keeps_what_was_sent(
    cloud: TestCloud, wire: Wire, key: str, status: int, code: str, error: type[CloudError]
) -> None:
    wire.faults["UploadPart"] = after(1, lambda: refusal(status, code))
    with pytest.raises(error) as caught:
        wire.store().upload(key, streamed, ignore)
    assert "goes on from there" in dict(caught.value.details)["state"]
    assert caught.value.hint
    assert len(unfinished(cloud, key)) == 1


def test_only_parts_that_equal_the_stream_are_taken_over(cloud: TestCloud, wire: Wire, key: str) -> None:
    begin(
        cloud, key, [CONTENT[:PART], bytes(PART), CONTENT[2 * PART :][: PART - 1], b"more", b"than there is"]
    )
    assert wire.store().upload(key, streamed, ignore)
    assert sorted(params["PartNumber"] for name, params in wire.asked if name == "UploadPart") == [2, 3, 4]
    assert wire.store().read(key) == CONTENT


def test_uploads_of_other_keys_are_let_alone(cloud: TestCloud, wire: Wire, key: str) -> None:
    other = begin(cloud, f"{key}-too", [CONTENT[:PART]])
    assert wire.store().upload(key, streamed, ignore)
    assert "CreateMultipartUpload" in wire.operations()
    assert unfinished(cloud, f"{key}-too") == [other]


def test_who_may_not_list_uploads_begins_anew(wire: Wire, key: str) -> None:
    wire.faults["ListMultipartUploads"] = lambda: refusal(403, "AccessDenied")
    assert wire.store().upload(key, streamed, ignore)
    assert wire.store().read(key) == CONTENT


@pytest.mark.parametrize("why", [KeyboardInterrupt, SystemExit, ArtifactError("changed")])
def test_an_interrupt_and_a_stream_that_breaks_off_leave_nothing(
    cloud: TestCloud, wire: Wire, key: str, why: BaseException | type[BaseException]
) -> None:
    def broken() -> Iterator[bytes]:
        yield CONTENT[: 2 * PART + 1]
        raise why

    with pytest.raises(why if isinstance(why, type) else type(why)):
        wire.store().upload(key, broken, ignore)
    assert "CreateMultipartUpload" in wire.operations()
    assert unfinished(cloud, key) == []
    assert not wire.store().exists(key)


def test_ctrl_c_while_parts_are_on_their_way_leaves_nothing(cloud: TestCloud, wire: Wire, key: str) -> None:
    on_their_way, pressed = threading.Event(), threading.Event()

    def hold() -> AWSResponse | None:
        on_their_way.set()
        pressed.wait(60)
        return None

    def press(_: int) -> None:  # by the main thread: one that another sends may meet a finaliser, and be lost
        on_their_way.wait(60)
        pressed.set()
        signal.raise_signal(signal.SIGINT)

    wire.faults["UploadPart"] = hold
    wire.spared = "partNumber=1"
    with pytest.raises(KeyboardInterrupt):
        wire.store().upload(key, streamed, press)
    assert on_their_way.is_set()
    assert unfinished(cloud, key) == []
    assert not wire.store().exists(key)


def test_a_second_ctrl_c_does_not_leave_a_mess_unsaid(cloud: TestCloud, wire: Wire, key: str) -> None:
    def interrupted() -> Iterator[bytes]:
        yield CONTENT
        raise KeyboardInterrupt

    def press() -> AWSResponse | None:
        raise KeyboardInterrupt

    wire.faults["AbortMultipartUpload"] = press
    with pytest.raises(CloudError, match="could not be taken back") as caught:
        wire.store().upload(key, interrupted, ignore)
    (left,) = unfinished(cloud, key)
    assert f"--upload-id {left}" in str(caught.value.hint)
    assert "run the same command again" in str(caught.value.hint)


def test_what_cannot_be_taken_back_is_said_with_the_reason_for_stopping(wire: Wire, key: str) -> None:
    def changed() -> Iterator[bytes]:
        yield CONTENT
        raise ArtifactError("'x' changed while it was being packaged")

    wire.faults["AbortMultipartUpload"] = lose_connection
    with pytest.raises(CloudError, match="could not be taken back") as caught:
        wire.store().upload(key, changed, ignore)
    assert dict(caught.value.details)["cause"] == "'x' changed while it was being packaged"


def test_of_two_uploaders_at_once_the_faster_one_stores_and_both_succeed(cloud: TestCloud, key: str) -> None:
    together, faster_is_done = threading.Barrier(2), threading.Event()

    def meet() -> AWSResponse | None:
        together.wait(60)  # neither can see the other's upload before it begins one of its own
        return None

    def let_pass() -> AWSResponse | None:
        faster_is_done.wait(60)
        return None

    faster = Wire(cloud, faults={"CreateMultipartUpload": meet}).store()
    slower = Wire(cloud, faults={"CreateMultipartUpload": meet, "CompleteMultipartUpload": let_pass}).store()
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(slower.upload, key, streamed, ignore)
        assert faster.upload(key, streamed, ignore)
        faster_is_done.set()
        assert not late.result(60)
    assert faster.read(key) == CONTENT
    assert unfinished(cloud, key) == []


def test_an_upload_that_another_hand_ends_begins_anew_and_tells_nothing_twice(
    cloud: TestCloud, wire: Wire, key: str
) -> None:
    first = begin(cloud, key, [CONTENT[:PART]])

    def end() -> AWSResponse | None:
        if first not in unfinished(cloud, key):
            return None
        cloud.client("s3").abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=first)
        return refusal(404, "NoSuchUpload")  # AWS's answer; moto's is an error of its own

    wire.faults["CompleteMultipartUpload"] = end
    moved: list[int] = []
    assert wire.store().upload(key, streamed, moved.append)
    assert wire.store().read(key) == CONTENT
    assert sum(moved) == len(CONTENT)
    assert unfinished(cloud, key) == []


def test_parts_that_another_hand_has_changed_do_not_get_into_the_object(
    cloud: TestCloud, wire: Wire, key: str
) -> None:
    first = begin(cloud, key, [CONTENT[:PART]])

    def change() -> AWSResponse | None:
        if first in unfinished(cloud, key):
            cloud.client("s3").upload_part(
                Bucket=BUCKET, Key=key, UploadId=first, PartNumber=1, Body=bytes(PART)
            )
        return None

    wire.faults["CompleteMultipartUpload"] = change
    assert wire.store().upload(key, streamed, ignore)
    assert wire.store().read(key) == CONTENT
    assert unfinished(cloud, key) == []


def test_nothing_is_seen_before_the_last_part_has_arrived(wire: Wire, key: str) -> None:
    seen: list[bool] = []
    other = Wire(wire.cloud).store()
    assert wire.store().upload(key, streamed, lambda _: seen.append(other.exists(key)))
    assert seen == [False] * 4


def test_every_call_names_the_owner_and_every_write_the_key(wire: Wire, key: str) -> None:
    store = wire.store(kms_key=KEY_ID, owner="123456789012")
    store.put_once(f"{key}/small", b"content")
    store.upload(f"{key}/large", streamed, ignore)
    store.copy_once(f"{key}/small", f"{key}/small-copy")
    store.copy_once(f"{key}/large", f"{key}/large-copy")
    store.read(f"{key}/small")
    assert len(store.keys(key)) == 4
    assert {params.get("ExpectedBucketOwner") for _, params in wire.asked} == {"123456789012"}
    writes = [p for name, p in wire.asked if name in {"PutObject", "CreateMultipartUpload", "CopyObject"}]
    assert len(writes) == 4
    assert {(p["ServerSideEncryption"], p["SSEKMSKeyId"]) for p in writes} == {("aws:kms", KEY_ID)}
    copies = [params for name, params in wire.asked if name in {"CopyObject", "UploadPartCopy"}]
    assert {params["ExpectedSourceBucketOwner"] for params in copies} == {"123456789012"}


def test_without_a_key_and_an_owner_neither_is_named(wire: Wire, key: str) -> None:
    wire.store().upload(key, streamed, ignore)
    named = {name for _, params in wire.asked for name in params}
    assert not named & {"ExpectedBucketOwner", "ServerSideEncryption", "SSEKMSKeyId"}


@pytest.mark.parametrize(("left_with", "taken_over"), [(KEY_ID, True), (OTHER_KEY_ID, False)])
def test_only_an_upload_that_is_encrypted_with_our_key_is_gone_on_with(
    cloud: TestCloud, wire: Wire, key: str, left_with: str, *, taken_over: bool
) -> None:
    begin(cloud, key, [CONTENT[:PART]], ServerSideEncryption="aws:kms", SSEKMSKeyId=left_with)
    assert wire.store(kms_key=KEY_ID).upload(key, streamed, ignore)
    assert ("CreateMultipartUpload" not in wire.operations()) == taken_over
    assert cloud.client("s3").head_object(Bucket=BUCKET, Key=key)["SSEKMSKeyId"] == KEY_ID
    assert unfinished(cloud, key) == []


def test_a_refusal_with_an_expected_owner_names_bucket_and_owner(wire: Wire, key: str) -> None:
    wire.faults["HeadObject"] = lambda: refusal(403, "AccessDenied")
    with pytest.raises(DeniedError) as caught:
        wire.store(owner="999999999999").upload(key, streamed, ignore)
    told = dict(caught.value.details)["owner"]
    assert BUCKET in told
    assert "999999999999" in told


@pytest.mark.parametrize("size", [10, 3 * PART + 7])
def test_a_copy_stays_in_s3_and_is_made_once(wire: Wire, key: str, size: int) -> None:
    store = wire.store()
    store.upload(f"{key}/source", lambda: streamed(CONTENT[:size]), ignore)
    wire.asked.clear()
    assert store.copy_once(f"{key}/source", f"{key}/copy")
    assert not store.copy_once(f"{key}/source", f"{key}/copy")
    assert not {"PutObject", "UploadPart", "GetObject"} & set(wire.operations())
    assert store.read(f"{key}/copy") == CONTENT[:size]


def test_a_copy_of_what_came_in_parts_is_read_with_its_own_checksum(cloud: TestCloud, key: str) -> None:
    parts = Wire(cloud).store()
    parts.upload(f"{key}/source", streamed, ignore)
    whole = S3Store(lambda _: cloud.client("s3"), BUCKET)  # whose ranges are larger: one CopyObject
    assert whole.copy_once(f"{key}/source", f"{key}/copy")
    assert whole.read(f"{key}/copy") == CONTENT
    assert cloud.client("s3").get_object(Bucket=BUCKET, Key=f"{key}/copy")["Body"].read() == CONTENT


def test_a_part_of_an_upload_that_has_ended_is_refused_as_s3_does(cloud: TestCloud, key: str) -> None:
    s3 = cloud.client("s3")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    with pytest.raises(ClientError) as caught:
        s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    assert caught.value.response["Error"]["Code"] == "NoSuchUpload"


def test_copying_what_is_not_there_is_not_found(wire: Wire, key: str) -> None:
    with pytest.raises(NotFoundError):
        wire.store().copy_once(f"{key}/nothing", f"{key}/copy")


def test_a_copy_that_fails_on_the_way_leaves_nothing(cloud: TestCloud, wire: Wire, key: str) -> None:
    store = wire.store()
    store.upload(f"{key}/source", streamed, ignore)
    wire.faults["UploadPartCopy"] = after(1, lambda: refusal(400, "InvalidRequest"))
    with pytest.raises(CloudError):
        store.copy_once(f"{key}/source", f"{key}/copy")
    assert unfinished(cloud, f"{key}/copy") == []
    assert not store.exists(f"{key}/copy")
