"""Where one endpoint of a spec is deployed to, with what several checks ask together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.core.errors import DeniedError, NotFoundError
from orchestrator.core.premises import Caller, Premises, Vault, account_of
from orchestrator.core.proposal import Finding as Broken
from orchestrator.core.proposal import Proposal
from orchestrator.core.spec import Spec
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.examining.table import MootError, Once
from orchestrator.usecases.observing import observe
from orchestrator.usecases.plan import revision_of, terms_of
from orchestrator.usecases.preflight import Question, check, inquire

# The archive is not built: no rule looks at what is in it.
_IDENTITY = "0" * 64


@dataclass(frozen=True, slots=True)
class Reach:
    """What was connected to.

    Attributes:
        edge: Connects to the spec's environment, once.
        vault: Likewise, to its bucket.
    """

    edge: Callable[[], Edge]
    vault: Callable[[], Vault]
    premises: Premises
    caller: Caller


class Scene:
    """One endpoint of a spec, and the account that it is deployed to.

    Args:
        spec: The project.
        name: The endpoint's.
        reach: What was connected to.
        named: Whether somebody asked for this endpoint: then there has to be one.
    """

    def __init__(self, spec: Spec, name: str, reach: Reach, *, named: bool = False) -> None:
        self.spec = spec
        self.name = name
        self.named = named
        self.premises = reach.premises
        self.caller = reach.caller
        self._edge = reach.edge
        self._vault = reach.vault
        self._region = Once(self._ask_region)
        self._trust = Once(lambda: reach.premises.trust(self.role))
        self._proposed = Once(self._propose)

    @property
    def edge(self) -> Edge:
        """The outside world of the endpoint.

        Raises:
            MootError: If the spec names no bucket.
        """
        if self.spec.target.bucket is None:
            raise MootError("there is no bucket")
        return self._edge()

    @property
    def bucket_region(self) -> str:
        """Where the bucket is; empty if S3 does not say.

        Raises:
            CloudError: If it is absent, or we may not look.
        """
        return self._region()

    @property
    def kept(self) -> Edge:
        """The outside world of the endpoint, whose bucket is there and ours to look into.

        Raises:
            MootError: If it is not.
        """
        edge = self.edge
        try:
            self._region()
        except (DeniedError, NotFoundError) as error:
            raise MootError("the bucket is out of reach") from error
        return edge

    @property
    def vault(self) -> Vault:
        """How the bucket is kept.

        Raises:
            MootError: If there is no bucket within reach.
        """
        _ = self.kept
        return self._vault()

    @property
    def role(self) -> str:
        """The execution role, of the account that we are in.

        Raises:
            MootError: If there is none.
        """
        role = self.spec.target.role
        if role is None or account_of(role) != self.caller.account:
            raise MootError("there is no role of this account")
        return role

    @property
    def trust(self) -> Mapping[str, object]:
        """The trust policy of the execution role.

        Raises:
            MootError: If there is no such role.
            CloudError: If we may not look.
        """
        try:
            return self._trust()
        except NotFoundError as error:
            raise MootError("there is no such role") from error

    @property
    def proposed(self) -> tuple[Proposal, tuple[Broken, ...]]:
        """What a deployment would propose, and every rule that it breaks; nothing is built for it.

        Raises:
            OrchestratorError: If AWS cannot be asked, or the spec lacks a setting.
        """
        return self._proposed()

    def _ask_region(self) -> str:
        return self.edge.store.region()

    def _propose(self) -> tuple[Proposal, tuple[Broken, ...]]:
        edge, target = self.edge, self.spec.target
        if target.role is None:
            raise MootError("there is no role")
        terms = terms_of(target)
        revision = revision_of(self.spec, _IDENTITY, (), edge)
        observed = observe(revision.endpoint, edge)
        question = Question(revision, terms, (), terms.made_for(revision), observed, target.region or "")
        proposal = inquire(question, edge)
        return proposal, check(proposal, edge)
