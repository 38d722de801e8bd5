"""The manifest: what an archive holds, and the identity that follows from it."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from orchestrator.core.archive import MANIFEST, check_paths, check_size
from orchestrator.core.errors import ArtifactError
from orchestrator.core.names import canonical
from orchestrator.core.resources import Pairs

_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_UPGRADE = "pip install --upgrade cloud-deployment-orchestrator"


@dataclass(frozen=True, slots=True, order=True)
class File:
    """A file of an archive as the manifest knows it.

    Attributes:
        sha256: The digest, in hexadecimal.
        crc32: A checksum that tells quickly whether the file is still what was hashed; ``None`` if nobody
            took one. In no manifest, and two files are equal without it.
    """

    path: str
    size_bytes: int
    sha256: str
    crc32: int | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds, the manifest itself excepted.

    Attributes:
        files: Sorted by path.
        built_with: The versions of the programs that made it. Not part of the identity.
        license: The model's, as an SPDX expression, if the spec says one. Not part of the identity.
    """

    files: tuple[File, ...]
    built_with: Pairs = ()
    license: str | None = None

    @property
    def identity(self) -> str:
        """SHA-256 of the canonical JSON of the list of files, in hexadecimal.

        Of the files only: the same project gives the same identity on every machine, whatever compressed it
        and whichever Python ran the orchestrator. The container's runtime computes the same digest.
        """
        return hashlib.sha256(canonical(_listed(self.files))).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the content of `code/manifest.json`."""
        content = {
            "version": _VERSION,
            "files": _listed(self.files),
            "built_with": dict(self.built_with),
            "license": self.license,
        }
        return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive turned out to hold.

    Attributes:
        files: Every regular file, `code/manifest.json` included, sorted by path.
        folders: Every folder that has an entry of its own.
        manifest: The bytes of `code/manifest.json`, or ``None``.
    """

    files: tuple[File, ...]
    folders: tuple[str, ...] = ()
    manifest: bytes | None = None


def manifest_of(files: Iterable[File], built_with: Pairs, license_: str | None = None) -> Manifest:
    """Return the manifest of an archive with ``files``.

    Raises:
        ArtifactError: If a path, or all of them together, break a rule.
    """
    listed = tuple(sorted(files))
    check_paths([file.path for file in listed] + [MANIFEST])
    check_size(sum(file.size_bytes for file in listed))
    return Manifest(listed, tuple(sorted(built_with)), license_)


def _listed(files: Sequence[File]) -> list[dict[str, object]]:
    return [{"path": file.path, "size_bytes": file.size_bytes, "sha256": file.sha256} for file in files]


def parse_manifest(content: bytes) -> Manifest:
    """Read what `Manifest.to_bytes` wrote.

    Raises:
        ArtifactError: If it is something else, or lists a name that breaks a rule.
    """
    try:
        document = json.loads(content)
        files = tuple(_file(entry) for entry in document["files"])
        built_with = tuple(
            sorted((str(name), str(version)) for name, version in document["built_with"].items())
        )
        known = document["version"] == _VERSION
        license_ = None if document["license"] is None else str(document["license"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{MANIFEST} is not a manifest: {error}") from error
    if not known:
        raise ArtifactError(f"{MANIFEST} is of a version this orchestrator does not know", hint=_UPGRADE)
    # Names that no archive can have, or has twice, would stand for nothing in it and count for its identity.
    check_paths([file.path for file in files])
    return Manifest(files, built_with, license_)


def _file(entry: dict[str, object]) -> File:
    path, size, sha256 = entry["path"], entry["size_bytes"], entry["sha256"]
    if (
        set(entry) != {"path", "size_bytes", "sha256"}
        or not isinstance(path, str)
        or type(size) is not int
        or _SHA256.fullmatch(str(sha256)) is None
    ):
        raise ValueError(f"an entry is not a path, a size and a digest: {entry!r:.100}")
    return File(path, size, str(sha256))


def differences(manifest: Manifest, contents: Contents) -> tuple[str, ...]:
    """Return what the archive holds otherwise than its manifest says, one line each."""
    said = {file.path: file for file in manifest.files}
    held = {file.path: file for file in contents.files if file.path != MANIFEST}
    missing = [f"'{path}' is missing" for path in sorted(set(said) - set(held))]
    extra = [f"'{path}' is not in the manifest" for path in sorted(set(held) - set(said))]
    changed = [f"'{path}' has changed" for path in sorted(set(said) & set(held)) if said[path] != held[path]]
    unsorted = [] if list(manifest.files) == sorted(manifest.files) else ["the manifest is not sorted"]
    return (*missing, *extra, *changed, *unsorted)
