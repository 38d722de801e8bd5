"""What the orchestrator writes, in the bucket of account.yaml: with its policy, and with Object Lock.

On the local cloud, which enforces both. Everything is sent over plain HTTP there, and says nothing of it.
"""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from orchestrator.adapters.journal import S3Journal
from orchestrator.adapters.slot import S3Slot
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core import names
from orchestrator.localcloud.defaults import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from tests.support.clouds import local_cloud
from tests.support.infra_stacks import Stack, Witness

pytestmark = pytest.mark.slow

AT = "2026-11-22T12:00:00Z"


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}
    with local_cloud(tmp_path_factory.mktemp("bucket") / "state") as cloud:
        found = Witness("local cloud", cloud.url, ACCOUNT, REGION, keys)
        Stack(found, "account", "locked").change(BucketName="locked", ObjectLockDays="7")
        yield found
        found.close()


@pytest.fixture(scope="module")
def key(witness: Witness) -> str:
    return Stack(witness, "account", "locked").outputs()["KeyArn"]


@pytest.fixture
def bucket(witness: Witness, key: str) -> Bucket:
    return Bucket(witness.client, "locked", kms_key=key, owner=ACCOUNT)


def test_a_lock_is_taken_renewed_and_let_go_again_and_again(bucket: Bucket) -> None:
    slot = S3Slot(bucket, names.lock_key("turns"))
    for _ in range(2):
        first = slot.write(b"mine", over=None)
        assert first is not None
        renewed = slot.write(b"mine still", over=first)
        assert renewed is not None
        assert slot.clear(renewed)
        assert slot.read() is None


def test_a_journal_is_written_and_read_back(witness: Witness, bucket: Bucket, key: str) -> None:
    store = S3Store(witness.client, "locked", kms_key=key, owner=ACCOUNT)
    for number in (1, 2):
        journal = S3Journal(store, S3Slot(bucket, names.head_key("written")), "written")
        assert journal.append("note", {"number": number}, by="somebody", at=AT).number == number


def test_an_archive_goes_up_whole_and_in_parts(witness: Witness, key: str) -> None:
    store = S3Store(witness.client, "locked", kms_key=key, owner=ACCOUNT)
    large = [b"0" * 2**20] * 20
    small, parts = (names.artifact_key("sent", name) for name in ("small", "parts"))
    assert store.put_once(small, b"1")
    assert store.upload(parts, lambda: iter(large), lambda _: None)
    told = witness.client("s3").head_object(Bucket="locked", Key=parts)
    assert (told["ContentLength"], told["SSEKMSKeyId"]) == (20 * 2**20, key)


def test_what_says_nothing_is_encrypted_with_the_buckets_key(witness: Witness, key: str) -> None:
    s3 = witness.client("s3")
    s3.put_object(Bucket="locked", Key="captured/quiet/a.jsonl", Body=b"{}")
    told = s3.head_object(Bucket="locked", Key="captured/quiet/a.jsonl")
    assert (told["ServerSideEncryption"], told["SSEKMSKeyId"]) == ("aws:kms", key)


def test_what_asks_for_other_encryption_is_refused(witness: Witness) -> None:
    s3 = witness.client("s3")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.put_object(Bucket="locked", Key="captured/a", Body=b"{}", ServerSideEncryption="AES256")


def test_no_version_can_be_deleted_while_it_is_locked(witness: Witness) -> None:
    s3 = witness.client("s3")
    version = s3.put_object(Bucket="locked", Key="captured/kept", Body=b"{}")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="locked", Key="captured/kept", VersionId=version)


def test_an_entry_of_the_journal_is_not_even_hidden(witness: Witness) -> None:
    s3, entry = witness.client("s3"), names.journal_key("hidden", 1)
    s3.put_object(Bucket="locked", Key=entry, Body=b"{}")
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="locked", Key=entry)
    assert s3.get_object(Bucket="locked", Key=entry)["Body"].read() == b"{}"
