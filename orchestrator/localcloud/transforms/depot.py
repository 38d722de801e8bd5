"""Where a transform job takes its objects from, and where it puts its outputs."""

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from boto3.exceptions import S3UploadFailedError
from boto3.s3.transfer import TransferConfig
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.rules.artifacts import place_of
from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.transforms.sources import Source, opened, sources
from orchestrator.localcloud.world import Content

_SUFFIX = ".out"
# Of a large output so many parts are in memory at a time, once here and once in the S3 of this process.
_TWO_PARTS = TransferConfig(max_concurrency=2)


@dataclass(frozen=True, slots=True)
class Depot:
    """S3, as one job sees it.

    Attributes:
        content: The job as it was asked for.
    """

    s3: BaseClient
    content: Content

    def sources(self) -> list[Source]:
        """Return what there is to read, as `sources.sources` does."""
        return sources(self.s3, self.content)

    def opened(self, source: Source) -> AbstractContextManager[BinaryIO]:
        """Return what hands out the content of an object."""
        return opened(
            self.s3, source, gzipped=self.content["TransformInput"].get("CompressionType") == "Gzip"
        )

    def name_of(self, source: Source) -> str:
        """Return where the output of an object goes, below ``S3OutputPath``."""
        return source.relative + _SUFFIX

    def put(self, source: Source, output: Path) -> None:
        """Write the output of an object, in several parts if it is large.

        Raises:
            TransformError: If S3 does not take it.
        """
        wanted = self.content["TransformOutput"]
        with output.open("rb") as content:
            self._upload(content, _below(wanted["S3OutputPath"], self.name_of(source)), wanted)

    def capture(self, files: Mapping[str, bytes]) -> None:
        """Write what is captured, below its destination.

        Raises:
            TransformError: If S3 does not take it.
        """
        wanted = self.content["DataCaptureConfig"]
        for name, content in files.items():
            self._upload(io.BytesIO(content), _below(wanted["DestinationS3Uri"], name), wanted)

    def _upload(self, content: BinaryIO, url: str, wanted: Content) -> None:
        bucket, key = place_of(url)
        try:
            self.s3.upload_fileobj(content, bucket, key, ExtraArgs=_encrypted(wanted), Config=_TWO_PARTS)
        except (ClientError, BotoCoreError, S3UploadFailedError) as error:
            raise TransformError(f"{url} cannot be written: {error}") from error


def _encrypted(wanted: Content) -> dict[str, Any]:
    key = wanted.get("KmsKeyId")
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}


def _below(path: str, name: str) -> str:
    return f"{path.rstrip('/')}/{name}"
