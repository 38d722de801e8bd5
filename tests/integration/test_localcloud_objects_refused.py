"""What S3 refuses, cuts or tells and moto does not, asked for with boto3 and plain HTTP."""

import contextlib
import datetime as dt
import http.client
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import BUCKET, STANDIN, TestCloud, local_cloud

pytestmark = pytest.mark.slow

PART_BYTES = 5 * 2**20


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("refused") / "state", STANDIN) as running:
        yield running


def refusal(cloud: TestCloud, operation: str, **request: Any) -> str:  # noqa: ANN401 - API members
    """Return the code that S3 refuses a call with."""
    with pytest.raises(ClientError) as refused:
        getattr(cloud.client("s3"), operation)(**{"Bucket": BUCKET, **request})
    return str(refused.value.response["Error"]["Code"])


def read(cloud: TestCloud, key: str) -> bytes:
    with contextlib.closing(cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"]) as body:
        found: bytes = body.read()
    return found


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("create_bucket", {"Bucket": "Not_A_Name"}, "InvalidBucketName"),
        ("put_object", {"Key": "k" * 1025}, "KeyTooLongError"),
        ("put_object", {"Key": "meta", "Metadata": {"a": "x" * 2048}}, "MetadataTooLarge"),
        (
            "put_object",
            {"Key": "sse", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": b"k" * 32},
            "NotImplemented",
        ),
        ("list_objects_v2", {"MaxKeys": -1}, "InvalidArgument"),
        ("list_objects_v2", {"ContinuationToken": "of nobody"}, "InvalidArgument"),
        ("list_bucket_metrics_configurations", {}, "NotImplemented"),
        ("delete_objects", {"Delete": {"Objects": [{"Key": str(n)} for n in range(1001)]}}, "MalformedXML"),
    ],
)
def test_what_s3_does_not_take_is_refused(
    cloud: TestCloud, operation: str, request_: Mapping[str, Any], code: str
) -> None:
    assert refusal(cloud, operation, **request_) == code


def test_a_rename_is_refused_and_leaves_the_object_as_it_is(cloud: TestCloud) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key="renamed", Body=b"whole")
    assert refusal(cloud, "rename_object", Key="renamed", RenameSource="other") == "NotImplemented"
    assert read(cloud, "renamed") == b"whole"


def test_a_page_has_at_most_a_thousand_keys(cloud: TestCloud) -> None:
    assert cloud.client("s3").list_objects_v2(Bucket=BUCKET, MaxKeys=5000)["MaxKeys"] == 1000


def test_a_copy_is_made_only_of_the_source_that_was_seen(cloud: TestCloud) -> None:
    s3, source = cloud.client("s3"), {"Bucket": BUCKET, "Key": "source +"}
    etag = s3.put_object(Bucket=BUCKET, Key="source +", Body=b"one")["ETag"]
    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    conditions: list[dict[str, Any]] = [
        {"CopySourceIfMatch": '"another"'},
        {"CopySourceIfNoneMatch": etag},
        {"CopySourceIfUnmodifiedSince": long_ago},
    ]
    for condition in conditions:
        refused = refusal(cloud, "copy_object", Key="copied", CopySource=source, **condition)
        assert refused == "PreconditionFailed"
    s3.copy_object(
        Bucket=BUCKET,
        Key="copied",
        CopySource=source,
        CopySourceIfMatch=etag,
        CopySourceIfUnmodifiedSince=long_ago,
        CopySourceIfModifiedSince=long_ago,
    )
    assert read(cloud, "copied") == b"one"


def test_many_deletions_spare_what_has_changed_and_are_quiet_if_asked_to(cloud: TestCloud) -> None:
    s3 = cloud.client("s3")
    for key in ("changed", "g&ne"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    asked = [{"Key": "changed", "ETag": '"another"'}, {"Key": "g&ne"}]
    answer = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": asked, "Quiet": True})
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("changed", "PreconditionFailed")]
    assert "Deleted" not in answer
    assert refusal(cloud, "get_object", Key="g&ne") == "NoSuchKey"
    assert read(cloud, "changed") == b"1"


