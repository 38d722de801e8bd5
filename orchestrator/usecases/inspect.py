"""Say what a model file holds, or an archive that may be a stranger's, without running anything in it."""

import posixpath
from dataclasses import dataclass, replace

from orchestrator.core import archive
from orchestrator.core.checkpoint import BY_SUFFIX, INDEX_SUFFIX, Checkpoint, Code
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import Contents, File, differences, parse_manifest
from orchestrator.core.packaging import Archives, Checkpoints

AUTO = "auto"
_ARCHIVES = (".tar.gz", ".tgz")
_MODELS = tuple(suffix for suffix in BY_SUFFIX if suffix != INDEX_SUFFIX)  # its shards tell all that it does
_PYTHON = (".py", ".pyc", ".so")


@dataclass(frozen=True, slots=True)
class InspectedArchive:
    """What an archive holds.

    Attributes:
        identity: The digest of its files, if it has a manifest that is right; ``None`` otherwise.
        files: Every regular file, sorted by path.
        models: What its model files hold; their paths are those in the archive.
        code: What whoever serves the archive runs: Python files, requirements, and code in model files.
        problems: What is wrong with it, one line each.
    """

    path: str
    identity: str | None
    files: tuple[File, ...]
    models: tuple[Checkpoint, ...]
    code: tuple[Code, ...]
    problems: tuple[str, ...]


def inspect(
    path: str, format_: str, checkpoints: Checkpoints, archives: Archives
) -> Checkpoint | InspectedArchive:
    """Return what the model, or the archive, at ``path`` holds.

    Raises:
        ArtifactError: If it is absent, damaged, of a form that is not supported, or an archive that breaks a
            rule of names and sizes.
    """
    if format_ == AUTO and path.lower().endswith(_ARCHIVES):
        return _archive(path, checkpoints, archives)
    return checkpoints.examine(path, format_)


def _archive(path: str, checkpoints: Checkpoints, archives: Archives) -> InspectedArchive:
    contents = archives.contents(path)
    models: list[Checkpoint] = []
    code = [Code(file.path, what) for file in contents.files if (what := _runs(file.path))]
    identity, problems = _identity(contents)
    try:
        archive.check_layout([file.path for file in contents.files])
    except ArtifactError as error:
        problems.append(str(error))
    with archives.unpacked(path) as folder:
        for file in contents.files:
            if not file.path.lower().endswith(_MODELS):
                continue
            try:
                found = checkpoints.examine(posixpath.join(folder, file.path), AUTO)
            except ArtifactError as error:
                problems.append(f"{file.path}: {str(error).replace(f'{folder}/', '')}")
                continue
            models.append(replace(found, path=file.path))
            code += [Code(f"{file.path}: {one.where}", one.what) for one in found.code]
    return InspectedArchive(path, identity, contents.files, tuple(models), tuple(code), tuple(problems))


def _runs(path: str) -> str:
    if path.lower().endswith(_PYTHON):
        return "Python that the container can import"
    return "pip installs this when the container starts" if path == archive.REQUIREMENTS else ""


def _identity(contents: Contents) -> tuple[str | None, list[str]]:
    if contents.manifest is None:
        return None, [f"it has no {archive.MANIFEST}: nothing says what its files should be"]
    manifest = parse_manifest(contents.manifest)
    found = list(differences(manifest, contents))
    return (None if found else manifest.identity), found
