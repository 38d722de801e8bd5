"""Errors a user can act on.

* OrchestratorError
  + SpecError              the spec is wrong (exit 2)
  + ArtifactError          the model or its archive is wrong
  + MissingExtraError      an optional part of the installation is absent
  + PortInUseError         somebody else listens on the port
  + ConflictError          somebody else holds or changed the endpoint, or its journal is damaged (exit 7)
  + RefusedError           a gate or a precondition said no (exit 3)
  + RolledBackError        the deploy failed, the previous revision is serving (exit 4)
  + UnhealthyError         the deploy failed, the endpoint is not healthy (exit 5)
    - NotVerifiedError     it serves the new revision, which does not answer as it should
  + MixedError             the way back failed, too: old and new serve side by side (exit 10)
  + CapacityError          AWS has no machines of that type to give (exit 11)
  + QuotaError             the account may not have that many (exit 12)
  + StillMovingError       our patience ended before the change did (exit 8)
  + CloudError             AWS said no
    - NotFoundError
    - ThrottledError
    - UnreachableError     no answer: nobody knows whether the call was carried out
    - DeniedError          credentials or permission (exit 9)

Facts are attributes; the text a person reads is put together once, by `orchestrator.cli.render`.
"""

from collections.abc import Sequence
from typing import ClassVar

Detail = tuple[str, str]


class OrchestratorError(Exception):
    """Base of every error that is shown without a traceback.

    Attributes:
        code: A stable slug for scripts and for the documentation.
        exit_code: What the process ends with.
        details: Labelled facts in the order they are shown, such as ``("state", "nothing has changed")``.
        hint: The next command or commands, one per line, or ``None``.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, details: Sequence[Detail] = (), hint: str | None = None) -> None:
        super().__init__(message)
        self.details = tuple(details)
        self.hint = hint

    def add_detail(self, label: str, fact: str, *, first: bool = False) -> None:
        """Add what only somebody further out knows, such as which step of a plan this happened in."""
        added = ((label, fact),)
        self.details = (*added, *self.details) if first else (*self.details, *added)


class SpecError(OrchestratorError):
    """The spec, or a value that stands in for one of its keys, is wrong."""

    code = "spec"
    exit_code = 2


class ArtifactError(OrchestratorError):
    """The model, its source or its archive is wrong."""

    code = "artifact"


class MissingExtraError(OrchestratorError):
    """An optional part of the installation is needed and absent."""

    code = "missing-extra"

    def __init__(self, extra: str, *, needed_for: str) -> None:
        """Name the absent ``extra`` and what needs it."""
        super().__init__(
            f"{needed_for} needs the extra '{extra}', which is not installed",
            hint=f"pip install 'cloud-deployment-orchestrator[{extra}]'",
        )
        self.extra = extra


class PortInUseError(OrchestratorError):
    """Somebody else listens on the address."""

    code = "port-in-use"


class ConflictError(OrchestratorError):
    """Somebody else holds the endpoint, changed it, or owns what we were about to touch."""

    code = "conflict"
    exit_code = 7


class RefusedError(OrchestratorError):
    """A gate or a precondition said no, before anything was changed."""

    code = "refused"
    exit_code = 3


class RolledBackError(OrchestratorError):
    """The deploy failed and the previous revision is serving."""

    code = "rolled-back"
    exit_code = 4


class UnhealthyError(OrchestratorError):
    """The deploy failed and the endpoint is not healthy."""

    code = "unhealthy"
    exit_code = 5


class NotVerifiedError(UnhealthyError):
    """The endpoint is in service on the new revision, which does not answer as it should."""

    code = "not-verified"


class MixedError(OrchestratorError):
    """SageMaker's way back failed, too: instances of the old and the new revision serve side by side."""

    code = "mixed"
    exit_code = 10


class CapacityError(OrchestratorError):
    """AWS has no machines of that type to give at the moment."""

    code = "capacity"
    exit_code = 11


class QuotaError(OrchestratorError):
    """The account may not have that many."""

    code = "quota"
    exit_code = 12


class StillMovingError(OrchestratorError):
    """Our patience ended before the change did; it goes on without us."""

    code = "still-moving"
    exit_code = 8


class CloudError(OrchestratorError):
    """AWS refused a request, or could not be reached."""

    code = "cloud"


class NotFoundError(CloudError):
    """AWS knows nothing of that name."""

    code = "not-found"


class ThrottledError(CloudError):
    """AWS asks for fewer requests."""

    code = "throttled"


class UnreachableError(CloudError):
    """No answer came: nobody knows whether the call was carried out. Every port may be asked again."""

    code = "unreachable"


class DeniedError(CloudError):
    """Credentials are missing or expired, or do not permit the call."""

    code = "denied"
    exit_code = 9
