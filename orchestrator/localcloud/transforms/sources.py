"""The objects that a transform job reads, and where their outputs go."""

import contextlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from gzip import GzipFile
from io import BufferedReader, RawIOBase
from typing import Any, BinaryIO, cast

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.localcloud.rules.artifacts import place_of
from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.world import Content

_CHUNK_BYTES = 262_144
_MAX_MANIFEST_BYTES = 16 * 2**20

UNREADABLE = (ClientError, BotoCoreError, OSError, EOFError, zlib.error)
"""What reading an object raises: S3's refusals, a connection that ends, and damaged gzip."""


@dataclass(frozen=True, slots=True)
class Source:
    """An object of a job's input.

    Attributes:
        relative: Its key below the prefix, which its output keeps.
    """

    bucket: str
    key: str
    relative: str

    @property
    def name(self) -> str:
        """As the data log calls it."""
        return f"{self.bucket}/{self.key}"


def sources(s3: BaseClient, content: Content) -> list[Source]:
    """Return the objects of a job's input, in the order of their keys or of the manifest.

    Raises:
        TransformError: If there are none, or the manifest is none.
    """
    asked = content["TransformInput"]["DataSource"]["S3DataSource"]
    try:
        bucket, key = place_of(asked["S3Uri"])
        found = _listed(s3, bucket, key) if asked["S3DataType"] == "S3Prefix" else _named(s3, bucket, key)
        if chosen := list(found):
            return chosen
    except (ClientError, BotoCoreError) as error:
        raise TransformError(f"{asked['S3Uri']} cannot be read: {error}") from error
    raise TransformError(f"No S3 objects found under {asked['S3Uri']}")


def _listed(s3: BaseClient, bucket: str, prefix: str) -> Iterator[Source]:
    for found in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for each in found.get("Contents", ()):
            # What the console makes for a folder is no input.
            if not each["Key"].endswith("/"):
                yield Source(bucket, each["Key"], below(prefix, each["Key"]))


def below(prefix: str, key: str) -> str:
    """Return ``key`` relative to ``prefix``: to the folder that it is, or is in.

    >>> below("in/", "in/a/x.csv"), below("in", "in/x.csv"), below("in/x", "in/x.csv"), below("", "x.csv")
    ('a/x.csv', 'x.csv', 'x.csv', 'x.csv')
    """
    folder = prefix if key.startswith(f"{prefix}/") else prefix.rpartition("/")[0]
    return key.removeprefix(f"{folder}/") if folder else key


def _named(s3: BaseClient, bucket: str, key: str) -> Iterator[Source]:
    """Yield what a manifest names, a prefix and what is added to it: API reference, TransformS3DataSource."""
    try:
        body = s3.get_object(Bucket=bucket, Key=key)["Body"]
        with body:
            entries = json.loads(body.read(_MAX_MANIFEST_BYTES))
    except ValueError as error:
        raise TransformError(f"the manifest s3://{bucket}/{key} is no JSON: {error}") from error
    match entries:
        case [{"prefix": str(prefix)}, *names] if all(isinstance(name, str) for name in names):
            root, start = place_of(prefix)
            yield from (Source(root, start + name, name) for name in names)
        case _:
            raise TransformError(
                f'the manifest s3://{bucket}/{key} is not of the form [{{"prefix": "s3://..."}}, "name", ...]'
            )


@contextlib.contextmanager
def opened(s3: BaseClient, source: Source, *, gzipped: bool) -> Iterator[BinaryIO]:
    """Hand out the content of an object as it comes, unpacked if it is ``gzipped``."""
    with contextlib.closing(s3.get_object(Bucket=source.bucket, Key=source.key)["Body"]) as body:
        plain = BufferedReader(_Stream(body), _CHUNK_BYTES)
        yield cast("BinaryIO", GzipFile(fileobj=plain) if gzipped else plain)


class _Stream(RawIOBase):
    """What botocore reads, for Python's buffers."""

    def __init__(self, body: Any) -> None:  # noqa: ANN401 - botocore has no types
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - the type of buffers has no name in 3.11
        content = self._body.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)
