"""Copies within S3: the bytes stay there.

The source is copied only if it is still what was looked at (its ETag), and the copy is conditional, as every
write; moto 5.2.5 takes that condition for CopyObject and does not act on it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from botocore.exceptions import ClientError

from orchestrator.adapters.refusals import code_of
from orchestrator.adapters.store import multipart
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.adapters.store.parts import IN_FLIGHT, Part, Upload

RANGE_BYTES = 512 * 1024**2
"""What is copied by one request. S3 allows 5 GB (API reference, CopyObject), which takes it a minute or more,
and we would not wait so long for an answer."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object to copy, as it was when it was looked at."""

    key: str
    tag: str
    size_bytes: int


def copy(bucket: Bucket, source: Source, key: str, range_bytes: int = RANGE_BYTES) -> bool:
    """Copy ``source`` to ``key`` unless that is taken; tell whether it was copied.

    Args:
        bucket: Both lie in it.
        source: What to copy.
        key: Where to.
        range_bytes: How much to copy by one request; at least 5 MiB.

    Raises:
        CloudError: If S3 refuses it, or ``source`` has changed. Nothing of the copy is left.
    """
    if source.size_bytes <= range_bytes:
        return _copy_whole(bucket, source, key)
    # Without a checksum algorithm of ours, S3 reckons one of the whole object.
    upload = multipart.begun(bucket, key)
    pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="copy")

    def stop() -> None:
        pool.shutdown(cancel_futures=True)

    def copied(number: int) -> Part:
        return _copy_range(bucket, source, upload, number, range_bytes)

    try:
        count = -(-source.size_bytes // range_bytes)
        parts = list(pool.map(copied, range(1, count + 1)))
        stop()
        return multipart.completed(bucket, upload, parts)
    except BaseException as error:
        multipart.take_back(bucket, upload, error, stop)
        raise


def _copy_whole(bucket: Bucket, source: Source, key: str) -> bool:
    with bucket.translated(f"copying {bucket.url(source.key)} to {bucket.url(key)}"):
        try:
            # With an algorithm of ours S3 reckons the whole copy's checksum. Without, that of a source that
            # came in parts, which covers their checksums, could be taken for the copy's own.
            bucket.call(
                "copy_object",
                Key=key,
                IfNoneMatch="*",
                ChecksumAlgorithm="SHA256",
                **_from(bucket, source),
                **bucket.encryption,
            )
        except ClientError as error:
            if code_of(error) in multipart.TAKEN_CODES:
                return False
            raise
        return True


def _copy_range(bucket: Bucket, source: Source, upload: Upload, number: int, range_bytes: int) -> Part:
    first = (number - 1) * range_bytes
    last = min(first + range_bytes, source.size_bytes) - 1
    with bucket.translated(f"copying part {number} of {bucket.url(source.key)} to {bucket.url(upload.key)}"):
        answer = bucket.call(
            "upload_part_copy",
            **upload.place,
            **_from(bucket, source),
            PartNumber=number,
            CopySourceRange=f"bytes={first}-{last}",
        )
    return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}


def _from(bucket: Bucket, source: Source) -> dict[str, object]:
    place = {"Bucket": bucket.name, "Key": source.key}
    return {"CopySource": place, "CopySourceIfMatch": source.tag, **bucket.source_owner}
