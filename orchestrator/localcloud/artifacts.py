"""Models' artifacts: where they are, whether they are there, and how they are unpacked."""

import tarfile
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from orchestrator.core.errors import ArtifactError
from orchestrator.localcloud.apierrors import invalid, unsupported
from orchestrator.localcloud.clients import Clients
from orchestrator.localcloud.world import Content, Scope

MAX_MEMBERS = 100_000
MAX_UNPACKED_BYTES = 64 * 2**30
"""What an unpacked artifact may hold: more than any model that a machine without GPUs serves."""


# What tarfile raises for archives that are damaged, or made to do harm: a null in a name is a ValueError,
# a long chain of headers a RecursionError.
_UNFIT = (tarfile.TarError, EOFError, OSError, ValueError, RecursionError)


def check_model(clients: Clients, scope: Scope, request: Content) -> None:
    """Check that what a CreateModel request refers to exists, as AWS does before it answers.

    Raises:
        ApiError: If a model's data or the role is missing.
    """
    for container in [request.get("PrimaryContainer"), *(request.get("Containers") or ())]:
        if container and container.get("ModelDataUrl"):
            _check_data(clients, scope, container["ModelDataUrl"])
    if role := request.get("ExecutionRoleArn"):
        _check_role(clients, scope, role)


def _check_data(clients: Clients, scope: Scope, url: str) -> None:
    bucket, key = _place(url)
    try:
        clients.client("s3", scope).head_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        raise invalid(f"Could not find model data at {url}.") from error


def _check_role(clients: Clients, scope: Scope, arn: str) -> None:
    account, resource = arn.split(":", 5)[4:]
    if account != scope.account:
        return
    try:
        clients.client("iam", scope).get_role(RoleName=resource.rpartition("/")[2])
    except (ClientError, BotoCoreError) as error:
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            "'sagemaker.amazonaws.com' to assume the role."
        ) from error


def _place(url: str) -> tuple[str, str]:
    """Return the bucket and the key that an ``s3://`` address names."""
    parts = urlsplit(url)
    if parts.scheme != "s3":
        raise unsupported(f"model data at {parts.scheme}:// addresses")
    return parts.netloc, url.removeprefix(f"s3://{parts.netloc}/")


def fetch(clients: Clients, scope: Scope, url: str, folder: Path) -> None:
    """Unpack the artifact at ``url`` into ``folder``.

    One streaming GET: moto reads the whole object for every ranged one.

    Raises:
        ArtifactError: If it cannot be read, is no ``tar.gz``, or holds what it must not.
    """
    bucket, key = _place(url)
    try:
        body = clients.client("s3", scope).get_object(Bucket=bucket, Key=key)["Body"]
        with body:
            unpack(body, folder)
    except (ClientError, BotoCoreError) as error:
        raise ArtifactError(f"the artifact {url} cannot be read: {error}") from error
    except _UNFIT as error:
        raise ArtifactError(f"the artifact {url} cannot be unpacked: {error}") from error


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
                raise ArtifactError(
                    f"the artifact holds more than {MAX_MEMBERS} members or {MAX_UNPACKED_BYTES} bytes"
                )
            opened.extract(member, folder, filter="data")
