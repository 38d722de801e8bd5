"""From a spec to a change that is decided: build, try, plan. Nothing outside this machine is changed."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import journal
from orchestrator.core.golden import Case
from orchestrator.core.ports import Transfer
from orchestrator.core.prices import Prices
from orchestrator.core.revision import Revision
from orchestrator.core.spec import Spec
from orchestrator.usecases.build import Build, Packaging, built
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, Wish, prepare, revision_of, terms_of


@dataclass(frozen=True, slots=True)
class Release:
    """A build that passed its checks, the revision it makes, and the plan to get there."""

    build: Build
    revision: Revision
    prepared: Prepared


@dataclass(frozen=True, slots=True)
class Intent:
    """What somebody says with a deployment that no spec can.

    Attributes:
        reason: Why, for the journal.
        commit: The project's, for the journal.
        accepted: The rules whose findings somebody has agreed to.
        wait: Whether to watch until the change has arrived.
        prices: What instances cost, if somebody knows.
    """

    reason: str = ""
    commit: str = ""
    accepted: tuple[str, ...] = ()
    wait: bool = True
    prices: Prices | None = None


NO_INTENT = Intent()


@contextlib.contextmanager
def prepare_release(
    spec: Spec,
    packaging: Packaging,
    cases: Sequence[Case],
    edge: Edge,
    transfer: Transfer,
    *,
    intent: Intent = NO_INTENT,
) -> Iterator[Release]:
    """Build the project, let it answer its golden cases here, and plan its deployment.

    The build can be sent as long as this is open.

    Raises:
        ArtifactError: If the project makes no archive whose model loads.
        RefusedError: If it fails a golden case, or what `build` or a rule of SageMaker's refuses.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    with built(spec, packaging, cases, transfer) as made:
        yield released(spec, made, cases, edge, intent=intent)


def released(
    spec: Spec, made: Build, cases: Sequence[Case], edge: Edge, *, intent: Intent = NO_INTENT
) -> Release:
    """Plan the deployment of what was built and tried already.

    Raises:
        RefusedError: If a rule of SageMaker's refuses it.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    revision = revision_of(spec, made.identity, cases, edge)
    return Release(made, revision, prepare(wish_of(revision, spec, cases, intent), edge))


def wish_of(revision: Revision, spec: Spec, cases: Sequence[Case], intent: Intent) -> Wish:
    """Return the wish to deploy a revision on the terms of its spec."""
    return Wish(
        revision,
        journal.DEPLOY,
        tuple(cases),
        spec.target.keep_revisions,
        reason=intent.reason,
        commit=intent.commit,
        terms=terms_of(spec.target, accepted=intent.accepted, wait=intent.wait),
        # In the local cloud one bucket serves all regions.
        region="" if spec.target.is_local else spec.target.region or "",
        asks_role=not spec.target.is_local,
        prices=intent.prices,
    )
