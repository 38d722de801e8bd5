"""An artifact in S3, as a folder on this machine: an archive unpacked, or the files below a prefix."""

import shutil
import tempfile
from pathlib import Path

from orchestrator.adapters.archives import unpacking
from orchestrator.adapters.archives.packing import unwritable
from orchestrator.adapters.aws import Clients
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.core import archive
from orchestrator.core.errors import ArtifactError, NotFoundError

_FOLDER_MODE = 0o700


def fetch(clients: Clients, url: str, into: str, *, owner: str | None = None) -> None:
    """Bring the artifact at ``url`` to the new folder ``into``, which is gone after an exception.

    Args:
        clients: Whom to ask.
        url: An ``s3://`` address; one that ends in ``/`` is a prefix of uncompressed files.
        into: A folder that must not exist yet.
        owner: The account that has to own the bucket; ``None`` takes it from anybody.

    Raises:
        NotFoundError: If nothing is there.
        ArtifactError: If it is damaged, a name in it breaks a rule, or it cannot be written.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not (bucket and key):
        raise ArtifactError(
            f"'{url}' names no object and no prefix",
            hint="write s3://BUCKET/KEY for an archive, s3://BUCKET/PREFIX/ for files",
        )
    store = S3Store(clients, bucket, owner=owner)
    try:
        if url.endswith("/"):
            _files(store, key, into)
        else:
            _archive(store, key, into)
    except OSError as error:
        raise unwritable(into, error) from error


def _archive(store: S3Store, key: str, into: str) -> None:
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
        path = str(Path(folder) / "model.tar.gz")
        store.download(key, path)
        unpacking.extract(path, into)


def _files(store: S3Store, prefix: str, into: str) -> None:
    keys = {key.removeprefix(prefix): key for key in store.keys(prefix) if key != prefix}
    if not keys:
        raise NotFoundError(f"there is nothing below {store.url(prefix)}")
    archive.check_paths(keys)  # whoever wrote them: no name leads out of the folder
    Path(into).mkdir(mode=_FOLDER_MODE)
    try:
        size_bytes = 0
        for path, key in keys.items():
            file = Path(into) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            store.download(key, str(file))
            size_bytes += file.stat().st_size
            archive.check_size(size_bytes)
    except BaseException:
        shutil.rmtree(into, ignore_errors=True)
        raise
