"""Bodies of objects on their way in: to a file while they come, and verified before anybody knows of them."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.types import Message, Receive

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects.checksums import Algorithm, Digests, read, written
from orchestrator.localcloud.objects.content import CHUNK_BYTES, Content, Piece, Store
from orchestrator.localcloud.objects.framing import Unframed, incomplete

MAX_BODY_BYTES = 5 * 2**30
"""What one request may carry (S3 user guide, "Multipart upload limits")."""

_CHECKSUM = "x-amz-checksum-"
# They say how a multipart object is to be summed, and are no checksums.
_ABOUT_CHECKSUMS = {"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"}
_MD5_BYTES, _SHA256_DIGITS = 16, 64


class GoneError(Exception):
    """The client went away in the middle of its request."""


@dataclass(frozen=True, slots=True)
class Promised:
    """What the headers of a request say of its body.

    Attributes:
        framed: Whether it is ``aws-chunked``.
        size: In bytes, without its framing; ``None`` if nobody says.
        md5: Its ``Content-MD5``, or ``None``.
        sha256: What the signature is of, in hexadecimal; empty if the body is not signed, or
            verified otherwise.
        algorithm: Of the checksum, or ``None`` if there is none.
        checksum: As it is written; empty if it comes behind the body.
    """

    framed: bool
    size: int | None
    md5: bytes | None
    sha256: str
    algorithm: Algorithm | None
    checksum: str


def promised(headers: Mapping[str, str]) -> Promised:
    """Read what ``headers``, names in lower case, say of the body.

    Raises:
        ApiError: If they contradict each other, or cannot be read.
    """
    signed = headers.get("x-amz-content-sha256", "")
    framed = signed.startswith("STREAMING-") or "aws-chunked" in headers.get("content-encoding", "")
    length = headers.get("x-amz-decoded-content-length" if framed else "content-length")
    algorithm, checksum = _checksum(headers)
    # It belongs to the signature, which nobody checks, and takes longer than all else together.
    is_summed = algorithm is not None or "content-md5" in headers
    found = Promised(
        framed,
        _size(length),
        _md5(headers.get("content-md5")),
        signed if len(signed) == _SHA256_DIGITS and not is_summed else "",
        algorithm,
        checksum,
    )
    if found.size is not None and found.size > MAX_BODY_BYTES:
        raise ApiError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    return found


def _size(length: str | None) -> int | None:
    if length is None:
        return None
    if not length.isdecimal():
        raise ApiError("InvalidArgument", f"'{length}' is not a length")
    return int(length)


def _md5(header: str | None) -> bytes | None:
    if header is None:
        return None
    md5 = read(header, _MD5_BYTES)
    if md5 is None:
        raise ApiError("InvalidDigest", "The Content-MD5 you specified was invalid.")
    return md5


def _checksum(headers: Mapping[str, str]) -> tuple[Algorithm | None, str]:
    given = {name for name in headers if name.startswith(_CHECKSUM) and name not in _ABOUT_CHECKSUMS}
    trailers = {name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",")}
    behind = {name for name in trailers if name.startswith(_CHECKSUM)}
    if len(given | behind) > 1:
        raise ApiError(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    if not given | behind:
        if headers.get("x-amz-sdk-checksum-algorithm"):
            raise ApiError(
                "InvalidRequest",
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or "
                "x-amz-trailer headers were found.",
            )
        return None, ""
    name = (given | behind).pop()
    algorithm = _algorithm(name)
    if name in given and read(headers[name], algorithm.size_bytes) is None:
        raise _unreadable(algorithm)
    return algorithm, headers[name] if name in given else ""


def _algorithm(header: str) -> Algorithm:
    name = header.removeprefix(_CHECKSUM).upper()
    if name not in set(Algorithm):
        # S3 has more of them by now.
        raise ApiError("NotImplemented", f"the local cloud cannot verify {name} checksums", status=501)
    return Algorithm(name)


def _unreadable(algorithm: Algorithm) -> ApiError:
    return ApiError("InvalidRequest", f"Value for {algorithm.header} header is invalid.")


class _Sink:
    """Writes a body to a file and sums it up; used by one thread at a time."""

    def __init__(self, promise: Promised, path: Path) -> None:
        self._promise = promise
        self._file: BinaryIO = path.open("xb", buffering=0)
        self._digests = Digests([promise.algorithm] if promise.algorithm else [])
        self._sha256 = hashlib.sha256() if promise.sha256 else None
        self._unframed = Unframed(self._write) if promise.framed else None
        self.size = 0

    def take(self, block: Iterable[bytes]) -> None:
        """Take what came next."""
        take = self._unframed.take if self._unframed else self._write
        for received in block:
            take(received)

    def _write(self, content: bytes) -> None:
        self.size += len(content)
        if self.size > MAX_BODY_BYTES:
            raise ApiError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
        self._digests.update(content)
        if self._sha256 is not None:
            self._sha256.update(content)
        left = memoryview(content)
        while left:
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Close the file, whether or not all of it has come."""
        self._file.close()

    def verified(self) -> Content:
        """Return what came, without its file.

        Raises:
            ApiError: If it is not what was promised.
        """
        trailers = self._unframed.finish() if self._unframed else {}
        if self._promise.size not in {None, self.size}:
            raise incomplete()
        md5 = self._digests.md5.digest()
        if self._promise.md5 not in {None, md5}:
            raise ApiError("BadDigest", "The Content-MD5 you specified did not match what we received.")
        if self._sha256 is not None and self._sha256.hexdigest() != self._promise.sha256:
            raise ApiError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        return Content((), md5.hex(), self._checksums(trailers))

    def _checksums(self, trailers: Mapping[str, str]) -> Mapping[str, str]:
        algorithm = self._promise.algorithm
        if algorithm is None:
            return {}
        claimed = self._promise.checksum or trailers.get(algorithm.header, "")
        if read(claimed, algorithm.size_bytes) is None:
            raise _unreadable(algorithm)
        if claimed != (found := written(self._digests.of(algorithm))):
            raise ApiError(
                "BadDigest", f"The {algorithm} you specified did not match the calculated checksum."
            )
        return {str(algorithm): found}


