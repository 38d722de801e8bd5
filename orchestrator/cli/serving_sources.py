"""What `local-serve` serves: the project, a folder or an archive, as something that can be built again.

Each is a `Source` of `orchestrator.serving.preparing.reload`: what it builds lies in a folder of its own, so
that the state that serves keeps its files, and a worker of it can be started again, while the next one is
made.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.api import wiring
from orchestrator.cli.opening import selection
from orchestrator.cli.options import Options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core.archive import CODE, Member
from orchestrator.core.errors import ArtifactError, SpecError
from orchestrator.core.manifest import File
from orchestrator.core.packaging import Archives
from orchestrator.core.revision import CONTAINER_ENVIRONMENT
from orchestrator.core.spec import Spec
from orchestrator.serving.contract import is_multi_model
from orchestrator.serving.preparing.reload import Source
from orchestrator.serving.staff import InPlace, Served
from orchestrator.usecases.build import build

_S3 = "s3://"
_WILD = "*?["


def source(
    options: Options, terminal: Terminal, target: str | None, variables: Mapping[str, str], *, reload: bool
) -> Source[Served]:
    """Return what ``target`` stands for; ``None`` is the project.

    Args:
        options: The common ones: they say where the spec is, and which S3 is meant.
        terminal: Gets the project's warnings.
        target: A folder, an archive or an address in S3.
        variables: What is added to the container's environment.
        reload: Whether it is to be watched.

    Raises:
        ArtifactError: If there is no such folder or archive.
        SpecError: If something in S3 is to be watched, or several models are to be served of one project.
    """
    if target is None:
        if is_multi_model({**os.environ, **variables}):
            raise SpecError(
                "a project is one model, and SAGEMAKER_MULTI_MODEL asks for several",
                hint="name a folder: orchestrator local-serve FOLDER, then POST /models",
            )
        return Project(options, terminal, variables)
    if target.startswith(_S3):
        if reload:
            raise SpecError(f"'{target}' cannot be watched", hint="leave out --reload, or serve a file")
        return Artifact(options, target, variables)
    if target and Path(target).is_dir():
        folder = Path(target)
        return WatchedFolder(folder, variables) if reload else InPlace(folder, {**os.environ, **variables})
    if not Path(target).is_file():
        raise ArtifactError(
            f"there is no archive or folder '{target}'", hint="orchestrator package          builds one"
        )
    return Archive(Path(target), variables)


class Remembering:
    """An `Archives` that does not hash a file again which nobody has written to since."""

    def __init__(self, archives: Archives) -> None:
        self._archives = archives
        self._known: dict[tuple[str, str, int, int, int], File] = {}
        self.draft, self.stream, self.chunks = archives.draft, archives.stream, archives.chunks
        self.write, self.secret_in = archives.write, archives.secret_in
        self.contents, self.unpacked = archives.contents, archives.unpacked

    def digest(self, member: Member, moved: Callable[[int], None]) -> File:
        """Return the path, size and digest of ``member``; ``moved`` is told of what was read."""
        if not isinstance(member.content, str):
            return self._archives.digest(member, moved)
        status = os.stat(member.content)  # noqa: PTH116 - a member's content is a text
        key = (member.path, member.content, status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._known:
            self._known[key] = self._archives.digest(member, moved)
        return self._known[key]


class Project:
    """The project of a spec."""

    def __init__(self, options: Options, terminal: Terminal, variables: Mapping[str, str]) -> None:
        packaging = wiring.packaging()
        self._options = options
        self._terminal = terminal
        self._variables = variables
        self._warned: set[str] = set()
        self._packaging = replace(packaging, archives=Remembering(packaging.archives))

    def watched(self) -> Collection[Path]:
        """Return the spec and every file that it names.

        Raises:
            SpecError: If it is wrong.
        """
        return [Path(self._options.config), *_named(wiring.resolve(selection(self._options)).spec)]

    @contextlib.contextmanager
    def built(self) -> Iterator[Served]:
        """Yield the folder of what an archive of the project would hold.

        No trial: the first customer of this build is the very server that it is made for.

        Raises:
            OrchestratorError: As `orchestrator.usecases.build.build` does.
        """
        spec = wiring.resolve(selection(self._options)).spec
        # The build stays open: where weights were converted, the folder links to what it has written.
        with (
            _temporary() as folder,
            build(spec, self._packaging, TerminalTransfer(self._terminal)) as made,
        ):
            self._terminal.warn([warning for warning in made.warnings if warning not in self._warned])
            self._warned.update(made.warnings)
            wiring.stage(made, str(folder / "model"))
            own = {**CONTAINER_ENVIRONMENT, **dict(spec.serving.variables)}
            yield Served(folder / "model", {**os.environ, **own, **self._variables})


@dataclass(frozen=True)
class WatchedFolder:
    """A folder with an unpacked archive, of which each state is served from a copy."""

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def watched(self) -> Collection[Path]:
        """Return the folder."""
        return [self.path]

    @contextlib.contextmanager
    def built(self) -> Iterator[Served]:
        """Yield a copy of the code, with links to everything else: weights are not read, let alone copied."""
        with _temporary() as folder:
            copy = folder / self.path.resolve().name
            copy.mkdir()
            for entry in self.path.resolve().iterdir():
                if entry.name == CODE or entry.suffix == ".py":
                    (shutil.copytree if entry.is_dir() else shutil.copy2)(entry, copy / entry.name)
                else:
                    (copy / entry.name).symlink_to(entry)
            yield _served(copy, self.variables)


@dataclass(frozen=True)
class Archive:
    """An archive on this machine, which may be somebody else's."""

    path: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def watched(self) -> Collection[Path]:
        """Return the archive."""
        return [self.path]

    @contextlib.contextmanager
    def built(self) -> Iterator[Served]:
        """Yield the folder it is unpacked to.

        Raises:
            ArtifactError: If it is damaged, also because it is being written at the moment.
        """
        with _temporary() as folder:
            wiring.extract(str(self.path), str(folder / "model"))
            yield _served(folder / "model", self.variables)


