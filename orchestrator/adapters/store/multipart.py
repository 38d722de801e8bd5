"""Multipart uploads: content of unknown length, in parts that are sent side by side and checked one by one.

Nothing of an upload is visible before it is completed, and completing it is conditional like every write.
An upload that was cut off stays in the bucket: the next one of the same key takes its parts over, each of
which has to have the number, size and checksum of what would be sent in its place.
"""

from collections.abc import Callable, Iterator, Sequence

from botocore.exceptions import ClientError

from orchestrator.adapters.refusals import code_of
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.adapters.store.parts import GONE_CODES, LostUploadError, Part, Sender, Upload
from orchestrator.core.errors import CloudError, DeniedError

TAKEN_CODES = {"PreconditionFailed", "412"}
RACED_CODES = {"ConditionalRequestConflict", "409"}
# The parts are not those that we have sent: somebody else, with other content, goes on with the same upload.
_MIXED_CODES = {"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "BadDigest"}
_KEPT = "what has arrived is kept in S3, unseen; the same command goes on from there"


def send(
    bucket: Bucket, key: str, parts: Iterator[bytearray], moved: Callable[[int], None], *, fresh: bool
) -> bool:
    """Store ``parts`` under ``key`` unless it has been taken meanwhile; tell whether they were stored.

    Args:
        bucket: Where to.
        key: Where to in it.
        parts: All of one size, but for the last one.
        moved: Told how many more bytes are in S3.
        fresh: Whether to leave alone what an earlier call has not finished.

    Raises:
        CloudError: If S3 refuses it or cannot be reached. The upload stays for the next call.
        LostUploadError: If somebody else was faster; it is not known whether the key is taken now.
        BaseException: What ``parts`` raises, or an interrupt. What was sent has been taken back.
    """
    upload = (None if fresh else _unfinished(bucket, key)) or begun(bucket, key, ChecksumAlgorithm="SHA256")
    sender = Sender(bucket, upload)
    try:
        with sender:
            sent = sender.send(parts, moved)
        return completed(bucket, upload, sent)
    except CloudError as error:
        error.add_detail("state", _KEPT)
        error.hint = error.hint or "run the same command again"
        raise
    except BaseException as error:
        take_back(bucket, upload, error, sender.stop)
        raise


def begun(bucket: Bucket, key: str, **terms: str) -> Upload:
    """Return a new upload."""
    with bucket.translated(f"beginning the upload of {bucket.url(key)}"):
        answer = bucket.call("create_multipart_upload", Key=key, **bucket.encryption, **terms)
    return Upload(key, answer["UploadId"])


def completed(bucket: Bucket, upload: Upload, parts: Sequence[Part]) -> bool:
    """Make one object of ``parts`` unless the key is taken; tell whether it was made.

    Raises:
        LostUploadError: If the upload has been ended, or has other parts.
        CloudError: If S3 refuses it.
    """
    with bucket.translated(f"completing {bucket.url(upload.key)}"):
        try:
            bucket.call(
                "complete_multipart_upload",
                **upload.place,
                MultipartUpload={"Parts": list(parts)},
                IfNoneMatch="*",
            )
        except ClientError as error:
            if code_of(error) in GONE_CODES | _MIXED_CODES | RACED_CODES:
                raise LostUploadError from error
            if code_of(error) not in TAKEN_CODES:
                raise
            _abort(bucket, upload)
            return False
        return True


def take_back(bucket: Bucket, upload: Upload, why: BaseException, stop: Callable[[], None]) -> None:
    """Remove what has been sent of ``upload``.

    Args:
        bucket: Where it is.
        upload: What to remove; nothing happens if it is gone.
        why: What made us give up.
        stop: Returns once nothing more is being sent: parts that arrive later would stay (API reference,
            AbortMultipartUpload).

    Raises:
        CloudError: If it cannot be removed, or if that is interrupted, too. It says what is left.
    """
    try:
        stop()
        with bucket.translated(f"taking back the upload of {bucket.url(upload.key)}"):
            _abort(bucket, upload)
    except (CloudError, KeyboardInterrupt) as error:
        cause = [("cause", str(why))] if str(why) else []
        told = [("AWS", str(error))] if isinstance(error, CloudError) else []
        state = ("state", "its parts are kept in S3, unseen, and cost what objects of their size do")
        raise CloudError(
            f"the upload of {bucket.url(upload.key)} was stopped and could not be taken back",
            details=[*cause, *told, state],
            hint="run the same command again to go on with it, or remove it:\n"
            f"aws s3api abort-multipart-upload --bucket {bucket.name} --key {upload.key} "
            f"--upload-id {upload.id}",
        ) from error


def _abort(bucket: Bucket, upload: Upload) -> None:
    try:
        bucket.call("abort_multipart_upload", **upload.place)
    except ClientError as error:
        if code_of(error) not in GONE_CODES:
            raise


def _unfinished(bucket: Bucket, key: str) -> Upload | None:
    """Return the newest upload of ``key`` that was begun with SHA-256 checksums, as ours are."""
    try:
        with bucket.translated(f"looking for an earlier upload of {bucket.url(key)}"):
            pages = bucket.pages("list_multipart_uploads", Prefix=key)
            known = [
                found
                for page in pages
                for found in page.get("Uploads", [])
                if found["Key"] == key and found.get("ChecksumAlgorithm") == "SHA256"
            ]
            if not known:
                return None
            newest = max(known, key=lambda found: found["Initiated"])
            return Upload(key, newest["UploadId"], _parts(bucket, Upload(key, newest["UploadId"])))
    except DeniedError:
        return None  # to go on is a kindness: whoever may only write begins anew


def _parts(bucket: Bucket, upload: Upload) -> dict[int, Part]:
    try:
        pages = bucket.pages("list_parts", **upload.place)
        return {part["PartNumber"]: part for page in pages for part in page.get("Parts", [])}
    except ClientError as error:
        if code_of(error) in GONE_CODES:
            return {}  # ended since; sending the first part will say so
        raise
