"""From a spec to a change that is decided: build, try, plan. Nothing outside this machine is changed."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core import journal
from orchestrator.core.golden import Case
from orchestrator.core.ports import Transfer
from orchestrator.core.revision import Revision
from orchestrator.core.spec import Spec
from orchestrator.usecases.build import Build, Packaging, build, try_out
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.plan import Prepared, Wish, prepare, revision_of


@dataclass(frozen=True, slots=True)
class Release:
    """A build that passed its checks, the revision it makes, and the plan to get there."""

    build: Build
    revision: Revision
    prepared: Prepared


@contextlib.contextmanager
def prepare_release(
    spec: Spec,
    packaging: Packaging,
    cases: Sequence[Case],
    edge: Edge,
    transfer: Transfer,
    *,
    reason: str = "",
) -> Iterator[Release]:
    """Build the project, let it answer its golden cases here, and plan its deployment.

    The build can be sent as long as this is open.

    Raises:
        ArtifactError: If the project makes no archive whose model loads.
        RefusedError: If it fails a golden case, or what `build` refuses.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    with build(spec, packaging, transfer) as made:
        try_out(made, packaging, cases, spec.golden.atol)
        revision = revision_of(spec, made.identity, cases, edge)
        wish = Wish(revision, journal.DEPLOY, tuple(cases), spec.target.keep_revisions, reason)
        yield Release(made, revision, prepare(wish, edge))
