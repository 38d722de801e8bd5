"""The local cloud's S3 with boto3 and plain HTTP: what is verified, refused, shared and kept."""

import base64
import contextlib
import hashlib
import http.client
import json
import random
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from orchestrator.localcloud.objects.crc import CRC64NVME
from tests.support.clouds import BUCKET, STANDIN, TestCloud, local_cloud

pytestmark = pytest.mark.slow

PART_BYTES = 5 * 2**20
CONTENT = random.Random(7).randbytes(PART_BYTES + 1000)  # noqa: S311 - the same each time


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("objects") / "state", STANDIN) as running:
        yield running


def refusal(cloud: TestCloud, operation: str, **request: Any) -> str:  # noqa: ANN401 - API members
    """Return the code that S3 refuses a call with."""
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client("s3"), operation)(**{"Bucket": BUCKET, **request})
    return str(refused.value.response["Error"]["Code"])


def exchanged(
    cloud: TestCloud, method: str, url: str, body: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    """Send a request as it is, and return status and body of the answer."""
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc)
    with contextlib.closing(connection):
        connection.request(method, url.removeprefix(cloud.url), body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def read(cloud: TestCloud, key: str, bucket: str = BUCKET, **request: Any) -> bytes:  # noqa: ANN401 - API members
    answer = cloud.client("s3").get_object(Bucket=bucket, Key=key, **request)
    with contextlib.closing(answer["Body"]) as body:
        found: bytes = body.read()
    return found


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ({"ContentMD5": base64.b64encode(bytes(16)).decode()}, "BadDigest"),
        ({"ContentMD5": "nonsense"}, "InvalidDigest"),
        ({"ChecksumCRC32": "AAAAAA=="}, "BadDigest"),
        ({"ChecksumSHA256": base64.b64encode(bytes(32)).decode()}, "BadDigest"),
        ({"ChecksumCRC32": "AAA"}, "InvalidRequest"),
    ],
)
def test_a_body_that_is_not_what_was_claimed_is_refused_and_not_stored(
    cloud: TestCloud, claim: Mapping[str, str], code: str
) -> None:
    key = f"wrong/{claim}"
    assert refusal(cloud, "put_object", Key=key, Body=b"something", **claim) == code
    assert refusal(cloud, "head_object", Key=key) == "404"


def test_a_checksum_that_python_lacks_is_verified_and_shown(cloud: TestCloud) -> None:
    right = base64.b64encode(CRC64NVME.crc(b"hello").to_bytes(8, "big")).decode()
    cloud.client("s3").put_object(Bucket=BUCKET, Key="nvme", Body=b"hello", ChecksumCRC64NVME=right)
    shown = cloud.client("s3").head_object(Bucket=BUCKET, Key="nvme", ChecksumMode="ENABLED")
    assert (shown["ChecksumCRC64NVME"], shown["ChecksumType"]) == (right, "FULL_OBJECT")


@pytest.mark.parametrize("trailer", ["NhCmhg==", "AAAAAA=="])
def test_a_checksum_behind_the_body_is_verified(cloud: TestCloud, trailer: str) -> None:
    url = cloud.client("s3").generate_presigned_url(
        "put_object", Params={"Bucket": BUCKET, "Key": f"trailing/{trailer}"}
    )
    status, _ = exchanged(
        cloud,
        "PUT",
        url,
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n" % trailer.encode(),
        **{
            "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            "content-encoding": "aws-chunked",
            "x-amz-decoded-content-length": "5",
            "x-amz-trailer": "x-amz-checksum-crc32",
        },
    )
    if trailer == "NhCmhg==":
        assert (status, read(cloud, f"trailing/{trailer}")) == (200, b"hello")
    else:
        assert status == 400


def uploaded(cloud: TestCloud, key: str, **options: str) -> tuple[str, list[dict[str, Any]]]:
    """Begin an upload of `CONTENT` in two parts, and return its id and the parts."""
    s3 = cloud.client("s3")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="CRC32", **options)[
        "UploadId"
    ]
    parts = []
    for number, body in enumerate((CONTENT[:PART_BYTES], CONTENT[PART_BYTES:]), 1):
        made = s3.upload_part(
            Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32"
        )
        parts.append({"PartNumber": number, "ETag": made["ETag"], "ChecksumCRC32": made["ChecksumCRC32"]})
    return upload, parts


def test_an_object_of_parts_is_verified_as_a_whole(cloud: TestCloud) -> None:
    upload, parts = uploaded(cloud, "full", ChecksumType="FULL_OBJECT")
    completing = {"Key": "full", "UploadId": upload, "MultipartUpload": {"Parts": parts}}
    assert refusal(cloud, "complete_multipart_upload", **completing, ChecksumCRC32="AAAAAA==") == "BadDigest"
    right = base64.b64encode(zlib.crc32(CONTENT).to_bytes(4, "big")).decode()
    cloud.client("s3").complete_multipart_upload(Bucket=BUCKET, **completing, ChecksumCRC32=right)
    shown = cloud.client("s3").head_object(Bucket=BUCKET, Key="full", ChecksumMode="ENABLED")
    assert (shown["ChecksumCRC32"], shown["ChecksumType"]) == (right, "FULL_OBJECT")


