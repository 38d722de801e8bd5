"""What a new project is asked to be, and the files that it begins with."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Protocol

from orchestrator.core import tasks
from orchestrator.core.names import MAX_LENGTH

SPEC = "orchestrator.toml"
SHORT = {"image": "image-classification", "text": "text-classification"}
"""Short names of tasks, for who types them."""

TASKS = tuple(dict.fromkeys((*SHORT, *tasks.OPTIONS)))
RECIPES = ("github", "gitlab", "codebuild")
"""The CI systems for which there is a recipe."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A file to be.

    Attributes:
        path: Relative to the project's folder, with ``/``.
        executable: Whether it is a program.
    """

    path: str
    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        task: In short or in full; ``None`` if nobody said.
        name: The project's; ``None`` takes it from the folder's.
        recipe: One of `RECIPES`, or ``None``.
        keep: Whether files that stand in the way stay as they are, and the rest is written.
    """

    task: str | None = None
    name: str | None = None
    recipe: str | None = None
    keep: bool = False


class Templates(Protocol):
    """The files that projects begin with."""

    def project(self, task: str, name: str) -> tuple[Draft, ...]:
        """Return a whole project for ``task``, which is named in full."""
        ...

    def recipe(self, name: str) -> tuple[Draft, ...]:
        """Return what a CI system needs besides."""
        ...


class Folder(Protocol):
    """The folder that a project is to be in; it need not exist."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def holds(self, path: str) -> bool:
        """Tell whether there is something at ``path`` in it."""
        ...

    def obstacles(self, drafts: tuple[Draft, ...]) -> tuple[str, ...]:
        """Return the paths of ``drafts`` at which something else is, or could not be made room for."""
        ...

    def add(self, drafts: tuple[Draft, ...]) -> None:
        """Write all of ``drafts``, or nothing; what is there is never overwritten.

        Raises:
            OrchestratorError: If that was not possible.
        """
        ...


def name_from(folder: str) -> str:
    """Return a name for the project in a folder of that name, accents left out; empty if there is none.

    >>> name_from("My project_2"), name_from("Prüfung"), name_from("数字")
    ('My-project-2', 'Prufung', '')
    """
    plain = "".join(one for one in unicodedata.normalize("NFKD", folder) if not unicodedata.combining(one))
    return re.sub(r"[^a-zA-Z0-9]+", "-", plain).strip("-")[:MAX_LENGTH].rstrip("-")
