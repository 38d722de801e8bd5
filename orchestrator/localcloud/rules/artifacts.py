"""Models' artifacts: where they are, and how they are unpacked."""

import contextlib
import re
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.core.errors import ArtifactError
from orchestrator.localcloud.apierrors import unsupported
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.rules.modeldata import model_data
from orchestrator.localcloud.world import Content, Scope

# S3 user guide, "Virtual hosting of general purpose buckets": the bucket is in the host, or in the path.
_ON_WEB = re.compile(
    r"https://((?P<bucket>[^/?#]+)\.)?s3([.-][a-z0-9-]+)?\.amazonaws\.com(\.cn)?/(?P<path>[^?#]+)"
)
_CHUNK_BYTES = 1024 * 1024
_MAX_COMPONENT_BYTES = 255
MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 64 * 2**30
"""What an unpacked artifact may hold: more than any model that a machine without GPUs serves."""


# What tarfile raises for archives that are damaged, or made to do harm: a null in a name is a ValueError,
# a long chain of headers a RecursionError.
_UNFIT = (tarfile.TarError, EOFError, OSError, ValueError, RecursionError)


def place_of(url: str) -> tuple[str, str]:
    """Return the bucket and the key that an ``s3://`` address names, or an ``https://`` one of S3.

    >>> place_of("s3://models/digits.tar.gz"), place_of("https://models.s3.amazonaws.com/digits.tar.gz")
    (('models', 'digits.tar.gz'), ('models', 'digits.tar.gz'))
    >>> place_of("https://s3.eu-west-1.amazonaws.com/models/digits.tar.gz")
    ('models', 'digits.tar.gz')

    Raises:
        ApiError: If it is another kind of address.
    """
    if on_web := _ON_WEB.fullmatch(url):
        inside, path = on_web["bucket"], unquote(on_web["path"])
        bucket, _, key = (inside, "", path) if inside else path.partition("/")
        return bucket, key
    parts = urlsplit(url)
    if parts.scheme != "s3":
        raise unsupported(f"{parts.scheme}:// addresses of objects")
    return parts.netloc, url.removeprefix(f"s3://{parts.netloc}/")


def fetch(clients: Clients, scope: Scope, container: Content, folder: Path) -> None:
    """Put the artifact of ``container``, if it has one, into ``folder``.

    Raises:
        ArtifactError: If it cannot be read, is no ``tar.gz``, or holds what it must not.
    """
    data = model_data(container)
    if data is None:
        return
    bucket, key = place_of(data.url)
    s3 = clients.client("s3", scope)
    try:
        if data.is_uncompressed:
            _fetch_files(s3, bucket, key, folder)
            return
        # One streaming GET: it is unpacked as it comes, and lies nowhere packed.
        with s3.get_object(Bucket=bucket, Key=key)["Body"] as body:
            unpack(body, folder)
    except (ClientError, BotoCoreError) as error:
        raise ArtifactError(f"the artifact {data.url} cannot be read: {error}") from error
    except _UNFIT as error:
        raise ArtifactError(f"the artifact {data.url} cannot be unpacked: {error}") from error


def _fetch_files(s3: BaseClient, bucket: str, prefix: str, folder: Path) -> None:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    sizes = {
        found["Key"].removeprefix(prefix): found["Size"]
        for page in pages
        for found in page.get("Contents", [])
    }
    check_files(sizes)
    for path in sizes:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        body = s3.get_object(Bucket=bucket, Key=prefix + path)["Body"]
        with contextlib.closing(body), file.open("xb") as opened:
            opened.writelines(body.iter_chunks(_CHUNK_BYTES))


def check_files(sizes: Mapping[str, int]) -> None:
    """Check the names and sizes of an uncompressed artifact's files before one of them is written.

    The prefix may be anybody's. The rules are those of SageMaker (API reference, S3ModelDataSource): no
    component is empty, ``.`` or ``..``, has a null or more than 255 bytes, and no file is also a folder; so
    there are no objects that stand for folders either, as the S3 console makes them.

    Raises:
        ArtifactError: Naming the first file that breaks one, or if there are too many or too large ones.
    """
    if len(sizes) > MAX_MEMBERS or sum(sizes.values()) > MAX_UNPACKED_BYTES:
        raise _too_much()
    for path in sizes:
        components = path.split("/")
        if not all(_is_name(component) for component in components):
            raise ArtifactError(f"the artifact's file {path!r} has a name that SageMaker refuses")
    inner = {str(folder) for path in sizes for folder in PurePosixPath(path).parents}
    if both := sorted(inner & set(sizes)):
        raise ArtifactError(f"the artifact's file '{both[0]}' is a folder as well")


def _is_name(component: str) -> bool:
    fits = len(component.encode()) <= _MAX_COMPONENT_BYTES
    return fits and "\0" not in component and component not in {"", ".", ".."}


def _too_much() -> ArtifactError:
    return ArtifactError(f"the artifact holds more than {MAX_MEMBERS} members or {MAX_UNPACKED_BYTES} bytes")


def unpack(archive: IO[bytes], folder: Path) -> None:
    """Unpack a ``tar.gz`` stream of plain files and folders into ``folder``.

    The archive may be anybody's. "The archive should hold no symbolic links" (SageMaker developer
    guide, model-hosting-faqs), so links are refused with everything else that is no file or folder.

    Raises:
        ArtifactError: If a member is anything else, or there are too many or too large ones.
        tarfile.TarError, OSError, ...: If it is no ``tar.gz``, is damaged, or a member's path leads out.
    """
    members, size_bytes = 0, 0
    with tarfile.open(fileobj=archive, mode="r|gz") as opened:
        for member in opened:
            members += 1
            size_bytes += member.size
            if not (member.isfile() or member.isdir()):
                raise ArtifactError(f"the artifact's member '{member.name}' is neither a file nor a folder")
            if members > MAX_MEMBERS or size_bytes > MAX_UNPACKED_BYTES:
                raise _too_much()
            opened.extract(member, folder, filter="data")
