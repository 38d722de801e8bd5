"""The files that projects begin with: what the installation carries, with the little that varies filled in.

They lie in the package of templates under names without a leading dot, which not every tool would pack.
"""

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable

import jinja2

from orchestrator import __version__
from orchestrator.core.projects import Draft

_TEMPLATE = ".j2"
_ABOUT, _ENVIRONMENTS = "about.md", "environments.toml"
_CACHE = "__pycache__"  # pip makes one beside every .py file
_PROGRAM = ".sh"
_PLACES = {
    "gitignore": ".gitignore",
    "deploy.yml": ".github/workflows/deploy.yml",
    "gitlab-ci.yml": ".gitlab-ci.yml",
}
"""Where files go that cannot lie in the package as they are to be called."""

_Files = dict[str, bytes]


def project(task: str, name: str) -> tuple[Draft, ...]:
    """Return a whole project for ``task``, named in full: the task's own files, and what all of them have."""
    own, common = _files("projects", task), _files("projects", "common")
    parts = {part: own.pop(part, common.pop(part, b"")).decode() for part in (_ABOUT, _ENVIRONMENTS)}
    values = {"name": name, "about": parts[_ABOUT], "environments": parts[_ENVIRONMENTS]}
    return _drafts({**common, **own}, values | {"task": task}) + _shared("check.sh", "requirements.txt.j2")


def recipe(name: str) -> tuple[Draft, ...]:
    """Return what the CI system ``name`` needs, and what it shares with the others."""
    return _drafts(_files("ci", name), {}) + _shared()


def _shared(*names: str) -> tuple[Draft, ...]:
    """Return the programs that recipes call, all of them or the named ones."""
    files = _files("ci", "shared")
    chosen = {f"ci/{path}": files[path] for path in names or files}
    return _drafts(chosen, {"version": __version__})


def _drafts(files: _Files, values: dict[str, str]) -> tuple[Draft, ...]:
    return tuple(_draft(path, files[path], values) for path in sorted(files))


def _draft(path: str, content: bytes, values: dict[str, str]) -> Draft:
    if path.endswith(_TEMPLATE):
        path, content = path.removesuffix(_TEMPLATE), _filled(content.decode(), values).encode()
    return Draft(_PLACES.get(path, path), content, executable=path.endswith(_PROGRAM))


def _filled(source: str, values: dict[str, str]) -> str:
    """Fill a template of a text; the only value that a user gives is a name that was checked."""
    environment = jinja2.Environment(  # noqa: S701 - the texts are no HTML
        undefined=jinja2.StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(source).render(values)


def _files(*folder: str) -> _Files:
    return dict(_below(resources.files("orchestrator.templates").joinpath(*folder), ""))


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_file():
            yield f"{prefix}{entry.name}", entry.read_bytes()
        elif entry.name != _CACHE:
            yield from _below(entry, f"{prefix}{entry.name}/")
