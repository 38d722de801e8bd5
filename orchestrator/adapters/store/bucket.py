"""One bucket of S3: what every call to it has to say, and its refusals in our words.

Knows boto3's client; must not know what the objects are for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, translated
from orchestrator.core.errors import DeniedError

MISSING_CODES = {"NoSuchKey", "NotFound", "404"}
"""What S3 answers where nothing is under a key; that there is no such bucket is another code."""


class Bucket:
    """A bucket, the key that its content is encrypted with, and the account that has to own it.

    Args:
        clients: Of the account and region.
        name: Of the bucket.
        kms_key: The id, ARN or alias of a KMS key for everything that is written; ``None`` leaves it to the
            bucket.
        owner: The account (12 digits) that every call expects to own the bucket. S3 answers 403 where it is
            another (S3 user guide, "Verifying bucket ownership with bucket owner condition").
    """

    def __init__(
        self, clients: Clients, name: str, *, kms_key: str | None = None, owner: str | None = None
    ) -> None:
        self._api = clients("s3")
        self._owner = owner
        self.name = name
        self.kms_key = kms_key

    def url(self, key: str) -> str:
        """Return the ``s3://`` address of ``key``."""
        return f"s3://{self.name}/{key}"

    def call(self, operation: str, **arguments: object) -> Any:  # noqa: ANN401 - boto3's answers have no types
        """Call an operation, by the name of boto3's method, on this bucket.

        Raises:
            ClientError: What S3 refuses; `translated` turns it into our errors.
        """
        return getattr(self._api, operation)(Bucket=self.name, **self._expected(), **arguments)

    def pages(self, operation: str, **arguments: object) -> Iterator[Any]:
        """Yield all pages of a list.

        Raises:
            ClientError: As `call`.
        """
        paginator = self._api.get_paginator(operation)
        yield from paginator.paginate(Bucket=self.name, **self._expected(), **arguments)

    def size_and_tag(self, key: str) -> tuple[int, str] | None:
        """Return how many bytes are stored under ``key``, and the ETag; ``None`` if nothing is.

        Raises:
            ClientError: As `call`.
        """
        try:
            answer = self.call("head_object", Key=key)
        except ClientError as error:
            if code_of(error) in MISSING_CODES:
                return None
            raise
        return answer["ContentLength"], answer["ETag"]

    @property
    def encryption(self) -> dict[str, str]:
        """What everything that is written is encrypted with, as arguments of a call."""
        if self.kms_key is None:
            return {}
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key}

    @property
    def source_owner(self) -> dict[str, str]:
        """Who has to own the bucket that is copied from, as arguments of a call."""
        return {} if self._owner is None else {"ExpectedSourceBucketOwner": self._owner}

    @contextmanager
    def translated(self, doing: str) -> Iterator[None]:
        """Turn what botocore raises while ``doing`` something into our errors.

        Raises:
            DeniedError: Naming the expected owner as well: S3 does not say which of the two it was.
            CloudError: As `orchestrator.adapters.refusals.translated`.
        """
        try:
            with translated(doing):
                yield
        except DeniedError as error:
            if self._owner is not None:
                expected = f"bucket '{self.name}' has to belong to account {self._owner} (bucket_owner)"
                error.add_detail("owner", expected)
            raise

    def _expected(self) -> dict[str, str]:
        return {} if self._owner is None else {"ExpectedBucketOwner": self._owner}
