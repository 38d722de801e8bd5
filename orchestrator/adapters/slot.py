"""One small object in S3 that several write to, each only over what they have seen.

S3 refuses a write whose condition does not hold with 412, and answers 409 (ConditionalRequestConflict) where
another write of the same object is under way: then nothing is decided, and it is asked again (S3 user guide,
"How to prevent object overwrites with conditional writes").
"""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.refusals import code_of
from orchestrator.adapters.store.bucket import MISSING_CODES, Bucket
from orchestrator.core.errors import ThrottledError
from orchestrator.core.ports import Stored

_ATTEMPTS = 10
_STALE_CODES = {"PreconditionFailed", "412"}
_RACED_CODES = {"ConditionalRequestConflict", "409"}


class S3Slot:
    """The `Slot` port on one key of a bucket."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket = bucket
        self._key = key

    def read(self) -> Stored | None:
        """Return what it holds, or ``None`` if it is empty.

        Its age is between two moments of S3's clock, the Date of the answer and LastModified: ours may be
        wrong by minutes.

        Raises:
            CloudError: If S3 refuses it or cannot be reached.
        """
        with self._bucket.translated(f"reading {self._bucket.url(self._key)}"):
            try:
                answer = self._bucket.call("get_object", Key=self._key)
            except ClientError as error:
                if code_of(error) in MISSING_CODES:
                    return None
                raise
            content = bytes(answer["Body"].read())
        return Stored(content, answer["ETag"], _age_seconds(answer))

    def write(self, content: bytes, *, over: str | None) -> str | None:
        """Write if it still holds what has the tag ``over`` (``None``: if it is empty).

        Returns:
            The new tag, or ``None`` if somebody else was first.

        Raises:
            ThrottledError: If other writes are in the way again and again.
            CloudError: If S3 refuses it or cannot be reached.
        """
        condition = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}
        answer = self._decided(
            lambda: self._bucket.call(
                "put_object", Key=self._key, Body=content, **condition, **self._bucket.encryption
            )
        )
        return None if answer is None else str(answer["ETag"])

    def clear(self, tag: str) -> bool:
        """Empty it if it still holds what has this tag; tell whether it did.

        Raises:
            CloudError: As `write`.
        """
        answer = self._decided(lambda: self._bucket.call("delete_object", Key=self._key, IfMatch=tag))
        return answer is not None

    def _decided(self, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - boto3's answers have no types
        """Return the answer of a conditional ``call``; ``None`` if its condition does not hold."""
        doing = f"writing {self._bucket.url(self._key)}"
        for _ in range(_ATTEMPTS):
            with self._bucket.translated(doing):
                try:
                    return call()
                except ClientError as error:
                    # With If-Match, an object that is gone is a 404.
                    if code_of(error) in _STALE_CODES | {"NoSuchKey"}:
                        return None
                    if code_of(error) not in _RACED_CODES:
                        raise
        raise ThrottledError(f"{doing}: another write is in the way", hint="run the same command again")


def _age_seconds(answer: Any) -> float:  # noqa: ANN401 - boto3's answers have no types
    written: datetime = answer["LastModified"]
    said = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if said is None:
        return 0.0  # nobody can tell: nothing runs out
    return max(0.0, (parsedate_to_datetime(said).astimezone(UTC) - written).total_seconds())
