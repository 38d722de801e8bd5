"""What IAM asks about calls of S3, and of KMS on S3's behalf: see `tests.support.permissions`."""

from collections.abc import Iterator, Mapping

from tests.support.needs import Ask, Need, Parameters, Place


def _bucket(request: Parameters, place: Place, key: str = "") -> str:
    bucket = f"arn:{place.partition}:s3:::{request['Bucket']}"
    return f"{bucket}/{key}" if key else bucket


_HEADERS = {
    "IfNoneMatch": "s3:if-none-match",
    "IfMatch": "s3:if-match",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
}


def _listing(action: str) -> Ask:
    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        prefix = {"s3:prefix": (request["Prefix"],)} if "Prefix" in request else {}
        yield Need(action, _bucket(request, place), prefix)

    return ask


def _reading(request: Parameters, place: Place) -> Iterator[Need]:
    yield Need("s3:GetObject", _bucket(request, place, request["Key"]))
    yield Need("kms:Decrypt", place.key, place.via("s3"))
    # "If you have the s3:ListBucket permission ... 404, if not 403": API reference, GetObject and HeadObject.
    yield Need("s3:ListBucket", _bucket(request, place))


def _writing(request: Parameters, place: Place) -> Iterator[Need]:
    said = {key: (str(request[name]),) for name, key in _HEADERS.items() if name in request}
    yield Need("s3:PutObject", _bucket(request, place, request["Key"]), said)
    yield Need("kms:GenerateDataKey", place.key, place.via("s3"))


def _writing_parts(request: Parameters, place: Place) -> Iterator[Need]:
    yield from _writing(request, place)
    # S3 has to read what it has encrypted: S3 user guide, "Multipart upload API and permissions".
    yield Need("kms:Decrypt", place.key, place.via("s3"))


def _copying(request: Parameters, place: Place) -> Iterator[Need]:
    source = request["CopySource"]
    yield from _reading({"Bucket": source["Bucket"], "Key": source["Key"]}, place)
    yield from _writing(request, place)


def _on_object(action: str) -> Ask:
    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        yield Need(action, _bucket(request, place, request["Key"]))

    return ask


def _on_bucket(action: str) -> Ask:
    def ask(request: Parameters, place: Place) -> Iterator[Need]:
        yield Need(action, _bucket(request, place))

    return ask


ASKS: Mapping[str, Ask] = {
    "s3 GetBucketEncryption": _on_bucket("s3:GetEncryptionConfiguration"),
    "s3 GetBucketPolicy": _on_bucket("s3:GetBucketPolicy"),
    "s3 GetBucketTagging": _on_bucket("s3:GetBucketTagging"),
    "s3 GetBucketVersioning": _on_bucket("s3:GetBucketVersioning"),
    "s3 GetPublicAccessBlock": _on_bucket("s3:GetBucketPublicAccessBlock"),
    "s3 ListObjectsV2": _listing("s3:ListBucket"),
    "s3 HeadBucket": _listing("s3:ListBucket"),
    "s3 ListMultipartUploads": _listing("s3:ListBucketMultipartUploads"),
    "s3 ListParts": _on_object("s3:ListMultipartUploadParts"),
    "s3 GetObject": _reading,
    "s3 HeadObject": _reading,
    "s3 PutObject": _writing,
    "s3 CreateMultipartUpload": _writing,
    "s3 UploadPart": _writing_parts,
    "s3 CompleteMultipartUpload": _writing_parts,
    "s3 CopyObject": _copying,
    "s3 UploadPartCopy": _copying,
    "s3 AbortMultipartUpload": _on_object("s3:AbortMultipartUpload"),
    "s3 DeleteObject": _on_object("s3:DeleteObject"),
}
