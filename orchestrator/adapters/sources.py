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
    matching = {
        path.relative_to(base).as_posix(): path for pattern in patterns for path in _matches(base, pattern)
    }
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
    files = [
        _inside(base, path) for path in base.glob(whole) if path.is_file() and _wanted(path.relative_to(base))
    ]
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
    if not path.resolve().is_relative_to(base.resolve()):
        raise ArtifactError(
            f"'{path.relative_to(base).as_posix()}' is a link that leads out of the project",
            details=[("project", str(base)), ("leads to", str(path.resolve()))],
        )
    return path
