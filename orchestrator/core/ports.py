"""What the use cases ask of the outside world.

Each port is one outside thing. The fakes in ``tests/support`` and the adapters pass the same contract tests.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from orchestrator.core.archive import Member
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.journal import Entry
from orchestrator.core.manifest import Contents, File
from orchestrator.core.resources import Endpoint, EndpointConfig, Model, Pairs, State
from orchestrator.core.spec import Spec
from orchestrator.core.steps import Step


class Cloud(Protocol):
    """SageMaker, as far as a deployment needs it.

    Creating what exists with the same content and deleting what is gone succeed, so every method but
    `update_endpoint` is safe to repeat. All raise `CloudError` or one of its kind.
    """

    def identity(self) -> str:
        """Return who we are: the ARN of the caller."""
        ...

    def observe(self, endpoint: str) -> State:
        """Return the endpoint, and every model and endpoint config that was made for it."""
        ...

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint as it is now, or ``None``."""
        ...

    def create_model(self, model: Model) -> None: ...
    def create_endpoint_config(self, config: EndpointConfig) -> None: ...
    def create_endpoint(self, name: str, config: str, tags: Pairs) -> None: ...
    def update_endpoint(self, name: str, config: str) -> None: ...
    def delete_endpoint(self, name: str) -> None: ...
    def delete_endpoint_config(self, name: str) -> None: ...
    def delete_model(self, name: str) -> None: ...


class Store(Protocol):
    """The bucket that artifacts are kept in."""

    def url(self, key: str) -> str:
        """Return the ``s3://`` address of ``key``."""
        ...

    def put_once(self, key: str, source: str | bytes) -> bool:
        """Store a file (its path) or bytes under ``key`` unless it is taken; tell whether it was stored."""
        ...

    def read(self, key: str) -> bytes:
        """Return what is stored under ``key``.

        Raises:
            NotFoundError: If nothing is.
        """
        ...

    def exists(self, key: str) -> bool: ...


class Journal(Protocol):
    """The record of one endpoint's deployments."""

    def entries(self) -> tuple[Entry, ...]:
        """Return the whole journal, its chain verified."""
        ...

    def append(self, kind: str, facts: Mapping[str, object], *, by: str, at: str) -> Entry:
        """Write the next entry, after the last one that this journal has read or written.

        Raises:
            ConflictError: If somebody else has written that number already. Nothing is written then.
        """
        ...


class Runtime(Protocol):
    """A live endpoint, as its callers see it."""

    def invoke(self, endpoint: str, request: Request) -> Response:
        """Send one request; an error of the model comes back as its status, not as an exception.

        Raises:
            CloudError: If the endpoint cannot be reached or does not exist.
        """
        ...


class Logs(Protocol):
    """What the containers of an endpoint have written."""

    def since(self, endpoint: str, moment: float) -> tuple[str, ...]:
        """Return the lines written since ``moment`` (seconds since 1970), oldest first."""
        ...


class Clock(Protocol):
    """Time."""

    def now(self) -> float:
        """Return seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None: ...


class Progress(Protocol):
    """Somebody who watches a plan being carried out."""

    def started(self, step: Step, number: int, total: int) -> None: ...
    def waiting(self, endpoint: str, status: str, elapsed_seconds: float) -> None: ...
    def finished(self, step: Step) -> None: ...
    def asking(self, cases: Sequence[str]) -> None: ...


# Packaging. The adapters of these ports hold nothing, so a module can be one.


class Checkpoints(Protocol):
    """Files of trained weights."""

    def weights(self, path: str, format_: str) -> AbstractContextManager[str]:
        """Yield the path of a safetensors file with the weights in ``path``, which may be ``path`` itself.

        Args:
            path: The file with the weights.
            format_: ``auto``, ``safetensors`` or ``state-dict``.

        Raises:
            ArtifactError: If it is absent, damaged, or of a format that is not supported.
            MissingExtraError: If torch or safetensors is not installed.
        """
        ...


class Sources(Protocol):
    """The files of a project."""

    def collect(self, root: str, paths: Sequence[str], patterns: Sequence[str]) -> tuple[Member, ...]:
        """Return the files at ``paths`` and those that match ``patterns``, by their path below ``root``.

        Raises:
            ArtifactError: If one is absent or leads out of ``root``, or a pattern matches nothing.
        """
        ...


class Generator(Protocol):
    """What the orchestrator itself puts into an archive."""

    def entry_point(self, spec: Spec) -> tuple[Member, ...]:
        """Return the generated entry point, under its path in the archive."""
        ...

    def runtime(self) -> tuple[Member, ...]:
        """Return the runtime that the entry point imports, under its path in the archive."""
        ...

    def versions(self) -> Pairs:
        """Return the versions of the programs that archives are made with."""
        ...


class Archives(Protocol):
    """Archives on disk. What is read is not trusted; all raise `ArtifactError`."""

    def digest(self, member: Member) -> File: ...

    def draft(self, out: str) -> AbstractContextManager[str]:
        """Yield a path to write to, which replaces ``out`` at the end and is gone after an exception."""
        ...

    def write(self, path: str, members: Sequence[Member], files: Sequence[File]) -> None:
        """Write ``members``, each of which has to be what ``files`` says still."""
        ...

    def contents(self, path: str) -> Contents: ...


class Trial(Protocol):
    """The local endpoint, as a first customer of an archive."""

    def run(self, archive: str, cases: Sequence[Case]) -> tuple[Response, ...]:
        """Load the archive as the container will, and return its answer to each of ``cases``.

        Raises:
            ArtifactError: If the model does not load, saying why; its last line is a detail.
        """
        ...
