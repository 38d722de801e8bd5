"""From a spec to a change that is decided: package, check, plan. Nothing outside this machine is changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.core import journal
from orchestrator.core.golden import Case
from orchestrator.core.revision import Revision
from orchestrator.core.spec import Spec
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.package import PackagedArchive, Packaging, package
from orchestrator.usecases.plan import Prepared, Wish, prepare, revision_of


@dataclass(frozen=True, slots=True)
class Release:
    """An archive that passed its checks, the revision it makes, and the plan to get there."""

    archive: PackagedArchive
    revision: Revision
    prepared: Prepared


def prepare_release(
    spec: Spec, packaging: Packaging, out: str, cases: Sequence[Case], edge: Edge, *, reason: str = ""
) -> Release:
    """Package the project to ``out``, let the archive answer its golden cases here, and plan its deployment.

    Raises:
        ArtifactError: If the project makes no archive whose model loads.
        RefusedError: If the archive fails a golden case.
        ConflictError: If the endpoint is not ours, or somebody else's change of it is under way.
    """
    archive = package(spec, packaging, out, cases)
    revision = revision_of(spec, archive.identity, cases, edge)
    wish = Wish(revision, journal.DEPLOY, tuple(cases), spec.target.keep_revisions, reason)
    return Release(archive, revision, prepare(wish, edge))
