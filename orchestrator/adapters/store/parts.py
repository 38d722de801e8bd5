"""The parts of a multipart upload: cut from a stream, sent a few at a time, compared with what is there."""

import base64
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from botocore.exceptions import ClientError

from orchestrator.adapters.refusals import code_of
from orchestrator.adapters.store.bucket import Bucket

PART_BYTES = 16 * 1024**2
"""S3 takes up to 10,000 parts of 5 MiB to 5 GiB, the last one may be smaller (S3 user guide, "Amazon S3
multipart upload limits"): with these, objects of up to 156 GiB. The size is fixed, so that an upload that is
gone on with is cut in the same places."""

IN_FLIGHT = 4
"""How many parts are on their way at once. One more is being made meanwhile: 80 MiB in all."""

GONE_CODES = {"NoSuchUpload"}

Part = Mapping[str, Any]
"""A part in the words of S3's API: its number, its ETag and where it is known its SHA-256."""


class LostUploadError(Exception):
    """The upload is no longer one that we can complete: somebody else has ended it or changed its parts."""


class StoppedError(BaseException):
    """Nobody waits for the part any more. Not an `Exception`: botocore would try again."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload that is under way.

    Attributes:
        parts: By number, those that an earlier call has sent.
    """

    key: str
    id: str
    parts: Mapping[int, Part] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, str]:
        """Its key and id, as arguments of a call."""
        return {"Key": self.key, "UploadId": self.id}


def checksum(content: bytes | bytearray) -> str:
    """Return the SHA-256 of ``content`` as S3 spells it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def cut(stream: Iterator[bytes], part_bytes: int) -> Generator[bytearray]:
    """Yield what ``stream`` yields in pieces of ``part_bytes``, the last one of which may be smaller."""
    part = bytearray()
    for chunk in stream:
        left = memoryview(chunk)
        while left:
            taken = left[: part_bytes - len(part)]
            part += taken
            left = left[len(taken) :]
            if len(part) == part_bytes:
                yield part
                part = bytearray()
    if part:
        yield part


class Sender:
    """Sends the parts of one upload from threads of its own, which end with the ``with`` block."""

    def __init__(self, bucket: Bucket, upload: Upload) -> None:
        self._bucket = bucket
        self._upload = upload
        self._unwanted = threading.Event()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="part")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Return once nothing more is being sent."""
        self._unwanted.set()
        self._pool.shutdown(cancel_futures=True)

    def send(self, parts: Iterator[bytearray], moved: Callable[[int], None]) -> list[Part]:
        """Return all parts in order once they are in S3.

        Raises:
            CloudError: If S3 refuses one or cannot be reached.
            LostUploadError: If the upload has been ended, or is not encrypted as it has to be.
        """
        sent: list[Part] = []
        waiting: deque[Future[tuple[Part, int]]] = deque()

        def await_first() -> None:
            part, size_bytes = waiting.popleft().result()
            sent.append(part)
            moved(size_bytes)

        for number, content in enumerate(parts, start=1):
            if len(waiting) == IN_FLIGHT:
                await_first()
            waiting.append(self._pool.submit(self._deliver, number, content))
        while waiting:
            await_first()
        return sent

    def _deliver(self, number: int, content: bytearray) -> tuple[Part, int]:
        digest = checksum(content)
        there = self._upload.parts.get(number)
        # S3 does not say how an unfinished upload is encrypted, but answers it to every part that is sent.
        probing = number == 1 and self._bucket.kms_key is not None
        if there is None or probing or not _same(there, content, digest):
            there = self._put(number, content, digest)
        return {"PartNumber": number, "ETag": there["ETag"], "ChecksumSHA256": digest}, len(content)

    def _put(self, number: int, content: bytearray, digest: str) -> Part:
        body = Body(content, self._unwanted)
        with self._bucket.translated(f"sending part {number} of {self._bucket.url(self._upload.key)}"):
            try:
                answer: Part = self._bucket.call(
                    "upload_part", **self._upload.place, PartNumber=number, Body=body, ChecksumSHA256=digest
                )
            except ClientError as error:
                if code_of(error) in GONE_CODES:
                    raise LostUploadError from error
                raise
        wanted = self._bucket.kms_key
        taken_over = bool(self._upload.parts)
        if taken_over and wanted is not None and not str(answer.get("SSEKMSKeyId")).endswith(wanted):
            raise LostUploadError  # another key, or an alias: an answer names the key that it stands for
        return answer


def _same(there: Part, content: bytearray, digest: str) -> bool:
    """Tell whether a part that is listed is the one that would be sent.

    AWS lists the SHA-256. Where another server does not (moto 5.2.5), its ETag is the MD5.
    """
    if there["Size"] != len(content):
        return False
    if "ChecksumSHA256" in there:
        return bool(there["ChecksumSHA256"] == digest)
    return bool(there["ETag"].strip('"') == hashlib.md5(content, usedforsecurity=False).hexdigest())


class Body:
    """The bytes of a part as a file that fails once nobody wants it, so that Ctrl-C need not wait for it."""

    def __init__(self, content: bytearray, unwanted: threading.Event) -> None:
        self._view = memoryview(content)
        self._unwanted = unwanted
        self._place = 0

    def __len__(self) -> int:
        return len(self._view)

    def read(self, size: int | None = -1) -> bytes:
        """Return the next ``size`` bytes, or all that are left.

        Raises:
            StoppedError: If nobody wants them any more.
        """
        if self._unwanted.is_set():
            raise StoppedError
        end = len(self._view) if size is None or size < 0 else self._place + size
        piece = bytes(self._view[self._place : end])
        self._place += len(piece)
        return piece

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._place

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place, as in any file: botocore reads a part again when it has to send it again."""
        self._place = (0, self._place, len(self._view))[whence] + offset
        return self._place
