"""Tell whether an archive is what its manifest says, without running anything in it."""

from dataclasses import dataclass

from orchestrator.core.archive import MANIFEST, check_layout
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import Manifest, differences, parse_manifest
from orchestrator.core.packaging import Archives


@dataclass(frozen=True, slots=True)
class Verified:
    """An archive that is what its manifest says."""

    path: str
    manifest: Manifest

    @property
    def identity(self) -> str:
        """The digest of the manifest's files."""
        return self.manifest.identity


def verify(path: str, archives: Archives) -> Verified:
    """Check compression, member names, layout, and every file's digest.

    Raises:
        ArtifactError: Naming what is wrong first: damage, then names, a missing manifest, and differences.
    """
    contents = archives.contents(path)
    if contents.manifest is None:
        raise ArtifactError(
            f"'{path}' has no {MANIFEST}, so nothing can be said about its files",
            details=[("files", f"{len(contents.files)}, and their names are safe")],
            hint="build it with: orchestrator package",
        )
    manifest = parse_manifest(contents.manifest)
    if found := differences(manifest, contents):
        raise ArtifactError(
            f"'{path}' is not what its manifest says",
            details=[("found", line) for line in found],
            hint="get it again, or build it again: orchestrator package",
        )
    check_layout([file.path for file in contents.files])
    return Verified(path, manifest)