def test_an_object_of_parts_is_read_whole_in_ranges_and_by_part(cloud: TestCloud) -> None:
    upload, parts = uploaded(cloud, "parts")
    cloud.client("s3").complete_multipart_upload(
        Bucket=BUCKET, Key="parts", UploadId=upload, MultipartUpload={"Parts": parts}
    )
    assert read(cloud, "parts") == CONTENT
    across = f"bytes={PART_BYTES - 2}-{PART_BYTES + 1}"
    assert read(cloud, "parts", Range=across) == CONTENT[PART_BYTES - 2 : PART_BYTES + 2]
    assert read(cloud, "parts", Range="bytes=-3") == CONTENT[-3:]
    assert read(cloud, "parts", PartNumber=2) == CONTENT[PART_BYTES:]
    shown = cloud.client("s3").head_object(Bucket=BUCKET, Key="parts", ChecksumMode="ENABLED")
    assert (shown["ChecksumCRC32"][-2:], shown["ChecksumType"]) == ("-2", "COMPOSITE")


def test_a_copy_outlives_its_source(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="source", Body=b"hello")
    s3.copy_object(Bucket=BUCKET, Key="copied", CopySource=f"{BUCKET}/source")
    s3.delete_object(Bucket=BUCKET, Key="source")
    assert read(cloud, "copied") == b"hello"


def test_files_go_with_their_objects(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="going", Body=b"unmistakable")
    folders = [path for path in cloud.state_dir.rglob("objects") if path.is_dir()]

    def holding() -> list[Path]:
        files = [file for folder in folders for file in folder.iterdir()]
        return [file for file in files if file.read_bytes() == b"unmistakable"]

    assert len(holding()) == 1
    s3.delete_object(Bucket=BUCKET, Key="going")
    assert holding() == []


def test_an_object_that_many_write_at_once_is_never_torn(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    bodies = [bytes([number]) * 300_000 for number in range(8)]
    s3.put_object(Bucket=BUCKET, Key="shared", Body=bodies[0])

    def write_and_read(body: bytes) -> bytes:
        s3.put_object(Bucket=BUCKET, Key="shared", Body=body)
        return read(cloud, "shared")

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(write_and_read, bodies * 3)) <= set(bodies)


@pytest.fixture
def hardened(cloud: TestCloud) -> Iterator[str]:
    """Return a bucket with the two usual statements in its policy."""
    s3, name = cloud.client("s3"), "hardened"
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    everywhere = {
        "Effect": "Deny",
        "Principal": "*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
    }
    statements = [
        {**everywhere, "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
        {
            **everywhere,
            "Action": "s3:PutObject",
            "Condition": {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}},
        },
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
    yield name
    s3.delete_bucket_policy(Bucket=name)
    for found in s3.list_objects_v2(Bucket=name).get("Contents", []):
        s3.delete_object(Bucket=name, Key=found["Key"])
    s3.delete_bucket(Bucket=name)


def test_the_usual_policies_refuse_what_they_are_about_and_nothing_else(
    cloud: TestCloud, hardened: str
) -> None:
    assert refusal(cloud, "put_object", Bucket=hardened, Key="a", Body=b"plain") == "AccessDenied"
    cloud.client("s3").put_object(Bucket=hardened, Key="a", Body=b"kept", ServerSideEncryption="aws:kms")
    assert read(cloud, "a", bucket=hardened) == b"kept"


def test_a_policy_that_is_none_is_refused(cloud: TestCloud) -> None:
    assert refusal(cloud, "put_bucket_policy", Policy="{nope") == "MalformedPolicy"


def test_another_owner_than_expected_is_refused(cloud: TestCloud) -> None:
    assert refusal(cloud, "list_objects_v2", ExpectedBucketOwner="999999999999") == "AccessDenied"


def test_a_presigned_url_serves_until_it_expires(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="signed", Body=b"hello")
    asked = {"Params": {"Bucket": BUCKET, "Key": "signed"}}
    assert exchanged(cloud, "GET", s3.generate_presigned_url("get_object", **asked)) == (200, b"hello")
    status, body = exchanged(cloud, "GET", s3.generate_presigned_url("get_object", **asked, ExpiresIn=-1))
    assert (status, b"Request has expired" in body) == (403, True)


def test_what_a_disabled_key_encrypts_is_refused(cloud: TestCloud) -> None:
    kms, s3 = cloud.client("kms"), cloud.client("s3")
    key = kms.create_key()["KeyMetadata"]
    options = {"Bucket": BUCKET, "ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["Arn"]}
    s3.put_object(Key="locked", Body=b"hello", **options)
    kms.disable_key(KeyId=key["KeyId"])
    assert refusal(cloud, "get_object", Key="locked") == "KMS.DisabledException"


def test_an_upload_that_is_cut_off_leaves_what_was_there(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    s3.put_object(Bucket=BUCKET, Key="cut", Body=b"whole")
    url = urlsplit(s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": "cut"}))
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc)
    with contextlib.closing(connection):
        connection.putrequest("PUT", f"{url.path}?{url.query}")
        connection.putheader("content-length", "100")
        connection.endheaders(b"half")
    assert read(cloud, "cut") == b"whole"


def test_the_etag_of_an_object_is_its_md5(cloud: TestCloud) -> None:
    made = cloud.client("s3").put_object(Bucket=BUCKET, Key="etag", Body=CONTENT)
    assert made["ETag"].strip('"') == hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()
