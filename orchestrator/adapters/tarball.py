"""`model.tar.gz`, as `orchestrator.core.ports.Archives` asks for it: written, staged, read."""

from orchestrator.adapters.packing import draft, secret_in, stage, stream, write
from orchestrator.adapters.reading import chunks, digest
from orchestrator.adapters.unpacking import contents, extract, unpacked

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
