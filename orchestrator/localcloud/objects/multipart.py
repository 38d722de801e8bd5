"""One object of many parts: its ETag, its checksums, and what the client says of them. Pure."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.objects.checksums import Algorithm, Summed, composite, full, read, written
from orchestrator.localcloud.objects.content import Content

COMPOSITE, FULL_OBJECT = "COMPOSITE", "FULL_OBJECT"


@dataclass(frozen=True, slots=True)
class Part:
    """A part as CompleteMultipartUpload names it.

    Attributes:
        checksums: That the client says it has, by algorithm.
    """

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Order:
    """What CompleteMultipartUpload asks for.

    Attributes:
        checksums: That the client says the object has, by algorithm.
        type: Of these, or empty.
        size: That the client says the object has, in bytes, or ``None``.
    """

    parts: tuple[Part, ...]
    checksums: Mapping[str, str] = field(default_factory=dict)
    type: str = ""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Summing:
    """How an upload is summed up.

    Attributes:
        type: ``COMPOSITE`` or ``FULL_OBJECT``.
    """

    algorithm: Algorithm
    type: str


Completed = tuple[Content, str, tuple[str, str, int] | None]
"""The content, its ETag, and type, value and number of parts of its checksum, as moto wants them."""


def completed(parts: Sequence[Content], order: Order, summing: Summing | None) -> Completed:
    """Return the object that ``parts``, whose MD5s are known, make.

    Raises:
        ApiError: If it is not what ``order`` says.
    """
    content = Content(tuple(piece for part in parts for piece in part.pieces))
    if order.size not in {None, content.size}:
        raise ApiError(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {order.size} does not match what was "
            f"computed: {content.size}",
        )
    md5s = b"".join(bytes.fromhex(part.md5 or "") for part in parts)
    etag = f"{hashlib.md5(md5s, usedforsecurity=False).hexdigest()}-{len(parts)}"
    if summing is None:
        return content, etag, None
    if order.type not in {"", summing.type}:
        raise ApiError(
            "InvalidRequest",
            f"The upload was created using the {summing.type} checksum mode. The complete request must use "
            "the same checksum mode.",
        )
    value = _checksum(parts, summing)
    claimed = order.checksums.get(summing.algorithm, value).partition("-")[0]
    if claimed != value:
        raise ApiError(
            "BadDigest", f"The {summing.algorithm} you specified did not match the calculated checksum."
        )
    return content, etag, (summing.type, value, len(parts))


def _checksum(parts: Sequence[Content], summing: Summing) -> str:
    algorithm = summing.algorithm
    summed = [
        Summed(read(part.checksums.get(algorithm, ""), algorithm.size_bytes) or b"", part.size)
        for part in parts
    ]
    return written((composite if summing.type == COMPOSITE else full)(algorithm, summed))
