"""The files of a project on disk: what goes into an archive, and its golden cases."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError

_SKIPPED_FOLDERS = frozenset({".git", "__pycache__"})
_SKIPPED_SUFFIXES = frozenset({".pyc"})


def collect(root: str, paths: Sequence[str], patterns: Sequence[str]) -> tuple[Member, ...]:
    """Return the files at ``paths`` and those that match ``patterns``, by their path below ``root``.

    The ``__init__.py`` of every folder that a Python file of ``paths`` lies in comes along. Version control,
    ``__pycache__`` and ``*.pyc`` stay away.

    Args:
        root: The project's folder.
        paths: Relative to it, with ``/`` between folders.
        patterns: Globs relative to it; ``**`` stands for any folders, and at the end for all files in them.

    Raises:
        ArtifactError: If a file is absent or leads out of ``root``, or a pattern matches nothing.
    """
    base = Path(root)
    named = {path: _named(base, path) for path in (*paths, *_packages(base, paths))}
    matching = {_name(base, path): path for pattern in patterns for path in _matches(base, pattern)}
    return tuple(Member(path, str(file)) for path, file in sorted({**matching, **named}.items()))


def golden_files(root: str, pattern: str) -> tuple[tuple[str, bytes], ...]:
    """Return the name and the content of each file that matches ``pattern``, sorted by name.

    The name is the path relative to ``root``.

    Raises:
        ArtifactError: If none matches, or one cannot be read.
    """
    base = Path(root)
    found = sorted(_matches(base, pattern, "golden.cases"))
    try:
        return tuple((path.relative_to(base).as_posix(), path.read_bytes()) for path in found)
    except OSError as error:
        raise ArtifactError(f"a golden case cannot be read: {error}") from error


def _name(base: Path, path: Path) -> str:
    # The bytes on disk are UTF-8 in any locale; what Python makes of them depends on the locale.
    return os.fsencode(path.relative_to(base).as_posix()).decode("utf-8", "surrogateescape")


def _named(base: Path, path: str) -> Path:
    file = base / path
    if not file.is_file():
        raise ArtifactError(f"there is no file '{path}' in the project", details=[("project", str(base))])
    return _inside(base, file)


def _packages(base: Path, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path.endswith(".py"):
            folders = [folder for folder in PurePosixPath(path).parents if folder.name]
            inits = (str(folder / "__init__.py") for folder in folders)
            yield from (init for init in inits if (base / init).is_file())


def _matches(base: Path, pattern: str, key: str = "package.include") -> list[Path]:
    if os.path.isabs(pattern) or ".." in pattern.split("/") or not pattern:  # noqa: PTH117 - the text, not a path of this machine
        raise ArtifactError(f"{key}: '{pattern}' leads out of the project", details=[("project", str(base))])
    # Before Python 3.13 a '**' at the end stands for folders only.
    whole = f"{pattern}/*" if pattern.endswith("**") else pattern
    matching = (path for path in base.glob(whole) if _wanted(path.relative_to(base)) and not path.is_dir())
    files = [_regular(base, _inside(base, path)) for path in matching]
    if not files:
        raise ArtifactError(
            f"{key}: '{pattern}' matches no file",
            details=[
                ("project", str(base)),
                ("rule", "a glob relative to the project; 'folder/**' takes a whole folder"),
            ],
        )
    return files


def _wanted(path: Path) -> bool:
    return path.suffix not in _SKIPPED_SUFFIXES and _SKIPPED_FOLDERS.isdisjoint(path.parts)


def _inside(base: Path, path: Path) -> Path:
    try:
        end = path.resolve()
    except (OSError, RuntimeError) as error:  # Python says so of a loop until 3.12
        raise ArtifactError(
            f"'{path.relative_to(base).as_posix()}' is a link that leads back to itself",
            hint="take the link out, or put the file there",
        ) from error
    if not end.is_relative_to(base.resolve()):
        raise ArtifactError(
            f"'{path.relative_to(base).as_posix()}' is a link that leads out of the project",
            details=[("project", str(base)), ("leads to", str(end))],
        )
    return path


def _regular(base: Path, path: Path) -> Path:
    if not path.is_file():
        raise ArtifactError(
            f"'{path.relative_to(base).as_posix()}' is no file that an archive can hold",
            details=[
                ("rule", "regular files, and links to them: no devices, pipes or links that lead nowhere")
            ],
            hint="narrow package.include",
        )
    return path


def text(member: Member) -> str:
    """Return the text of a small member, such as a requirements file.

    Raises:
        ArtifactError: If it cannot be read, or is not UTF-8.
    """
    if not isinstance(member.content, (str, bytes)):
        raise ArtifactError(f"'{member.path}' is no text file")
    try:
        content = member.content if isinstance(member.content, bytes) else Path(member.content).read_bytes()
        return content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(f"'{member.path}' cannot be read: {error}") from error
