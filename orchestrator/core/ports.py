"""What the use cases ask of the outside world.

Each port is one outside thing. The fakes in ``tests/support`` and the adapters pass the same contract tests.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from orchestrator.core.archive import Member
from orchestrator.core.checkpoint import Checkpoint, Kind, Weights
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.journal import Entry
from orchestrator.core.latency import Measured, Pace
from orchestrator.core.manifest import Contents, File
from orchestrator.core.resources import Endpoint, EndpointConfig, Model, Pairs, State
from orchestrator.core.spec import ModelSpec, Spec
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

    def put_once(self, key: str, content: bytes) -> bool:
        """Store ``content`` under ``key`` unless it is taken; tell whether it was stored."""
        ...

    def upload(self, key: str, stream: Callable[[], Iterator[bytes]], moved: Callable[[int], None]) -> bool:
        """Store what ``stream`` yields under ``key`` unless it is taken; tell whether it was stored.

        What an earlier call left unfinished is gone on with, as far as ``stream`` yields the same bytes.

        Args:
            key: Where to.
            stream: Yields the content from its beginning; nothing is asked of it if the key is taken.
            moved: Told how many bytes of the content are in S3 now, part by part.
        """
        ...

    def copy_once(self, source: str, key: str) -> bool:
        """Copy within the bucket unless ``key`` is taken; tell whether it was.

        Raises:
            NotFoundError: If nothing is stored under ``source``.
        """
        ...

    def keys(self, prefix: str) -> tuple[str, ...]:
        """Return all keys that begin with ``prefix``."""
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


class Images(Protocol):
    """The serving images that AWS publishes."""

    def image_uri(self, profile: str, region: str) -> str:
        """Return the address of the profile's image in ``region``.

        Raises:
            SpecError: If there is no such profile, or AWS publishes it in no such region.
        """
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


class Transfer(Protocol):
    """Somebody who watches bytes go by."""

    def started(self, doing: str, total_bytes: int | None) -> None: ...
    def moved(self, count_bytes: int) -> None: ...
    def finished(self) -> None: ...


# Packaging. The adapters of these ports hold nothing, so a module can be one.


class Checkpoints(Protocol):
    """Trained models on disk. What is read is not trusted; nothing of it is run but where that is said."""

    def examine(self, path: str, format_: str) -> Checkpoint:
        """Return what the file or folder at ``path`` holds; nothing of it is run.

        Args:
            path: The file or folder.
            format_: ``auto``, or what it has to be.

        Raises:
            ArtifactError: If it is absent, damaged or of a form that is not supported.
        """
        ...

    def weights(self, model: ModelSpec, root: str) -> AbstractContextManager[Weights]:
        """Yield what of the model goes into an archive; its content can be read as long as this is open.

        Raises:
            ArtifactError: If it is absent, damaged, ambiguous or of a form that is not supported.
            RefusedError: If it carries code and the spec does not allow that.
            MissingExtraError: If what it takes to read it is not installed.
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

    def text(self, member: Member) -> str:
        """Return the text of a small member, such as a requirements file."""
        ...


class Generator(Protocol):
    """What the orchestrator itself puts into an archive."""

    def entry_point(self, spec: Spec, kind: Kind) -> tuple[Member, ...]:
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

    def digest(self, member: Member, moved: Callable[[int], None]) -> File:
        """Return the path, size and digest of ``member``; ``moved`` is told of every chunk that was read."""
        ...

    def draft(self, out: str) -> AbstractContextManager[str]:
        """Yield a path to write to, which replaces ``out`` at the end and is gone after an exception."""
        ...

    def stream(self, members: Sequence[Member], files: Sequence[File]) -> Iterator[bytes]:
        """Yield the archive of ``members``, each of which has to be what ``files`` says still."""
        ...

    def chunks(self, member: Member, file: File) -> Iterator[bytes]:
        """Yield the content of ``member``, which has to be what ``file`` says still."""
        ...

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Write what `stream` yields to ``path``, a `draft`: that turns an OSError into our error."""
        ...

    def secret_in(self, member: Member) -> str:
        """Return which kind of secret ``member`` is or holds; empty if none is known."""
        ...

    def contents(self, path: str) -> Contents: ...

    def unpacked(self, path: str) -> AbstractContextManager[str]:
        """Yield a temporary folder with what the archive at ``path`` holds."""
        ...


class Builds(Protocol):
    """What has been packaged before, so that an unchanged project need not be packaged again."""

    def standing(self, out: str, identity: str, facts: Mapping[str, str]) -> bool:
        """Tell whether ``out`` is still the archive that was remembered with this identity and facts."""
        ...

    def remember(self, out: str, identity: str, facts: Mapping[str, str]) -> None:
        """Remember the archive at ``out``, which has just been written and tried."""
        ...


class Trial(Protocol):
    """The local endpoint, as a first customer of an archive."""

    def run(self, members: Sequence[Member], cases: Sequence[Case]) -> tuple[Response, ...]:
        """Load the model as the container will, and return its answer to each of ``cases``.

        Raises:
            ArtifactError: If the model does not load, saying why; its last line is a detail.
        """
        ...


class Load(Protocol):
    """A server at ``url`` that is sent one request, raising `OrchestratorError` if nobody answers, or many.

    Under load, where the requests of some cases are sent in turn, an answer is right if its status is.
    """

    @property
    def url(self) -> str: ...
    def ask(self, request: Request) -> Response: ...
    def run(self, cases: Sequence[Case], pace: Pace) -> Measured: ...
