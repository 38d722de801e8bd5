"""`model.tar.gz`, as `orchestrator.core.ports.Archives` asks for it: written, staged, read."""

from orchestrator.adapters.archives.packing import draft, secret_in, stage, stream, write
from orchestrator.adapters.archives.reading import chunks, digest
from orchestrator.adapters.archives.unpacking import contents, extract, unpacked

__all__ = [
    "chunks",
    "contents",
    "digest",
    "draft",
    "extract",
    "secret_in",
    "stage",
    "stream",
    "unpacked",
    "write",
]