async def received(request: Request, receive: Receive, store: Store) -> Content:
    """Receive the body of a request into a file of ``store``; it is there only if it is what was promised.

    Raises:
        ApiError: If it is not; all of the body has been read, so that the connection can go on.
        GoneError: If the client goes away meanwhile.
    """
    # The file goes with this reference, whatever happens.
    kept = store.new_file()
    try:
        sink = _Sink(promised(request.headers), kept.path)
    except ApiError:
        await drained(receive)
        raise
    try:
        await _pass_on(receive, sink)
        content = await asyncio.to_thread(sink.verified)
    finally:
        sink.close()
    return replace(content, pieces=(Piece(kept, 0, sink.size),) if sink.size else ())


async def _pass_on(receive: Receive, sink: _Sink) -> None:
    """Receive while what came before is being summed up."""
    taking: asyncio.Future[None] | None = None
    has_more = True
    try:
        while has_more:
            block, has_more = await _block(receive)
            if taking is not None:
                await taking
            taking = asyncio.ensure_future(asyncio.to_thread(sink.take, block))
        if taking is not None:
            await taking
    except ApiError:
        if has_more:
            await drained(receive)
        raise
    finally:
        # The file must not be closed under it.
        if taking is not None:
            await asyncio.wait([taking])


async def _block(receive: Receive) -> tuple[list[bytes], bool]:
    """Return about a megabyte of the body, as it came, and whether there is more."""
    block: list[bytes] = []
    size = 0
    while size < CHUNK_BYTES:
        message = checked(await receive())
        block.append(message.get("body", b""))
        size += len(block[-1])
        if not message.get("more_body", False):
            return block, False
    return block, True


async def drained(receive: Receive) -> None:
    """Read the rest of a body: it would be taken for the connection's next request.

    Raises:
        GoneError: If the client goes away meanwhile.
    """
    while checked(await receive()).get("more_body", False):
        pass


def checked(message: Message) -> Message:
    """Return a message, if it is not that there will be none.

    Raises:
        GoneError: If the client has gone away.
    """
    if message["type"] == "http.disconnect":
        raise GoneError
    return message