@dataclass(frozen=True)
class Artifact:
    """An archive in S3, or (the address ending in ``/``) its files below a prefix."""

    options: Options
    url: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def watched(self) -> Collection[Path]:
        """Return nothing: S3 is not watched."""
        return []

    @contextlib.contextmanager
    def built(self) -> Iterator[Served]:
        """Yield the folder it is fetched to.

        Raises:
            NotFoundError: If nothing is there.
            ArtifactError: If it is damaged, or a name in it breaks a rule.
        """
        with _temporary() as folder:
            wiring.download(selection(self.options), self.url, str(folder / "model"))
            yield _served(folder / "model", self.variables)


def _served(folder: Path, variables: Mapping[str, str]) -> Served:
    return Served(folder, {**os.environ, **variables})


def _named(spec: Spec) -> Iterator[Path]:
    root = Path(spec.root)
    yield root / spec.model.path
    asked = (spec.model.class_, spec.entrypoint.preprocess, spec.entrypoint.postprocess)
    yield from (root / reference.path for reference in asked if reference is not None)
    if spec.package.requirements is not None:
        yield root / spec.package.requirements
    tokenizer = dict(spec.entrypoint.options).get("tokenizer")
    if isinstance(tokenizer, str):
        yield root / tokenizer
    for pattern in spec.package.include:
        yield from _places(root, pattern)


def _places(root: Path, pattern: str) -> Iterator[Path]:
    """Yield the folder in which matching files come and go; of the project's own folder, those there are."""
    parts = pattern.split("/")
    plain = next((place for place, part in enumerate(parts) if set(part) & set(_WILD)), len(parts))
    if plain:
        yield root.joinpath(*parts[:plain])
    else:
        yield from (path for path in root.glob(pattern) if path.is_file())


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as name:
        yield Path(name)
