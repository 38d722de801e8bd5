"""S3's checksums: of a body as it comes, of parts in one, and as they are written in headers."""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from isal import isal_zlib

from orchestrator.localcloud.objects.crc import CRC32C, CRC64NVME, Polynomial

_CRC32 = Polynomial(32, 0xEDB88320)


class Algorithm(StrEnum):
    """The checksums that S3 verifies (API reference, PutObject), as they are written in a request."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"

    @property
    def header(self) -> str:
        """The header, and the element of an answer in lower case, that holds one.

        >>> Algorithm.CRC64NVME.header
        'x-amz-checksum-crc64nvme'
        """
        return f"x-amz-checksum-{self.lower()}"

    @property
    def size_bytes(self) -> int:
        """How long one is."""
        return {"CRC32": 4, "CRC32C": 4, "CRC64NVME": 8, "SHA1": 20, "SHA256": 32}[self]

    @property
    def is_linear(self) -> bool:
        """Whether the checksum of an object follows from those of its parts."""
        return self in _POLYNOMIALS


_POLYNOMIALS = {Algorithm.CRC32: _CRC32, Algorithm.CRC32C: CRC32C, Algorithm.CRC64NVME: CRC64NVME}


class Digest(Protocol):
    """What `hashlib` makes."""

    def update(self, content: bytes, /) -> None:
        """Take the next part of a body."""

    def digest(self) -> bytes:
        """Return the checksum of all that came."""


class _Crc:
    def __init__(self, size_bytes: int, crc: Callable[[bytes, int], int]) -> None:
        self._size_bytes = size_bytes
        self._crc = crc
        self._value = 0

    def update(self, content: bytes, /) -> None:
        self._value = self._crc(content, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


def digest(algorithm: Algorithm) -> Digest:
    """Return a digest that has taken nothing yet."""
    match algorithm:
        case Algorithm.CRC32:
            return _Crc(4, isal_zlib.crc32)
        case Algorithm.CRC32C:
            return _Crc(4, CRC32C.crc)
        case Algorithm.CRC64NVME:
            return _Crc(8, CRC64NVME.crc)
        case Algorithm.SHA1:
            return hashlib.sha1(usedforsecurity=False)
        case Algorithm.SHA256:
            return hashlib.sha256()


def written(checksum: bytes) -> str:
    """Return a checksum as S3 writes it."""
    return base64.b64encode(checksum).decode()


def read(text: str, size_bytes: int) -> bytes | None:
    r"""Return the checksum that ``text`` writes, or ``None`` if it is not one of this size.

    >>> read("AAAAAQ==", 4), read("AAAAAQ==", 16), read("?", 4)
    (b'\x00\x00\x00\x01', None, None)
    """
    try:
        checksum = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return checksum if len(checksum) == size_bytes else None


@dataclass(frozen=True, slots=True)
class Summed:
    """The checksum of a part of an object.

    Attributes:
        size: Of the part, in bytes.
    """

    checksum: bytes
    size: int


def composite(algorithm: Algorithm, parts: Iterable[Summed]) -> bytes:
    """Return the checksum of the parts' checksums, as a multipart object of type COMPOSITE has it."""
    made = digest(algorithm)
    made.update(b"".join(part.checksum for part in parts))
    return made.digest()


def full(algorithm: Algorithm, parts: Sequence[Summed]) -> bytes:
    """Return the checksum of the whole that parts make, without a look at it.

    Raises:
        ValueError: If it does not follow from those of the parts, as of SHA.
    """
    if algorithm not in _POLYNOMIALS:
        raise ValueError(f"{algorithm} of an object does not follow from its parts")
    polynomial, value = _POLYNOMIALS[algorithm], 0
    for part in parts:
        value = polynomial.combined(value, int.from_bytes(part.checksum, "big"), part.size)
    return value.to_bytes(algorithm.size_bytes, "big")


@dataclass(slots=True)
class Digests:
    """Several digests of one body, MD5 always among them.

    Args:
        algorithms: The others.
    """

    algorithms: Sequence[Algorithm]
    md5: Digest = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    _made: dict[Algorithm, Digest] = field(init=False)

    def __post_init__(self) -> None:
        self._made = {algorithm: digest(algorithm) for algorithm in self.algorithms}

    def update(self, content: bytes) -> None:
        """Take the next part of the body."""
        self.md5.update(content)
        for each in self._made.values():
            each.update(content)

    def of(self, algorithm: Algorithm) -> bytes:
        """Return the checksum of all that came."""
        return self._made[algorithm].digest()
