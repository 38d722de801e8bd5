"""Package PyTorch models, deploy them to SageMaker, and tell the truth about the outcome.

The architecture in one line: ``cli -> api -> wiring -> usecases | adapters | localcloud -> serving -> core``.
`Project` has the verbs of the command line; it is imported at its first use, so that this costs nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.api.project import Outcome, Project

__version__ = "0.1.0"
__all__ = ["Outcome", "Project", "__version__"]


def __getattr__(name: str) -> object:
    """Return `Project` and `Outcome`, importing them now.

    Raises:
        AttributeError: For any other name.
    """
    if name not in {"Outcome", "Project"}:
        raise AttributeError(f"module 'orchestrator' has no attribute '{name}'")
    from orchestrator.api import project  # noqa: PLC0415 - `orchestrator --help` must be quick

    return getattr(project, name)