def test_a_bucket_without_acls_takes_none_but_the_owners(cloud: TestCloud) -> None:
    s3, bucket = cloud.client("s3"), "without-acls"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    rules = [{"ObjectOwnership": "BucketOwnerEnforced"}]
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": rules})
    refused = refusal(cloud, "put_object", Bucket=bucket, Key="a", ACL="public-read")
    assert refused == "AccessControlListNotSupported"
    s3.put_object(Bucket=bucket, Key="a", ACL="bucket-owner-full-control")


def test_uploads_are_listed_by_page_and_folder_with_the_moment_they_began(cloud: TestCloud) -> None:
    s3, before = cloud.client("s3"), dt.datetime.now(dt.UTC) - dt.timedelta(seconds=5)
    keys = ["listed/a", "listed/b/1", "listed/b/2", "listed/c"]
    for key in keys:
        s3.create_multipart_upload(Bucket=BUCKET, Key=key)
    pages = s3.get_paginator("list_multipart_uploads")
    options = {"Bucket": BUCKET, "Prefix": "listed/", "PaginationConfig": {"PageSize": 1}}
    found = [each for page in pages.paginate(**options) for each in page["Uploads"]]
    assert [each["Key"] for each in found] == keys
    assert all(each["Initiated"] > before for each in found)
    entries = [
        [each["Key"] for each in page.get("Uploads", [])] or [page["CommonPrefixes"][0]["Prefix"]]
        for page in pages.paginate(Delimiter="/", **options)
    ]
    assert entries == [["listed/a"], ["listed/b/"], ["listed/c"]]


def test_an_upload_is_of_its_key_alone_and_its_object_of_the_parts_that_were_named(cloud: TestCloud) -> None:
    s3, key = cloud.client("s3"), "in parts"
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="CRC32")["UploadId"]
    where = {"Bucket": BUCKET, "UploadId": upload}
    made = [
        s3.upload_part(**where, Key=key, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
        for number, body in ((1, bytes(PART_BYTES)), (2, b"no part"), (3, b"end"))
    ]
    assert refusal(cloud, "upload_part", Key="another", UploadId=upload, PartNumber=1) == "NoSuchUpload"
    named = [
        {"PartNumber": number, "ETag": made[number - 1]["ETag"]}
        | {"ChecksumCRC32": made[number - 1]["ChecksumCRC32"]}
        for number in (1, 3)
    ]
    done = s3.complete_multipart_upload(**where, Key=key, MultipartUpload={"Parts": named})
    attributes = ["Checksum", "ObjectParts"]
    told = s3.get_object_attributes(Bucket=BUCKET, Key=key, ObjectAttributes=attributes, MaxParts=1)
    parts = told["ObjectParts"]
    assert done["ChecksumCRC32"] == f"{told['Checksum']['ChecksumCRC32']}-2"
    assert (parts["TotalPartsCount"], parts["IsTruncated"], parts["NextPartNumberMarker"]) == (2, True, 1)
    assert parts["Parts"] == [
        {"PartNumber": 1, "Size": PART_BYTES, "ChecksumCRC32": named[0]["ChecksumCRC32"]}
    ]


def posted(cloud: TestCloud, size: int, expires: int) -> int:
    """Post a file of ``size`` bytes to a form that takes ten at most, and return the status."""
    form = cloud.client("s3").generate_presigned_post(
        BUCKET, "posted", Conditions=[["content-length-range", 0, 10]], ExpiresIn=expires
    )
    lines = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form["fields"].items()
    ]
    file = (
        f'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n{"f" * size}\r\n--x--\r\n'
    )
    connection = http.client.HTTPConnection(urlsplit(cloud.url).netloc)
    with contextlib.closing(connection):
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", f"/{BUCKET}", "".join([*lines, file]), kind)
        return connection.getresponse().status


def test_a_form_takes_files_of_the_size_and_until_the_moment_of_its_policy(cloud: TestCloud) -> None:
    assert [posted(cloud, *each) for each in ((10, 60), (11, 60), (10, -60))] == [204, 400, 403]
