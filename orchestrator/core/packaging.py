"""What packaging asks of the outside world.

The adapters of these ports hold nothing, so a module can be one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from orchestrator.core.archive import Member
from orchestrator.core.checkpoint import Checkpoint, Kind, Weights
from orchestrator.core.golden import Case, Response
from orchestrator.core.manifest import Contents, File
from orchestrator.core.resources import Pairs
from orchestrator.core.spec import ModelSpec, Spec


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


class Served(Protocol):
    """A model that is served on this machine for as long as its `Trial` is open."""

    def answer(self, case: Case) -> Response:
        """Return what the model answers to a case.

        Raises:
            ArtifactError: If it gives no answer.
        """
        ...

    def error_behind(self, answer: Response) -> str:
        """Return why the model's code has failed, where an answer says that it has; empty if nobody knows.

        Known once the model has ended.
        """
        ...


class Trial(Protocol):
    """The local endpoint, as a first customer of an archive."""

    def serving(self, members: Sequence[Member]) -> AbstractContextManager[Served]:
        """Yield the model, loaded as the container will.

        Raises:
            ArtifactError: If the model does not load, saying why; its last line is a detail.
        """
        ...

    def run(self, members: Sequence[Member], cases: Sequence[Case]) -> tuple[Response, ...]:
        """Load the model as the container will, and return its answer to each of ``cases``.

        Raises:
            ArtifactError: If the model does not load, saying why; its last line is a detail.
        """
        ...
