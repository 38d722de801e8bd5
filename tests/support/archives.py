"""Archives as tests need them: written in one call, or put together byte by byte."""

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.adapters.archives.tarball import digest, stream, write
from orchestrator.core.archive import Member
from orchestrator.core.manifest import File


def unwatched(_: int) -> None:
    """Watch no bytes."""


def described(member: Member) -> File:
    """Return what the manifest says of ``member``."""
    return digest(member, unwatched)


def pack(path: str, members: Sequence[Member]) -> None:
    """Write the archive of ``members`` to ``path``."""
    write(path, stream(members, [described(member) for member in members]))


@dataclass(frozen=True)
class Made:
    """Content that is made while it is read, in chunks that share one buffer, as a converter's may."""

    whole: bytes
    step: int = 1000

    @property
    def size_bytes(self) -> int:
        """Return how many bytes there are."""
        return len(self.whole)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """Yield them through one buffer."""
        buffer = bytearray(self.step)
        for start in range(0, len(self.whole), self.step):
            part = self.whole[start : start + self.step]
            buffer[: len(part)] = part
            yield memoryview(buffer)[: len(part)]


def member(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Return a member as somebody with other tools would write it."""
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for field, value in fields.items():
        setattr(header, field, value)
    return header, content


def tarred(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """Return the tar archive of ``members``, whatever they are."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for header, content in members:
            tar.addfile(header, io.BytesIO(content))
    return file.getvalue()
