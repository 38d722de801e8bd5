"""S3: the bucket that artifacts, golden cases and journals are kept in.

Every write is conditional, so nothing is ever overwritten.
"""

from typing import IO

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients, code_of, translated
from orchestrator.core.errors import CloudError

_TAKEN_CODES = {"PreconditionFailed", "412"}
_RACED_CODES = {"ConditionalRequestConflict", "409"}
_MISSING_CODES = {"NoSuchKey", "NotFound", "404"}
_ATTEMPTS = 5
_CHUNK_BYTES = 1024 * 1024


class S3Store:
    """The `Store` port on one bucket."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._api = clients("s3")
        self._bucket = bucket

    def url(self, key: str) -> str:
        """Return the address of ``key``."""
        return f"s3://{self._bucket}/{key}"

    def put_once(self, key: str, source: str | bytes) -> bool:
        """Store a file (its path) or bytes under ``key`` unless it is taken; tell whether it was stored.

        Raises:
            CloudError: If S3 refuses the write, or the bucket does not exist.
        """
        if isinstance(source, str) and self.exists(key):
            return False  # the condition alone would do, at the price of sending the whole file first
        for _ in range(_ATTEMPTS):
            stored = self._try_to_put(key, source)
            if stored is not None:
                return stored
        raise CloudError(
            f"writing {self.url(key)}: another write was in the way {_ATTEMPTS} times",
            hint="run the same command again",
        )

    def read(self, key: str) -> bytes:
        """Return what is stored under ``key``.

        Raises:
            NotFoundError: If nothing is.
        """
        with translated(f"reading {self.url(key)}"):
            return bytes(self._api.get_object(Bucket=self._bucket, Key=key)["Body"].read())

    def download(self, key: str, path: str) -> None:
        """Write what is stored under ``key`` to the file ``path``.

        Raises:
            NotFoundError: If nothing is.
        """
        with translated(f"reading {self.url(key)}"), open(path, "wb") as file:  # noqa: PTH123 - paths are text here
            body = self._api.get_object(Bucket=self._bucket, Key=key)["Body"]
            file.writelines(body.iter_chunks(_CHUNK_BYTES))

    def exists(self, key: str) -> bool:
        """Tell whether something is stored under ``key``."""
        with translated(f"looking for {self.url(key)}"):
            try:
                self._api.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if code_of(error) in _MISSING_CODES:
                    return False
                raise
            return True

    def keys(self, prefix: str) -> tuple[str, ...]:
        """Return all keys that begin with ``prefix``, in S3's order (by code point)."""
        with translated(f"listing {self.url(prefix)}"):
            pages = self._api.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return tuple(found["Key"] for page in pages for found in page.get("Contents", []))

    def _try_to_put(self, key: str, source: str | bytes) -> bool | None:
        """Return whether it was stored; ``None`` if another write was under way and nothing is decided."""
        with translated(f"writing {self.url(key)}"):
            try:
                if isinstance(source, bytes):
                    self._put(key, source)
                else:
                    with open(source, "rb") as file:  # noqa: PTH123 - the port speaks of paths as text
                        self._put(key, file)
            except ClientError as error:
                if code_of(error) in _TAKEN_CODES:
                    return False
                if code_of(error) in _RACED_CODES:
                    return None
                raise
            return True

    def _put(self, key: str, body: bytes | IO[bytes]) -> None:
        # One request, so that the condition covers the whole object; up to 5 GB.
        self._api.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
