"""Get a deployment ready to begin: from the project, a build that several share, or a saved plan."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orchestrator.core.golden import Case
from orchestrator.core.ports import Transfer
from orchestrator.core.revision import Revision
from orchestrator.core.savedplan import SavedPlan
from orchestrator.core.spec import Spec
from orchestrator.usecases import saving
from orchestrator.usecases.build import Build, Packaging, judged
from orchestrator.usecases.deploy import send, send_cases
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, prepare, revision_of
from orchestrator.usecases.prepare import NO_INTENT, Intent, Release, prepare_release, released, wish_of
from orchestrator.usecases.publish import Published


@dataclass(frozen=True, slots=True)
class Planned:
    """A deployment that was decided.

    Attributes:
        revision: What it would bring.
        warnings: What the spec's policy has to say about the build and lets pass.
    """

    prepared: Prepared
    revision: Revision
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """A deployment that was decided and can begin, once what it needs was sent.

    Attributes:
        send: Sends the artifact and the golden cases, unless they are there; only while this is open.
    """

    planned: Planned
    send: Callable[[Transfer], Published | None]

    @property
    def prepared(self) -> Prepared:
        """The change."""
        return self.planned.prepared


@dataclass(frozen=True, slots=True)
class Workshop:
    """One project and where it is to go.

    Attributes:
        cases: Its golden cases.
        intent: For the journal, and what the user has consented to.
    """

    spec: Spec
    packaging: Packaging
    cases: tuple[Case, ...]
    edge: Edge
    intent: Intent = NO_INTENT


@contextlib.contextmanager
def ready(shop: Workshop, transfer: Transfer) -> Iterator[Ready]:
    """Build the project, try it and plan its deployment.

    Raises:
        OrchestratorError: As `orchestrator.usecases.prepare.prepare_release` does.
    """
    with prepare_release(
        shop.spec, shop.packaging, shop.cases, shop.edge, transfer, intent=shop.intent
    ) as release:
        yield _of(release, shop, release.build.warnings)


def ready_with(made: Build, shop: Workshop) -> Ready:
    """Plan the deployment of what was built and tried already, for another endpoint of the same spec.

    Raises:
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
        RefusedError: If a rule refuses it, or the policy refuses the container for this endpoint.
    """
    judgement = judged(shop.spec, made.weights, shop.packaging)
    warnings = tuple(found.line for found in judgement.warnings)
    release = released(shop.spec, made, shop.cases, shop.edge, intent=shop.intent)
    return _of(release, shop, warnings)


@contextlib.contextmanager
def ready_from(saved: SavedPlan, shop: Workshop, transfer: Transfer) -> Iterator[Ready]:
    """Make a saved plan ready again, exactly as it was, without building what is in the bucket already.

    Raises:
        ConflictError: If anything about the project, the plan or the world has changed since it was saved.
        OrchestratorError: As `ready` does.
    """
    if not saving.artifact_is_there(saved, shop.spec, shop.edge):
        with ready(shop, transfer) as found:
            saving.check(saved, found.prepared, shop.spec, shop.edge)
            yield found
        return
    revision = revision_of(shop.spec, saved.artifact, shop.cases, shop.edge)
    prepared = prepare(wish_of(revision, shop.spec, shop.cases, shop.intent), shop.edge)
    saving.check(saved, prepared, shop.spec, shop.edge)
    yield Ready(Planned(prepared, revision), lambda _: send_cases(revision, shop.cases, shop.edge))


def _of(release: Release, shop: Workshop, warnings: tuple[str, ...]) -> Ready:
    planned = Planned(release.prepared, release.revision, warnings)
    return Ready(planned, lambda to: send(release, shop.spec, shop.packaging.archives, shop.edge, to))
