"""Send a build to S3: as one archive, packed while it is sent, or as its files below a prefix.

Both have the build's identity in their address, so what is there already is the same, and is not sent again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import archive, names
from orchestrator.core.archive import MANIFEST
from orchestrator.core.errors import ArtifactError, NotFoundError
from orchestrator.core.manifest import File, parse_manifest
from orchestrator.core.packaging import Archives
from orchestrator.core.ports import Store, Transfer
from orchestrator.core.spec import S3_PREFIX, Spec
from orchestrator.usecases.build import Build

_MAX_KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Published:
    """An artifact that is in S3 now.

    Attributes:
        url: Its ``s3://`` address, ending in ``/`` where its files lie uncompressed.
        stored: Whether it was not there before.
        sent_bytes: How many bytes were sent for it, by this call or by one that was cut off.
        copied_bytes: How many bytes S3 has copied from an earlier artifact instead.
    """

    url: str
    stored: bool
    sent_bytes: int = 0
    copied_bytes: int = 0


def publish(spec: Spec, made: Build, archives: Archives, store: Store, transfer: Transfer) -> Published:
    """Send the build in the layout that the spec asks for.

    Args:
        spec: The project.
        made: What to send; it is read while it is sent.
        archives: Reads and packs it.
        store: Where to.
        transfer: Watches the bytes.

    Raises:
        ArtifactError: If a file has changed since it was hashed, or its name is none for S3. Nothing of that
            file, or of the archive, is stored then.
        CloudError: If S3 refuses it, or the connection is lost; the same call goes on from there.
    """
    if spec.package.layout == S3_PREFIX:
        return _Files(spec.name, made, archives, store).publish(transfer)
    return _publish_archive(spec.name, made, archives, store, transfer)


def proof_key(endpoint: str, identity: str, *, uncompressed: bool) -> str:
    """Return the key whose presence says that the whole artifact is there.

    >>> proof_key("digits", "1f0c", uncompressed=True)
    'orchestrator/digits/artifacts/1f0c/model/code/manifest.json'
    """
    if uncompressed:
        return names.artifact_prefix(endpoint, identity) + MANIFEST
    return names.artifact_key(endpoint, identity)


@dataclass(slots=True)
class _Counted:
    """Passes on what moves, and adds it up."""

    transfer: Transfer
    total_bytes: int = 0

    def moved(self, count_bytes: int) -> None:
        self.total_bytes += count_bytes
        self.transfer.moved(count_bytes)


def _publish_archive(
    endpoint: str, made: Build, archives: Archives, store: Store, transfer: Transfer
) -> Published:
    key = names.artifact_key(endpoint, made.identity)
    counted = _Counted(transfer)
    # How large the archive will be is known once it is packed. Weights hardly compress.
    transfer.started("packing and sending", sum(file.size_bytes for file in made.files))
    try:
        stored = store.upload(key, lambda: archives.stream(made.members, made.files), counted.moved)
    finally:
        transfer.finished()
    return Published(store.url(key), stored, counted.total_bytes)


class _Files:
    """A build on its way to the files of an uncompressed artifact."""

    def __init__(self, endpoint: str, made: Build, archives: Archives, store: Store) -> None:
        self._endpoint = endpoint
        self._archives = archives
        self._store = store
        self._prefix = names.artifact_prefix(endpoint, made.identity)
        self._members = {member.path: member for member in made.members}
        self._files = made.files

    def publish(self, transfer: Transfer) -> Published:
        """Store every file, and the manifest last: it says that all the rest is there."""
        url = self._store.url(self._prefix)
        _check_keys(self._prefix, list(self._members))
        there = set(self._store.keys(names.artifacts_prefix(self._endpoint)))
        if self._prefix + MANIFEST in there:
            return Published(url, stored=False)
        wanted = [file for file in self._files if self._prefix + file.path not in there]
        copied = self._copy(wanted, there)
        sent = [file for file in wanted if file not in copied]
        count = self._send(sorted(sent, key=lambda file: (file.path == MANIFEST, file.path)), transfer)
        return Published(
            url, stored=True, sent_bytes=count, copied_bytes=sum(file.size_bytes for file in copied)
        )

    def _send(self, files: Sequence[File], transfer: Transfer) -> int:
        counted = _Counted(transfer)
        transfer.started("sending", sum(file.size_bytes for file in files))
        try:
            for file in files:
                self._store.upload(self._prefix + file.path, self._chunks(file), counted.moved)
        finally:
            transfer.finished()
        return counted.total_bytes

    def _chunks(self, file: File) -> Callable[[], Iterator[bytes]]:
        return lambda: self._archives.chunks(self._members[file.path], file)

    def _copy(self, wanted: Sequence[File], there: set[str]) -> frozenset[File]:
        """Copy what earlier artifacts have, and return which files these were."""
        known = self._known({file.sha256 for file in wanted if file.path != MANIFEST}, there)
        return frozenset(
            file for file in wanted if file.sha256 in known and self._copied(known[file.sha256], file)
        )

    def _copied(self, source: str, file: File) -> bool:
        try:
            self._store.copy_once(source, self._prefix + file.path)
        except NotFoundError:
            return False  # swept since it was listed
        return True

    def _known(self, digests: set[str], there: set[str]) -> dict[str, str]:
        """Return where files with ``digests`` lie already, as the manifests of complete artifacts say."""
        known: dict[str, str] = {}
        for key in sorted(key for key in there if key.endswith(f"/{MANIFEST}")):
            if digests <= known.keys():
                break
            prefix = key.removesuffix(MANIFEST)
            listed = ((file.sha256, prefix + file.path) for file in self._listed(key))
            known |= {digest: place for digest, place in listed if digest in digests and place in there}
        return known

    def _listed(self, manifest_key: str) -> tuple[File, ...]:
        try:
            return parse_manifest(self._store.read(manifest_key)).files
        except (ArtifactError, NotFoundError):
            return ()  # of no use to us, and none of our business


def _check_keys(prefix: str, paths: Sequence[str]) -> None:
    """Check the names of all files before any is sent.

    SageMaker takes no uncompressed artifact with a component that is empty, ``.``, ``..``, has a null or more
    than 255 bytes, nor one with a file that is also a folder (API reference, S3ModelDataSource); archives
    keep the same rules. S3 takes no key of more than 1024 bytes.
    """
    archive.check_paths(paths)
    for path in paths:
        if len((prefix + path).encode()) > _MAX_KEY_BYTES:
            raise ArtifactError(
                f"'{path}' has too long a name for the layout 's3-prefix'",
                details=[("rule", f"at most {_MAX_KEY_BYTES} bytes with '{prefix}' before it")],
                hint='shorten it, or set package.layout = "tar.gz"',
            )
