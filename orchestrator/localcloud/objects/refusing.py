"""What S3 refuses, and moto takes, or takes for something else.

One of the modules that know moto.
"""

import datetime as dt
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.s3.exceptions import InvalidContinuationToken, NoSuchUpload, PreconditionFailed
from moto.s3.models import FakeBucket, FakeKey, S3Backend
from moto.s3.responses import S3Response

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects.presigned import check_form

# Without these moto would do what the request says with nothing behind the question mark: a rename would
# overwrite its object with nothing.
_ABSENT = {
    "abac",
    "analytics",
    "annotation",
    "intelligent-tiering",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "renameObject",
    "requestPayment",
    "session",
    "torrent",
}
_CUSTOMER_KEY = "x-amz-server-side-encryption-customer-algorithm"
_BUCKET_NAME = re.compile(r"(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_MOST_KEY_BYTES = 1024
_MOST_METADATA_BYTES = 2048
_MOST_KEYS = 1000
_MOST_PARTS = 10_000
_INTEGERS = range(2**31)
_META = "x-amz-meta-"
_SOURCE = "x-amz-copy-source-if-"
_CONDITIONS = {"match", "none-match", "modified-since", "unmodified-since"}
# What may be said where ACLs are disabled (S3 user guide, "Controlling ownership of objects").
_OWNERS_ACLS = {"private", "bucket-owner-full-control"}

_FROM_TOKEN = S3Backend._get_results_from_token  # noqa: SLF001 - moto's seam


def check_bucket(response: S3Response, request: Any) -> None:  # noqa: ANN401 - werkzeug's
    """Check the form of a request for a bucket; a page that is too long is cut.

    Raises:
        ApiError: If it is refused.
    """
    _check_known(request)
    if request.method == "PUT" and not request.args and not _BUCKET_NAME.fullmatch(response.bucket_name):
        raise ApiError("InvalidBucketName", "The specified bucket is not valid.")
    for name in ("max-keys", "max-uploads"):
        given = request.args.get(name)
        if given and not (given.isdecimal() and int(given) in _INTEGERS):
            raise ApiError("InvalidArgument", f"Provided {name} not an integer or within integer range")
        if given and int(given) > _MOST_KEYS:
            response.querystring[name] = [str(_MOST_KEYS)]
    if request.method == "POST" and "delete" not in request.args:
        check_form(request.form, len(response.body), dt.datetime.now(dt.UTC))


def check_key(response: S3Response, request: Any, bucket: FakeBucket | None) -> None:  # noqa: ANN401 - werkzeug's
    """Check a request for an object of ``bucket``, as far as it is no question of rights.

    Raises:
        ApiError: If it is refused.
    """
    _check_known(request)
    name = response.parse_key_name()
    if len(name.encode()) > _MOST_KEY_BYTES:
        raise ApiError("KeyTooLongError", "Your key is too long")
    _check_metadata(request.headers)
    if bucket is None:
        return
    _check_upload(request, name, bucket)
    _check_acl(request, bucket)
    if request.method == "GET" and "retention" in request.args:
        _check_retention(response.backend.get_object(bucket.name, name, request.args.get("versionId")))


def _check_known(request: Any) -> None:  # noqa: ANN401 - werkzeug's
    absent = sorted(_ABSENT & set(request.args))
    if absent:
        raise _not_there(f"{request.method} ?{absent[0]}")
    if _CUSTOMER_KEY in request.headers:
        raise _not_there("encryption with keys of customers (SSE-C)")


def _not_there(what: str) -> ApiError:
    return ApiError("NotImplemented", f"the local cloud does not support {what}", status=501)


def _check_metadata(headers: Mapping[str, str]) -> None:
    size = sum(
        len(name) - len(_META) + len(value.encode())
        for name, value in headers.items()
        if name.lower().startswith(_META)
    )
    if size > _MOST_METADATA_BYTES:
        raise ApiError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")


def _check_upload(request: Any, name: str, bucket: FakeBucket) -> None:  # noqa: ANN401 - werkzeug's
    number, upload = request.args.get("partNumber"), request.args.get("uploadId")
    if number is not None and not (number.isdecimal() and 1 <= int(number) <= _MOST_PARTS):
        raise ApiError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    uploading = bucket.multiparts.get(upload) if upload else None
    if uploading is not None and uploading.key_name != name:
        raise NoSuchUpload(upload_id=upload)


def _check_acl(request: Any, bucket: FakeBucket) -> None:  # noqa: ANN401 - werkzeug's
    if request.method not in {"PUT", "POST"} or "BucketOwnerEnforced" not in str(bucket.ownership_rule):
        return
    canned = request.headers.get("x-amz-acl", "private")
    grants = any(name.lower().startswith("x-amz-grant-") for name, _ in request.headers.items())
    if canned not in _OWNERS_ACLS or grants:
        raise ApiError("AccessControlListNotSupported", "The bucket does not allow ACLs")


def _check_retention(key: FakeKey | None) -> None:
    if key is not None and key.lock_mode:
        raise _not_there("GetObjectRetention")
    if key is not None:
        raise ApiError(
            "NoSuchObjectLockConfiguration",
            "The specified object does not have a ObjectLock configuration",
            status=404,
        )


def check_source(response: S3Response, headers: Mapping[str, str]) -> None:
    """Check what a copy says of its source (API reference, CopyObject).

    Raises:
        PreconditionFailed: If the source is another.
    """
    given = {name.lower().removeprefix(_SOURCE): value for name, value in headers.items()}
    path, _, query = headers.get("x-amz-copy-source", "").partition("?")
    bucket, _, name = unquote(path).lstrip("/").partition("/")
    if not _CONDITIONS & set(given) or not name:
        return
    version = parse_qs(query).get("versionId", [None])[0]
    key = response.backend.get_object(bucket, name, version_id=version)
    failed = _failed(key, given) if isinstance(key, FakeKey) else ""
    if failed:
        raise PreconditionFailed(_SOURCE + failed)


def _failed(key: FakeKey, given: Mapping[str, str]) -> str:
    """Return the condition that does not hold, if one does not; an ETag counts more than a date."""
    if "match" in given:
        return "match" if given["match"].strip('"') != key.etag.strip('"') else ""
    if "none-match" in given:
        return "none-match" if given["none-match"].strip('"') == key.etag.strip('"') else ""
    # As precise as headers are.
    made = key.last_modified.replace(microsecond=0, tzinfo=dt.UTC)
    before, after = _moment(given.get("unmodified-since")), _moment(given.get("modified-since"))
    if before is not None and made > before:
        return "unmodified-since"
    # S3 takes no notice of a moment that is yet to come (RFC 9110, 13.1.3).
    return "modified-since" if after is not None and made <= after <= dt.datetime.now(dt.UTC) else ""


def _moment(header: str | None) -> dt.datetime | None:
    try:
        found = parsedate_to_datetime(header) if header else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=dt.UTC)


def _from_token(self: S3Backend, keys: Any, token: str | None) -> Any:  # noqa: ANN401 - moto's own
    if token is None:
        raise InvalidContinuationToken
    return _FROM_TOKEN(self, keys, token)


REPLACED = ((S3Backend, "_get_results_from_token", _from_token),)
"""What `installing` puts in the place of moto's: whose, its name, and ours."""
