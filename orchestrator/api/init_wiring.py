"""The composition root of `init`, which needs neither a spec nor an environment."""

from dataclasses import dataclass
from pathlib import Path

from orchestrator.adapters import scaffold
from orchestrator.adapters.projectfolder import ProjectFolder
from orchestrator.core.projects import Asked
from orchestrator.usecases.init import Begun
from orchestrator.usecases.init import init as init_in


@dataclass(frozen=True, slots=True)
class Placed:
    """A project that was begun, and where.

    Attributes:
        repository: The top folder of the git repository that it lies in, if that is another folder.
    """

    begun: Begun
    repository: Path | None


def init(folder: str, asked: Asked) -> Placed:
    """Write a new project to ``folder``, or a recipe where there is a project; overwrite nothing.

    Raises:
        OrchestratorError: As `orchestrator.usecases.init.init` does.
    """
    place = ProjectFolder(Path(folder))
    begun = init_in(asked, scaffold, place)
    top = place.repository()
    return Placed(begun, None if top == Path(folder).resolve() else top)
