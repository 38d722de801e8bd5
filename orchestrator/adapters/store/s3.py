"""S3: the bucket that artifacts, golden cases and journals are kept in.

Every write is conditional, so nothing is ever overwritten.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of
from orchestrator.adapters.store import copying, multipart, parts
from orchestrator.adapters.store.bucket import Bucket
from orchestrator.core.errors import CloudError, NotFoundError

_ATTEMPTS = 5
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Sizes:
    """In which pieces content is sent and copied; S3 takes none but a last one of less than 5 MiB."""

    part_bytes: int = parts.PART_BYTES
    range_bytes: int = copying.RANGE_BYTES


class S3Store:
    """The `Store` port on one bucket.

    Args:
        clients: Of the account and region.
        bucket: Its name.
        kms_key: What everything is encrypted with; ``None`` leaves it to the bucket.
        owner: The account that has to own the bucket; ``None`` takes it from anybody.
        sizes: In which pieces content is sent and copied.
    """

    def __init__(
        self,
        clients: Clients,
        bucket: str,
        *,
        kms_key: str | None = None,
        owner: str | None = None,
        sizes: Sizes = Sizes(),
    ) -> None:
        self._bucket = Bucket(clients, bucket, kms_key=kms_key, owner=owner)
        self._sizes = sizes

    @property
    def bucket(self) -> Bucket:
        """The bucket itself."""
        return self._bucket

    def url(self, key: str) -> str:
        """Return the address of ``key``."""
        return self._bucket.url(key)

    def put_once(self, key: str, content: bytes | bytearray) -> bool:
        """Store ``content`` under ``key`` unless it is taken; tell whether it was stored.

        Raises:
            CloudError: If S3 refuses the write, or the bucket does not exist.
        """
        for _ in range(_ATTEMPTS):
            stored = self._try_to_put(key, content)
            if stored is not None:
                return stored
        raise self._in_the_way(key)

    def upload(self, key: str, stream: Callable[[], Iterator[bytes]], moved: Callable[[int], None]) -> bool:
        """Store what ``stream`` yields under ``key`` unless it is taken; tell whether it was stored.

        Up to one part is one request. More goes in parts, of which a few are in memory at a time; those that
        an earlier call has sent are not sent again.

        Args:
            key: Where to.
            stream: Yields the content from its beginning; nothing is asked of it if the key is taken.
            moved: Told how many more bytes of the content are in S3.

        Raises:
            CloudError: If S3 refuses it or cannot be reached. What was sent stays for the next call.
            Exception: What ``stream`` raises, and an interrupt; what was sent is taken back then.
        """
        told = _Told(moved)
        for attempt in range(_ATTEMPTS):
            if self.exists(key):
                return False
            try:
                return self._send(key, stream(), told.restarted(), fresh=attempt > 0)
            except parts.LostUploadError:
                continue
        raise self._in_the_way(key)

    def copy_once(self, source: str, key: str) -> bool:
        """Copy within the bucket unless ``key`` is taken; tell whether it was.

        Raises:
            NotFoundError: If nothing is stored under ``source``.
            CloudError: If S3 refuses it.
        """
        doing = f"copying {self.url(source)} to {self.url(key)}"
        with self._bucket.translated(doing):
            found = self._bucket.size_and_tag(source)
        if found is None:
            raise NotFoundError(f"{doing}: there is no such thing", details=[("missing", self.url(source))])
        if self.exists(key):
            return False
        size_bytes, tag = found
        try:
            return copying.copy(
                self._bucket, copying.Source(source, tag, size_bytes), key, self._sizes.range_bytes
            )
        except parts.LostUploadError as error:
            raise self._in_the_way(key) from error

    def read(self, key: str) -> bytes:
        """Return what is stored under ``key``.

        Raises:
            NotFoundError: If nothing is.
        """
        with self._bucket.translated(f"reading {self.url(key)}"):
            return bytes(self._bucket.call("get_object", Key=key)["Body"].read())

    def download(self, key: str, path: str) -> None:
        """Write what is stored under ``key`` to the file ``path``.

        Raises:
            NotFoundError: If nothing is.
        """
        with self._bucket.translated(f"reading {self.url(key)}"), open(path, "wb") as file:  # noqa: PTH123 - paths are text here
            file.writelines(self._bucket.call("get_object", Key=key)["Body"].iter_chunks(_CHUNK_BYTES))

    def exists(self, key: str) -> bool:
        """Tell whether something is stored under ``key``."""
        with self._bucket.translated(f"looking for {self.url(key)}"):
            return self._bucket.size_and_tag(key) is not None

    def region(self) -> str:
        """Return the region that the bucket is in; empty if S3 does not say.

        boto3 follows a bucket to its region without a word; SageMaker does not.

        Raises:
            NotFoundError: If there is no such bucket.
            DeniedError: If we may not look, or it is another account's than the expected one.
        """
        with self._bucket.translated(f"looking at bucket '{self._bucket.name}'"):
            answer = self._bucket.call("head_bucket")
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))

    def keys(self, prefix: str) -> tuple[str, ...]:
        """Return all keys that begin with ``prefix``, in S3's order (by code point)."""
        with self._bucket.translated(f"listing {self.url(prefix)}"):
            pages = self._bucket.pages("list_objects_v2", Prefix=prefix)
            return tuple(found["Key"] for page in pages for found in page.get("Contents", []))

    def _send(self, key: str, stream: Iterator[bytes], moved: Callable[[int], None], *, fresh: bool) -> bool:
        with contextlib.closing(parts.cut(stream, self._sizes.part_bytes)) as cut:
            head = deque(islice(cut, 2))
            if len(head) > 1:
                # Popped, not kept: each part is 16 MiB, and lives no longer than it takes to send it.
                whole = chain((head.popleft() for _ in range(2)), cut)
                return multipart.send(self._bucket, key, whole, moved, fresh=fresh)
            content = head.popleft() if head else bytearray()
            stored = self.put_once(key, content)
            moved(len(content))
            return stored

    def _try_to_put(self, key: str, content: bytes | bytearray) -> bool | None:
        """Return whether it was stored; ``None`` if another write was under way and nothing is decided."""
        with self._bucket.translated(f"writing {self.url(key)}"):
            try:
                self._bucket.call(
                    "put_object",
                    Key=key,
                    Body=content,
                    ChecksumSHA256=parts.checksum(content),
                    IfNoneMatch="*",
                    **self._bucket.encryption,
                )
            except ClientError as error:
                if code_of(error) in multipart.TAKEN_CODES:
                    return False
                if code_of(error) in multipart.RACED_CODES:
                    return None
                raise
            return True

    def _in_the_way(self, key: str) -> CloudError:
        return CloudError(
            f"writing {self.url(key)}: another write is in the way",
            hint="run the same command again",
        )


class _Told:
    """Passes on how many bytes have moved, and nothing twice when an upload begins again."""

    def __init__(self, moved: Callable[[int], None]) -> None:
        self._moved = moved
        self._told = 0
        self._reached = 0

    def restarted(self) -> Callable[[int], None]:
        """Return what to tell of an attempt that begins from nothing."""
        self._reached = 0
        return self._reach

    def _reach(self, count_bytes: int) -> None:
        self._reached += count_bytes
        if self._reached > self._told:
            self._moved(self._reached - self._told)
            self._told = self._reached
