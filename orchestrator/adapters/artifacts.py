"""An artifact in S3, as a folder on this machine: an archive unpacked, or the files below a prefix."""

import tempfile
from pathlib import Path

from orchestrator.adapters import unpacking
from orchestrator.adapters.aws import Clients
from orchestrator.adapters.s3 import S3Store
from orchestrator.core import archive
from orchestrator.core.errors import NotFoundError

_FOLDER_MODE = 0o700


def fetch(clients: Clients, url: str, into: str) -> None:
    """Bring the artifact at ``url`` to the new folder ``into``.

    Args:
        clients: Whom to ask.
        url: An ``s3://`` address; one that ends in ``/`` is a prefix of uncompressed files.
        into: A folder that must not exist yet.

    Raises:
        NotFoundError: If nothing is there.
        ArtifactError: If it is damaged, or a name in it breaks a rule.
    """
    bucket, _, key = url.removeprefix("s3://").partition("/")
    store = S3Store(clients, bucket)
    if url.endswith("/"):
        _files(store, key, into)
        return
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
    for path, key in keys.items():
        file = Path(into) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        store.download(key, str(file))
